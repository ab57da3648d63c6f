"""Sumsub: applicants in its hosted WebSDK.

Sources: docs.sumsub.com/reference/authentication (how requests are signed), /reference/generate-websdk-external-link,
/reference/get-applicant-data-via-externaluserid, /docs/webhooks and /docs/user-verification-webhooks (events),
/docs/receive-and-interpret-results-via-api (`reviewResult`).

The reference is our own id of the verification, as their `externalUserId`: an applicant is made when the person comes.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Final

from gateway.verification.provider import Event, NoSuchSession, Rejected, Started, State, Verdict
from gateway.verification.providers import signatures
from gateway.verification.providers.adapter import Adapter, segment
from gateway.verification.providers.content import (
    Json,
    Misread,
    digest,
    first_code,
    identifier,
    moment,
    part,
    parts,
    text,
    texts,
)
from gateway.verification.providers.documents import document, ends
from gateway.verification.providers.http import Request

_ALGORITHMS: Final[Mapping[str, str]] = {"HMAC_SHA256_HEX": "sha256", "HMAC_SHA512_HEX": "sha512"}
"""HMAC_SHA1_HEX, which there was first, is refused: choose another in the webhook's settings."""
_EVENTS: Final[Mapping[str, State]] = {
    "applicantCreated": State.CREATED,
    "applicantPending": State.SUBMITTED,
    "applicantOnHold": State.REVIEW,
    "applicantReset": State.REVERSED,
    "applicantDeactivated": State.REVERSED,
}
_STATUSES: Final[Mapping[str, State]] = {
    "init": State.CREATED,
    "pending": State.SUBMITTED,
    "prechecked": State.SUBMITTED,
    "queued": State.SUBMITTED,
    "onHold": State.REVIEW,
    "awaitingUser": State.RETRY,
    "awaitingService": State.SUBMITTED,
}
"""`review.reviewStatus`, but for `completed`."""
_LINK_LASTS: Final = 1800
"""Seconds."""
_PROOFS: Final = ("PASSPORT", "ID_CARD", "DRIVERS", "RESIDENCE_PERMIT")
"""Documents that say who somebody is, the one that we would rather have first."""


class Sumsub(Adapter):
    def _believe(self, fields: Mapping[str, str], body: bytes, now: float) -> None:  # noqa: ARG002
        value = signatures.field(fields, "x-payload-digest")
        algorithm = _ALGORITHMS.get(fields.get("x-payload-digest-alg", "HMAC_SHA256_HEX").strip())
        if algorithm is None:
            raise Rejected("unsupported_algorithm")
        expected = signatures.digests(self._webhook_secrets, body, algorithm)
        signatures.check_plain(value, expected, algorithm)

    def _event(self, content: Json, body: bytes) -> Event:
        kind = identifier(content, "type")
        # `2020-02-21 13:23:19.321` in UTC. It is signed with the rest, and stays when the webhook is sent again.
        at = moment(content, "createdAtMs") or moment(content, "createdAt")
        state = _reviewed(content) if kind == "applicantReviewed" else _EVENTS.get(kind, State.OTHER)
        reference = text(content, "externalUserId") if state is State.OTHER else identifier(content, "externalUserId")
        return Event(digest(body), kind, state, reference, at)

    async def _start(self, verification: str, account: str, back: str) -> Started:  # noqa: ARG002
        content = {
            "levelName": self._flow,
            "userId": verification,
            "ttlInSecs": _LINK_LASTS,
            "redirect": {"successUrl": back, "rejectUrl": back},
        }
        return Started(verification, await self._link(content))

    async def _resume(self, reference: str) -> Started | None:
        try:
            state = (await self._verdict(reference)).state
        except NoSuchSession:
            # The person has not come yet.
            state = State.CREATED
        if state not in {State.CREATED, State.RETRY}:
            return None
        content = {"levelName": self._flow, "userId": reference, "ttlInSecs": _LINK_LASTS}
        return Started(reference, await self._link(content))

    async def _link(self, content: Json) -> str:
        target = "/resources/sdkIntegrations/levels/-/websdkLink"
        answer = await self._api.ask(self._signed("POST", target, json.dumps(content).encode()))
        if not (url := text(answer, "url")):
            raise Misread("url")
        return url

    async def _verdict(self, reference: str) -> Verdict:
        target = f"/resources/applicants/-;externalUserId={segment(reference)}/one"
        answer = await self._api.ask(self._signed("GET", target))
        review = part(answer, "review")
        status = text(review, "reviewStatus")
        state = _reviewed(review) if status == "completed" else _STATUSES.get(status, State.OTHER)
        at, ours = moment(review, "reviewDate"), text(answer, "externalUserId")
        if state is not State.APPROVED:
            return Verdict(state, at, reason=first_code(texts(review, "reviewResult", "rejectLabels")), ours=ours)
        shown = _shown(parts(answer, "info", "idDocs"))
        return Verdict(
            state,
            at,
            gives=self.gives,
            expires=ends(text(shown, "validUntil"), "info.idDocs.validUntil"),
            identified=document(text(shown, "country"), text(shown, "idDocType"), text(shown, "number")),
            ours=ours,
        )

    def _signed(self, method: str, target: str, body: bytes = b"") -> Request:
        """HMAC-SHA256 over time, method, path with query, and content."""
        stamp = str(int(self._clock()))
        signature = hmac.digest(self._secret, stamp.encode() + method.encode() + target.encode() + body, "sha256")
        fields = {"X-App-Token": self._key, "X-App-Access-Ts": stamp, "X-App-Access-Sig": signature.hex()}
        if body:
            fields["Content-Type"] = "application/json"
        return Request(method, target, body, fields)


def _reviewed(content: Json) -> State:
    answer = text(content, "reviewResult", "reviewAnswer")
    if answer == "GREEN":
        return State.APPROVED
    if answer != "RED":
        raise Misread("reviewResult.reviewAnswer")
    return State.RETRY if text(content, "reviewResult", "reviewRejectType") == "RETRY" else State.DECLINED


def _shown(documents: list[Json]) -> Json:
    by_kind = {text(one, "idDocType"): one for one in documents}
    return next((by_kind[kind] for kind in _PROOFS if kind in by_kind), documents[0] if documents else {})
