"""Didit: sessions of a workflow.

Sources: docs.didit.me/integration/webhooks (signatures, events), /sessions-api/create-session,
/sessions-api/retrieve-session, /integration/verification-statuses.

Of its three signatures the one that it recommends is asked for, X-Signature-V2, and no other is looked at: HMAC-SHA256
over the content as canonical JSON (names sorted, no spaces, 1.0 as 1). So the content is read before it is believed,
within the bounds of `content.load`. X-Timestamp is not part of what is signed; `timestamp` in the content is, and is
what an Event is ordered by.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Final

from gateway.verification.provider import Event, Rejected, Started, State, Verdict
from gateway.verification.providers import signatures
from gateway.verification.providers.adapter import Adapter, segment
from gateway.verification.providers.content import (
    Json,
    Misread,
    Written,
    digest,
    first_code,
    identifier,
    load,
    parts,
    text,
    unix,
    word,
)
from gateway.verification.providers.documents import document, ends
from gateway.verification.providers.http import Request

_STATUSES: Final[Mapping[str, State]] = {
    "not_started": State.CREATED,
    "in_progress": State.CREATED,
    "awaiting_user": State.CREATED,
    "in_review": State.REVIEW,
    "resubmitted": State.RETRY,
    "approved": State.APPROVED,
    "declined": State.DECLINED,
    "expired": State.EXPIRED,
    "abandoned": State.EXPIRED,
    "kyc_expired": State.EXPIRED,
}
LARGEST: Final = 128 * 1024
"""Bytes of a content that has to be read before it is believed: what anybody sends costs us so much and no more."""
_LONG: Final = 1e21
"""From here on JavaScript writes an exponent (ECMA-262, Number::toString), and 1e308 is no 309 digits of ours."""
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7e]+")
_CONSTANTS: Final[Mapping[bool | None, str]] = {True: "true", False: "false", None: "null"}
_OPEN: Final = frozenset({"not_started", "in_progress", "awaiting_user", "resubmitted"})


class Didit(Adapter):
    def _believe(self, fields: Mapping[str, str], body: bytes, now: float) -> None:
        value = signatures.field(fields, "x-signature-v2")
        at = signatures.stamp(signatures.field(fields, "x-timestamp"))
        expected = []
        for spelling in _spellings(body):
            expected += signatures.digests(self._webhook_secrets, spelling)
        signatures.check_plain(value, expected)
        signatures.check_time(at, now)

    def read(self, fields: Mapping[str, str], body: bytes, now: float) -> Event:
        event = super().read(fields, body, now)
        if event.at > now + signatures.WINDOW:
            raise Rejected("from_the_future")
        return event

    def _event(self, content: Json, body: bytes) -> Event:
        kind = identifier(content, "webhook_type")
        event_id = text(content, "event_id") or digest(body)
        at = unix(content, "timestamp") or unix(content, "created_at")
        if kind != "status.updated" or text(content, "session_kind") == "business":
            return Event(event_id[:200], kind, State.OTHER, "", at)
        state = _STATUSES.get(word(content, "status"), State.OTHER)
        return Event(event_id[:200], kind, state, identifier(content, "session_id"), at)

    async def _start(self, verification: str, account: str, back: str) -> Started:
        content = {
            "workflow_id": self._flow,
            # Sessions of one `vendor_data` are one person's for Didit: an unfinished one is given again.
            "vendor_data": account,
            "callback": back,
            "metadata": {"verification": verification},
        }
        fields = {**self._fields(), "Content-Type": "application/json"}
        answer = await self._api.ask(Request("POST", "/v3/session/", json.dumps(content).encode(), fields))
        if not (url := text(answer, "url")):
            raise Misread("url")
        return Started(identifier(answer, "session_id"), url)

    async def _resume(self, reference: str) -> Started | None:
        answer = await self._decision(reference)
        url = text(answer, "session_url")
        return Started(reference, url) if url and word(answer, "status") in _OPEN else None

    async def _verdict(self, reference: str) -> Verdict:
        answer = await self._decision(reference)
        status = word(answer, "status")
        state = _STATUSES.get(status, State.OTHER)
        ours = _ours(answer)
        shown = parts(answer, "id_verifications")
        if state is not State.APPROVED:
            warnings = [text(warning, "risk") for one in shown for warning in parts(one, "warnings")]
            reason = first_code(warnings) or (status if state in {State.DECLINED, State.EXPIRED} else "")
            return Verdict(state, 0.0, reason=reason, ours=ours)
        good = [one for one in shown if word(one, "status") == "approved"]
        alive = any(word(one, "status") == "approved" for one in parts(answer, "liveness_checks"))
        absent = frozenset([*(() if good else ("document",)), *(() if alive else ("liveness",))])
        last = good[-1] if good else {}
        return Verdict(
            state,
            0.0,
            gives=self.gives - absent,
            expires=ends(text(last, "expiration_date"), "id_verifications.expiration_date"),
            identified=document(
                text(last, "issuing_state"), text(last, "document_type"), text(last, "document_number")
            ),
            ours=ours,
        )

    async def _decision(self, reference: str) -> Json:
        return await self._api.ask(Request("GET", f"/v3/session/{segment(reference)}/decision/", fields=self._fields()))

    def _fields(self) -> Mapping[str, str]:
        return {"x-api-key": self._key}


def _spellings(body: bytes) -> set[bytes]:
    """What may have been signed. Raises Rejected: never `malformed_content`, which is for what is believed and kept.

    Its pages have said both of letters beyond ASCII: that they are escaped, and that they are kept. Either says the
    same content, so nothing is lost by knowing both, and honest people's names have such letters.
    """
    if len(body) > LARGEST:
        raise Rejected("wrong_signature", "of more content than is read of strangers")
    try:
        kept = canonical(load(body))
        return {kept.encode(), escaped(kept).encode()}
    except (Misread, UnicodeEncodeError):
        raise Rejected("wrong_signature", "of content that has no canonical form") from None


def _ours(answer: Json) -> str:
    """Metadata come back as the object that was sent, or as JSON in a text."""
    metadata = answer.get("metadata")
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except ValueError:
            return ""
    return text(metadata, "verification") if isinstance(metadata, dict) else ""


def canonical(value: Any) -> str:
    """JSON with names in order and without spaces; a fraction as it was written, but 1.0 as 1.

    As deep as `content.load` lets content be. Written by hand because strangers have us do it: `json.dumps` of each
    part takes ten times as long.
    """
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is int:
        return repr(value)
    if kind is dict:
        return "{" + ",".join([f"{encode_basestring(name)}:{canonical(value[name])}" for name in sorted(value)]) + "}"
    if kind is list:
        return "[" + ",".join([canonical(one) for one in value]) + "]"
    if kind is Written:
        return str(int(value)) if value.is_integer() and abs(value) < _LONG else value.text
    return _CONSTANTS[value]


def escaped(spelling: str) -> str:
    """The same with every letter beyond ASCII as an escape: such letters stand in strings alone."""
    return _BEYOND_ASCII.sub(lambda found: encode_basestring_ascii(found[0])[1:-1], spelling)
