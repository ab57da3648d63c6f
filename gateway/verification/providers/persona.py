"""Persona: inquiries in its hosted flow.

Sources: docs.withpersona.com/docs/webhooks-best-practices (signature, order), /docs/webhooks (shape of an event),
/api-reference/inquiries (statuses, one-time links), /hosted-flow-redirecting-on-complete (`redirect-uri` is a parameter
of the link), /reference/government-id-verifications (`id-class`, `identification-number`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from gateway.verification.provider import Event, Started, State, Verdict
from gateway.verification.providers import signatures
from gateway.verification.providers.adapter import Adapter, segment
from gateway.verification.providers.content import Json, Misread, identifier, moment, part, parts, text, word
from gateway.verification.providers.documents import document, ends
from gateway.verification.providers.http import Request

_VERSION: Final = "2023-01-05"
"""Of the API, whose names have dashes. The webhook has a version and an inflection of its own: docs/providers.md"""
_EVENTS: Final[Mapping[str, State]] = {
    "created": State.CREATED,
    "started": State.CREATED,
    "completed": State.SUBMITTED,
    "marked-for-review": State.REVIEW,
    "approved": State.APPROVED,
    "declined": State.DECLINED,
    "failed": State.DECLINED,
    "expired": State.EXPIRED,
}
"""What follows `inquiry.` in the name of an event. `completed` is not `approved`: a workflow of Persona's says that."""
_STATUSES: Final[Mapping[str, State]] = {
    "created": State.CREATED,
    "pending": State.CREATED,
    "completed": State.SUBMITTED,
    "needs_review": State.REVIEW,
    "approved": State.APPROVED,
    "declined": State.DECLINED,
    "failed": State.DECLINED,
    "expired": State.EXPIRED,
}
_TIMES: Final = ("decisioned-at", "completed-at", "failed-at", "expired-at", "created-at")
"""When an inquiry came to be as it is: the first that it states."""


class Persona(Adapter):
    def _believe(self, fields: Mapping[str, str], body: bytes, now: float) -> None:
        value = signatures.field(fields, "persona-signature")
        # While a secret takes over from another there are two sets, with a space between.
        signatures.check_stamped(value, body, self._webhook_secrets, now, sets=2)

    def _event(self, content: Json, body: bytes) -> Event:  # noqa: ARG002 - others need the bytes
        event = part(content, "data")
        if text(event, "type") != "event":
            raise Misread("data.type")
        event_id, kind = identifier(event, "id"), identifier(event, "attributes", "name")
        at = moment(event, "attributes", "created-at")
        state = _EVENTS.get(kind.removeprefix("inquiry."), State.OTHER) if kind.startswith("inquiry.") else State.OTHER
        if state is State.OTHER:
            return Event(event_id, kind, state, "", at)
        return Event(event_id, kind, state, identifier(event, "attributes", "payload", "data", "id"), at)

    async def _start(self, verification: str, account: str, back: str) -> Started:  # noqa: ARG002
        # The account goes nowhere: `reference-id` is the one place that is ours, and it must lead to the verification.
        attributes = {"inquiry-template-id": self._flow, "reference-id": verification}
        fields = {
            **self._fields(),
            "Content-Type": "application/json",
            "Idempotency-Key": f"tidegate-{verification}",
        }
        content = json.dumps({"data": {"attributes": attributes}}).encode()
        answer = await self._api.ask(Request("POST", "/api/v1/inquiries", content, fields))
        reference = identifier(answer, "data", "id")
        url = await self._link(reference)
        return Started(reference, f"{url}{'&' if '?' in url else '?'}{urlencode({'redirect-uri': back})}")

    async def _resume(self, reference: str) -> Started | None:
        answer = await self._api.ask(Request("GET", f"/api/v1/inquiries/{segment(reference)}", fields=self._fields()))
        if word(answer, "data", "attributes", "status") not in {"created", "pending"}:
            return None
        return Started(reference, await self._link(reference))

    async def _link(self, reference: str) -> str:
        target = f"/api/v1/inquiries/{segment(reference)}/generate-one-time-link"
        answer = await self._api.ask(Request("POST", target, fields=self._fields()))
        if not (url := text(answer, "meta", "one-time-link")):
            raise Misread("meta.one-time-link")
        return url

    async def _verdict(self, reference: str) -> Verdict:
        answer = await self._api.ask(
            Request("GET", f"/api/v1/inquiries/{segment(reference)}?include=verifications", fields=self._fields())
        )
        attributes = part(answer, "data", "attributes")
        status = word(attributes, "status")
        state = _STATUSES.get(status, State.OTHER)
        at = next((found for name in _TIMES if (found := moment(attributes, name))), 0.0)
        ours = text(attributes, "reference-id")
        if state is not State.APPROVED:
            return Verdict(state, at, reason=status if state in {State.DECLINED, State.EXPIRED} else "", ours=ours)
        passed = {
            word(one, "type"): part(one, "attributes")
            for one in parts(answer, "included")
            if word(one, "attributes", "status") == "passed"
        }
        shown = passed.get("verification/government_id", {})
        absent = frozenset() if "verification/selfie" in passed else frozenset({"liveness"})
        return Verdict(
            state,
            at,
            gives=self.gives - absent - (frozenset() if shown else frozenset({"document"})),
            expires=ends(text(shown, "expiration-date"), "expiration-date"),
            identified=document(
                text(shown, "country-code"), text(shown, "id-class"), text(shown, "identification-number")
            ),
            ours=ours,
        )

    def _fields(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._key}", "Persona-Version": _VERSION, "Key-Inflection": "kebab"}
