"""Veriff: sessions in its hosted flow.

Sources: devdocs.veriff.com/docs/hmac-authentication-and-endpoint-security, /docs/webhooks-guide, /docs/event-webhook,
/docs/decision-webhook, /docs/verification-session-status-codes-table, /apidocs/v1sessionsiddecision-1, and
/docs/general-faq (what each request signs: a GET the id of its session, POST /sessions nothing).
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Final

from gateway.verification.provider import Event, Rejected, Started, State, Verdict
from gateway.verification.providers import signatures
from gateway.verification.providers.adapter import Adapter, segment
from gateway.verification.providers.content import Json, Misread, code, digest, find, identifier, moment, part, text
from gateway.verification.providers.contract import Entry
from gateway.verification.providers.documents import document, ends
from gateway.verification.providers.http import Request

_CODES: Final[Mapping[int, State]] = {
    7001: State.CREATED,
    7002: State.SUBMITTED,
    9001: State.APPROVED,
    9102: State.DECLINED,
    9103: State.RETRY,
    9104: State.EXPIRED,
    9121: State.REVIEW,
}


class Veriff(Adapter):
    dated = False

    def __init__(self, entry: Entry, clock: Callable[[], float]) -> None:
        super().__init__(entry, clock)
        # One shared secret signs requests and webhooks; only while it is rotated do the two lists differ.
        self._webhook_secrets = self._webhook_secrets or [self._secret]

    def _believe(self, fields: Mapping[str, str], body: bytes, now: float) -> None:  # noqa: ARG002
        # X-SIGNATURE, from before, is SHA-256 over content and secret: lengthened by who likes, and refused.
        value = signatures.field(fields, "x-hmac-signature")
        signatures.check_plain(value, signatures.digests(self._webhook_secrets, body))
        whose = fields.get("x-auth-client", self._key).strip()
        if not hmac.compare_digest(whose.encode("utf-8", "surrogateescape"), self._key.encode()):
            raise Rejected("wrong_signature", "of another integration")

    def _event(self, content: Json, body: bytes) -> Event:
        about = part(content, "verification")
        if about:
            at = moment(about, "decisionTime") or moment(about, "acceptanceTime")
            kind = identifier(about, "status")
        else:
            about, at, kind = content, 0.0, text(content, "action") or "unknown"
        state = _CODES.get(_code(about), State.OTHER)
        reference = text(about, "id") if state is State.OTHER else identifier(about, "id")
        return Event(digest(body), kind[:200], state, reference, at)

    async def _start(self, verification: str, account: str, back: str) -> Started:  # noqa: ARG002
        content = {"verification": {"callback": back, "vendorData": verification}}
        fields = {"X-AUTH-CLIENT": self._key, "Content-Type": "application/json"}
        answer = await self._api.ask(Request("POST", "/v1/sessions", json.dumps(content).encode(), fields))
        if not (url := text(answer, "verification", "url")):
            raise Misread("verification.url")
        return Started(identifier(answer, "verification", "id"), url)

    async def _resume(self, reference: str) -> Started | None:  # noqa: ARG002
        # The way in is told once, when the session is made, and kept by nobody.
        return None

    async def _verdict(self, reference: str) -> Verdict:
        answer = await self._api.ask(
            Request(
                "GET",
                f"/v1/sessions/{segment(reference)}/decision",
                fields={
                    "X-AUTH-CLIENT": self._key,
                    "X-HMAC-SIGNATURE": hmac.digest(self._secret, reference.encode(), "sha256").hex(),
                    "Content-Type": "application/json",
                },
            )
        )
        about = part(answer, "verification")
        if not about:
            return Verdict(State.CREATED, 0.0)
        state = _CODES.get(_code(about), State.OTHER)
        at, ours = moment(about, "decisionTime") or moment(about, "acceptanceTime"), text(about, "vendorData")
        if state is not State.APPROVED:
            # `reason` is prose; `reasonCode` is a number, and has been a text.
            reason = find(about, "reasonCode")
            return Verdict(state, at, reason=code(str(reason)) if type(reason) in (int, str) else "", ours=ours)
        shown = part(about, "document")
        return Verdict(
            state,
            at,
            gives=self.gives,
            expires=ends(text(shown, "validUntil"), "verification.document.validUntil"),
            identified=document(text(shown, "country"), text(shown, "type"), text(shown, "number")),
            ours=ours,
        )


def _code(about: Json) -> int:
    found = find(about, "code")
    if type(found) is not int:
        raise Misread("code")
    return found
