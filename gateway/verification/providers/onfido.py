"""Onfido, now Entrust: workflow runs of Studio.

Sources: onfido-python 6 (`WebhookEventVerifier`, `WebhookEvent`, `WorkflowRun`, `Task`, `DocumentProperties`),
documentation.onfido.com/guide/document-report-object. A webhook states no time at which it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from gateway.verification.provider import Event, Started, State, Verdict
from gateway.verification.providers import signatures
from gateway.verification.providers.adapter import Adapter, segment
from gateway.verification.providers.content import (
    Json,
    Misread,
    digest,
    find,
    first_code,
    identifier,
    moment,
    part,
    parts,
    text,
    texts,
    word,
)
from gateway.verification.providers.documents import document, ends
from gateway.verification.providers.http import Request

_STATUSES: Final[Mapping[str, State]] = {
    "processing": State.SUBMITTED,
    "awaiting_input": State.CREATED,
    "awaiting_client_input": State.REVIEW,
    "approved": State.APPROVED,
    "declined": State.DECLINED,
    "review": State.REVIEW,
    "abandoned": State.EXPIRED,
    "error": State.REVIEW,
}
"""`error`: a run that broke at Onfido is neither the person's fault nor an approval. Somebody has to look."""
_COMPLETED: Final = "workflow_run.completed"
_DOCUMENT_TASK: Final = "document"
"""How the names of tasks begin that look at a document, such as document_check."""


class Onfido(Adapter):
    dated = False

    def _believe(self, fields: Mapping[str, str], body: bytes, now: float) -> None:  # noqa: ARG002
        value = signatures.field(fields, "x-sha2-signature")
        signatures.check_plain(value, signatures.digests(self._webhook_secrets, body))

    def _event(self, content: Json, body: bytes) -> Event:
        payload = part(content, "payload")
        kind = text(payload, "action") or "unknown"
        if not payload:
            raise Misread("payload")
        about = part(payload, "object")
        # It has no id of its own, and each attempt to deliver it has the same bytes.
        if kind != _COMPLETED:
            return Event(digest(body), kind[:200], State.OTHER, "", 0.0)
        state = _STATUSES.get(word(about, "status"), State.OTHER)
        return Event(digest(body), kind, state, identifier(about, "id"), moment(about, "completed_at_iso8601"))

    async def _start(self, verification: str, account: str, back: str) -> Started:
        # An applicant must have a name; the person's own is read from their document, and we do not know it.
        applicant = await self._post("/v3.6/applicants", {"first_name": "Account", "last_name": "Owner"})
        run = await self._post(
            "/v3.6/workflow_runs",
            {
                "workflow_id": self._flow,
                "applicant_id": identifier(applicant, "id"),
                "customer_user_id": account,
                "tags": [verification],
                "link": {"completed_redirect_url": back, "expired_redirect_url": back},
            },
        )
        if not (url := text(run, "link", "url")):
            raise Misread("link.url")
        return Started(identifier(run, "id"), url)

    async def _resume(self, reference: str) -> Started | None:
        run = await self._get(f"/v3.6/workflow_runs/{segment(reference)}")
        url = text(run, "link", "url")
        return Started(reference, url) if url and word(run, "status") == "awaiting_input" else None

    async def _verdict(self, reference: str) -> Verdict:
        target = f"/v3.6/workflow_runs/{segment(reference)}"
        run = await self._get(target)
        status = word(run, "status")
        state = _STATUSES.get(status, State.OTHER)
        at, tags = moment(run, "updated_at"), texts(run, "tags")
        ours = tags[0] if tags else ""
        if state is not State.APPROVED:
            reason = first_code(texts(run, "reasons")) or (status if state is State.DECLINED else "")
            return Verdict(state, at, reason=reason, ours=ours)
        shown = await self._shown(target)
        numbers = {word(one, "type"): text(one, "value") for one in parts(shown, "document_numbers")}
        return Verdict(
            state,
            at,
            gives=self.gives,
            expires=ends(text(shown, "date_of_expiry"), "date_of_expiry"),
            identified=document(
                text(shown, "issuing_country"), text(shown, "document_type"), numbers.get("document_number", "")
            ),
            ours=ours,
        )

    async def _shown(self, target: str) -> Json:
        """The properties of the document: they stand in the output of the last task that looked at one."""
        tasks = (await self._api.ask(Request("GET", f"{target}/tasks", fields=self._fields()), listed=True))["list"]
        for task in sorted(parts({"list": tasks}, "list"), key=lambda one: moment(one, "created_at"), reverse=True):
            if not text(task, "task_def_id").startswith(_DOCUMENT_TASK):
                continue
            answer = await self._get(f"{target}/tasks/{segment(identifier(task, 'id'))}")
            output = find(answer, "output")
            # A task that asks for a photo has an output of another shape.
            if isinstance(output, dict) and isinstance(output.get("properties"), dict):
                return part(output, "properties")
        return {}

    async def _get(self, target: str) -> Json:
        return await self._api.ask(Request("GET", target, fields=self._fields()))

    async def _post(self, target: str, content: Json) -> Json:
        fields = {**self._fields(), "Content-Type": "application/json"}
        return await self._api.ask(Request("POST", target, json.dumps(content).encode(), fields))

    def _fields(self) -> Mapping[str, str]:
        return {"Authorization": f"Token token={self._key}"}
