"""Stripe Identity, and disputes of payments.

Sources: docs.stripe.com/webhooks/signature, docs.stripe.com/api/identity/verification_sessions,
docs.stripe.com/identity/access-verification-results, docs.stripe.com/api/disputes, and the types of stripe-python 16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from gateway.verification.provider import Event, Identified, Started, State, Verdict
from gateway.verification.providers import signatures
from gateway.verification.providers.adapter import Adapter, segment
from gateway.verification.providers.content import Json, Misread, code, find, identifier, part, text, unix
from gateway.verification.providers.documents import document, ends
from gateway.verification.providers.http import Request

_SESSION: Final = "identity.verification_session."
_STATES: Final[Mapping[str, State]] = {
    "created": State.CREATED,
    "processing": State.SUBMITTED,
    "verified": State.APPROVED,
    "canceled": State.EXPIRED,
}
"""What follows `identity.verification_session.` in the type of an event, and the status of a session."""
_FINAL: Final = frozenset({"consent_declined", "under_supported_age"})
"""Codes of `last_error` after which the same person has nothing to try again."""
_SENSITIVE: Final = ("last_verification_report.document.number", "last_verification_report.document.expiration_date")
"""What a restricted key (`rk_`) alone may ask for."""


class Stripe(Adapter):
    def _believe(self, fields: Mapping[str, str], body: bytes, now: float) -> None:
        value = signatures.field(fields, "stripe-signature")
        signatures.check_stamped(value, body, self._webhook_secrets, now)

    def _event(self, content: Json, body: bytes) -> Event:  # noqa: ARG002 - others need the bytes
        if text(content, "object") not in {"event", "v2.core.event"}:
            raise Misread("object")
        kind, event_id = identifier(content, "type"), identifier(content, "id")
        if text(content, "object") == "v2.core.event":
            # A "thin" event, which has no object in it and another spelling of its time: none that we read is one.
            return Event(event_id, kind, State.OTHER, "", 0.0)
        at = unix(content, "created")
        about = part(content, "data", "object")
        if kind == "charge.dispute.created":
            return Event(event_id, kind, State.DISPUTED, identifier(about, "charge"), at)
        if not kind.startswith(_SESSION):
            return Event(event_id, kind, State.OTHER, "", at)
        return Event(event_id, kind, _state(kind.removeprefix(_SESSION), about), identifier(about, "id"), at)

    async def _start(self, verification: str, account: str, back: str) -> Started:
        form = {"return_url": back, "client_reference_id": account, "metadata[verification]": verification}
        if self._flow:
            form["verification_flow"] = self._flow
        else:
            form["type"] = "document"
            form["options[document][require_live_capture]"] = "true"
            form["options[document][require_matching_selfie]"] = "true" if "liveness" in self.gives else "false"
        fields = {
            **self._authorization(),
            "Content-Type": "application/x-www-form-urlencoded",
            # A request that is sent again makes no second session: docs.stripe.com/api/idempotent_requests
            "Idempotency-Key": f"tidegate-{verification}",
        }
        answer = await self._api.ask(
            Request("POST", "/v1/identity/verification_sessions", urlencode(form).encode(), fields)
        )
        return Started(identifier(answer, "id"), text(answer, "url") or _missing("url"))

    async def _resume(self, reference: str) -> Started | None:
        answer = await self._api.ask(
            Request("GET", f"/v1/identity/verification_sessions/{segment(reference)}", fields=self._authorization())
        )
        url = text(answer, "url")
        return Started(reference, url) if url and text(answer, "status") == "requires_input" else None

    async def _verdict(self, reference: str) -> Verdict:
        expand = ["last_verification_report", *(_SENSITIVE if self._key.startswith("rk_") else ())]
        query = urlencode([("expand[]", name) for name in expand])
        answer = await self._api.ask(
            Request(
                "GET",
                f"/v1/identity/verification_sessions/{segment(reference)}?{query}",
                fields=self._authorization(),
            )
        )
        state = _state(identifier(answer, "status"), answer)
        report = part(answer, "last_verification_report")
        at, ours = unix(report, "created"), text(answer, "metadata", "verification")
        if state is not State.APPROVED:
            return Verdict(state, at, reason=code(text(answer, "last_error", "code")), ours=ours)
        shown = part(report, "document")
        absent = frozenset() if text(report, "selfie", "status") == "verified" else frozenset({"liveness"})
        return Verdict(
            state,
            at,
            gives=self.gives - absent,
            expires=ends(_date(shown), "last_verification_report.document.expiration_date"),
            identified=document(text(shown, "issuing_country"), text(shown, "type"), text(shown, "number")),
            ours=ours,
        )

    async def disputed(self, reference: str) -> tuple[Identified, ...]:
        """`gateway.verification.provider.Disputes`: the customer, and the card by Stripe's fingerprint of it."""
        try:
            answer = await self._api.ask(
                Request("GET", f"/v1/charges/{segment(reference)}", fields=self._authorization())
            )
            details = part(answer, "payment_method_details")
            method = text(details, "type")
            found = {
                "customer": text(answer, "customer"),
                "payment": text(details, method, "fingerprint") if method else "",
            }
        except Misread as problem:
            raise self._api.misread(problem) from None
        return tuple(Identified(kind, value) for kind, value in found.items() if value)

    def _authorization(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._key}"}


def _state(status: str, session: Json) -> State:
    """A session waits for input at its beginning, and again after each attempt that was no good."""
    if status != "requires_input":
        return _STATES.get(status, State.OTHER)
    error = text(session, "last_error", "code")
    if not error:
        return State.CREATED
    return State.DECLINED if error in _FINAL else State.RETRY


def _date(shown: Json) -> str:
    written = part(shown, "expiration_date")
    numbers = [find(written, name) for name in ("year", "month", "day")]
    if not any(numbers):
        return ""
    if not all(type(number) is int for number in numbers):
        raise Misread("last_verification_report.document.expiration_date")
    return f"{numbers[0]:04}-{numbers[1]:02}-{numbers[2]:02}"


def _missing(place: str) -> str:
    raise Misread(place)
