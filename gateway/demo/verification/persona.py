"""Persona: docs.withpersona.com/api-reference/inquiries, /docs/webhooks, /docs/webhooks-best-practices."""

from __future__ import annotations

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
from gateway.demo.verification.world import FAMILY_NAME, GIVEN_NAME, Credentials, Session, World, fresh, iso

_STATUSES = {"submitted": "completed", "review": "needs_review", "retry": "pending", "reversed": "declined"}
_EVENTS = {
    "created": "created",
    "submitted": "completed",
    "review": "marked-for-review",
    "approved": "approved",
    "declined": "declined",
    "reversed": "declined",
    "expired": "expired",
}


def _check(world: World, request: web.Request) -> None:
    if not same(request.headers.get("Authorization", ""), f"Bearer {world.credentials['persona'].key}"):
        raise Refused(401, "unauthorized")


async def create(world: World, request: web.Request) -> web.Response:
    """POST /api/v1/inquiries"""
    _check(world, request)
    content = await read_json(request)
    attributes = content.get("data", {}).get("attributes", {})
    if attributes.get("inquiry-template-id") != world.credentials["persona"].flow:
        raise Refused(400, "no such template")
    key = request.headers.get("Idempotency-Key", "")
    session = world.made.get(key)
    if session is None:
        session = world.open("persona", fresh("inq_"), str(attributes.get("reference-id", "")), "", "")
        if key:
            world.made[key] = session
    return answer({"data": _inquiry(session)}, 201)


async def retrieve(world: World, request: web.Request) -> web.Response:
    """GET /api/v1/inquiries/{id}"""
    _check(world, request)
    session = session_of(world, "persona", request.match_info["id"])
    content: Json = {"data": _inquiry(session)}
    if request.query.get("include") == "verifications" and session.state not in {"created", "retry", "expired"}:
        content["included"] = _verifications(session)
    return answer(content)


async def link(world: World, request: web.Request) -> web.Response:
    """POST /api/v1/inquiries/{id}/generate-one-time-link"""
    _check(world, request)
    session = session_of(world, "persona", request.match_info["id"])
    url = f"{way_in(request, session)}?code=once"
    return answer({"data": _inquiry(session), "meta": {"one-time-link": url}})


def _inquiry(session: Session) -> Json:
    decided = iso(session.changed_at) if session.state in {"approved", "declined", "reversed"} else None
    return {
        "type": "inquiry",
        "id": session.id,
        "attributes": {
            "status": _STATUSES.get(session.state, session.state),
            "reference-id": session.ours,
            "created-at": iso(session.made_at),
            "completed-at": iso(session.changed_at) if session.state != "created" else None,
            "decisioned-at": decided,
            "expired-at": None,
            "name-first": GIVEN_NAME,
            "name-last": FAMILY_NAME,
        },
    }


def _verifications(session: Session) -> list[Json]:
    passed = "passed" if session.state in {"approved", "submitted", "review"} else "failed"
    document = {
        "status": passed,
        "country-code": session.document.alpha2,
        "id-class": "pp",
        "identification-number": session.document.number,
        "expiration-date": session.document.expires,
        "name-first": GIVEN_NAME,
        "name-last": FAMILY_NAME,
    }
    return [
        {"type": "verification/government-id", "id": fresh("ver_"), "attributes": document},
        {"type": "verification/selfie", "id": fresh("ver_"), "attributes": {"status": passed}},
    ]


def news(world: World, session: Session) -> News | None:
    kind = _EVENTS.get(session.state)
    if kind is None:
        return None
    event = {
        "data": {
            "type": "event",
            "id": fresh("evt_"),
            "attributes": {
                "name": f"inquiry.{kind}",
                "created-at": iso(world.now()),
                "payload": {"data": _inquiry(session), "included": _verifications(session)},
            },
        }
    }
    return News(f"inquiry.{kind}", dump(event))


def sign(credentials: Credentials, body: bytes, now: float) -> Mapping[str, str]:
    stamp = int(now)
    sets = [f"t={stamp},v1={hexdigest(secret, f'{stamp}.'.encode() + body)}" for secret in credentials.webhook_secrets]
    return {"Persona-Signature": " ".join(sets)}


ROUTES = {
    ("POST", "/api/v1/inquiries"): create,
    ("GET", "/api/v1/inquiries/{id}"): retrieve,
    ("POST", "/api/v1/inquiries/{id}/generate-one-time-link"): link,
}
