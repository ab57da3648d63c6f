"""Veriff: devdocs.veriff.com/apidocs, /docs/decision-webhook, /docs/event-webhook, /docs/hmac-authentication…"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from aiohttp import web

from gateway.demo.verification.dialect import (
    Json,
    News,
    Refused,
    answer,
    dump,
    hexdigest,
    read_json,
    same,
    session_of,
    way_in,
)
from gateway.demo.verification.world import FAMILY_NAME, GIVEN_NAME, Credentials, Session, World, iso

_CODES = {
    "created": (7001, "started"),
    "submitted": (7002, "submitted"),
    "approved": (9001, "approved"),
    "declined": (9102, "declined"),
    "reversed": (9102, "declined"),
    "retry": (9103, "resubmission_requested"),
    "expired": (9104, "expired"),
    "review": (9121, "review"),
}


def _check(world: World, request: web.Request) -> None:
    if not same(request.headers.get("X-AUTH-CLIENT", ""), world.credentials["veriff"].key):
        raise Refused(401, "Unauthorized")


async def create(world: World, request: web.Request) -> web.Response:
    """POST /v1/sessions, which is not signed."""
    _check(world, request)
    asked = (await read_json(request)).get("verification")
    if not isinstance(asked, dict):
        raise Refused(400, "Validation failed")
    session = world.open(
        "veriff", str(uuid.uuid4()), str(asked.get("vendorData", "")), "", str(asked.get("callback", ""))
    )
    made = {"id": session.id, "url": way_in(request, session), "vendorData": session.ours, "status": "created"}
    return answer({"status": "success", "verification": made}, 201)


async def decision(world: World, request: web.Request) -> web.Response:
    """GET /v1/sessions/{id}/decision, where the id is what is signed."""
    _check(world, request)
    reference = request.match_info["id"]
    signature = hexdigest(world.credentials["veriff"].secret, reference.encode())
    if not same(request.headers.get("X-HMAC-SIGNATURE", ""), signature):
        raise Refused(401, "Mandatory X-HMAC-SIGNATURE header")
    session = session_of(world, "veriff", reference)
    decided = session.state not in {"created", "submitted"}
    return answer({"status": "success", "verification": _verification(session) if decided else None})


def _verification(session: Session) -> Json:
    number, status = _CODES[session.state]
    good = session.state == "approved"
    shown = {
        "type": "PASSPORT",
        "number": session.document.number,
        "country": session.document.alpha2,
        "validUntil": session.document.expires,
    }
    return {
        "id": session.id,
        "attemptId": str(uuid.uuid5(uuid.UUID(session.id), str(session.attempt))),
        "code": number,
        "status": status,
        "reason": None if good else f"Prose for {GIVEN_NAME}.",
        "reasonCode": None if good else int(session.reason or 106),
        "vendorData": session.ours,
        "decisionTime": iso(session.changed_at),
        "acceptanceTime": iso(session.made_at),
        "person": {"firstName": GIVEN_NAME, "lastName": FAMILY_NAME, "dateOfBirth": "1990-01-01"},
        "document": shown,
        "comments": [],
    }


def news(world: World, session: Session) -> News | None:  # noqa: ARG001
    number, status = _CODES[session.state]
    if number < 9000:
        event = {
            "id": session.id,
            "attemptId": str(uuid.uuid5(uuid.UUID(session.id), str(session.attempt))),
            "feature": "selfid",
            "code": number,
            "action": status,
            "vendorData": session.ours,
        }
        return News(status, dump(event))
    return News(status, dump({"status": "success", "verification": _verification(session), "technicalData": {}}))


def sign(credentials: Credentials, body: bytes, now: float) -> Mapping[str, str]:  # noqa: ARG001
    return {
        "X-AUTH-CLIENT": credentials.key,
        "X-HMAC-SIGNATURE": hexdigest(credentials.webhook_secrets[0], body),
    }


ROUTES = {
    ("POST", "/v1/sessions"): create,
    ("GET", "/v1/sessions/{id}/decision"): decision,
}
