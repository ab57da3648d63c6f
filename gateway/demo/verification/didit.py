"""Didit: docs.didit.me/integration/webhooks, /sessions-api/create-session, /sessions-api/retrieve-session."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

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
from gateway.demo.verification.world import FAMILY_NAME, GIVEN_NAME, Credentials, Session, World

_STATUSES = {
    "created": "Not Started",
    "submitted": "In Progress",
    "review": "In Review",
    "retry": "Resubmitted",
    "approved": "Approved",
    "declined": "Declined",
    "reversed": "Declined",
    "expired": "Expired",
}


def _check(world: World, request: web.Request) -> None:
    if not same(request.headers.get("x-api-key", ""), world.credentials["didit"].key):
        raise Refused(403, "invalid api key")


async def create(world: World, request: web.Request) -> web.Response:
    """POST /v3/session/"""
    _check(world, request)
    content = await read_json(request)
    if content.get("workflow_id") != world.credentials["didit"].flow:
        raise Refused(400, "no such workflow")
    account = str(content.get("vendor_data", ""))
    ours, back = str((content.get("metadata") or {}).get("verification", "")), str(content.get("callback", ""))
    unfinished = [
        one
        for one in world.sessions.values()
        if one.provider == "didit" and one.account == account and one.state in {"created", "submitted", "retry"}
    ]
    if unfinished:
        session = unfinished[0]
        session.ours, session.back = ours, back
    else:
        session = world.open("didit", str(uuid.uuid4()), ours, account, back)
    content = {"session_id": session.id, "status": _STATUSES[session.state], "url": way_in(request, session)}
    return answer(content, 201)


async def retrieve(world: World, request: web.Request) -> web.Response:
    """GET /v3/session/{id}/decision/"""
    _check(world, request)
    session = session_of(world, "didit", request.match_info["id"])
    return answer({**_decision(session), "session_url": way_in(request, session)})


def _decision(session: Session) -> Json:
    good = session.state == "approved"
    checked = "Approved" if good else "Declined"
    document = {
        "status": checked,
        "document_type": "Passport",
        "document_number": session.document.number,
        "issuing_state": session.document.country,
        "expiration_date": session.document.expires,
        "first_name": GIVEN_NAME,
        "last_name": FAMILY_NAME,
        "warnings": [] if good else [{"risk": session.reason or "DOCUMENT_NOT_READABLE"}],
    }
    shown = session.state in {"approved", "declined", "review", "reversed", "retry"}
    return {
        "session_id": session.id,
        "session_kind": "user",
        "status": _STATUSES[session.state],
        "vendor_data": session.account,
        "metadata": {"verification": session.ours},
        "id_verifications": [document] if shown else [],
        "liveness_checks": [{"status": checked, "score": 97.0, "age_estimation": 31.25}] if shown else [],
    }


def news(world: World, session: Session) -> News | None:
    now = int(world.now())
    content: Json = {
        "session_id": session.id,
        "status": _STATUSES[session.state],
        "webhook_type": "status.updated",
        "event_id": str(uuid.uuid4()),
        "created_at": now,
        "timestamp": now,
        "vendor_data": session.account,
        "metadata": {"verification": session.ours},
    }
    if session.state in {"approved", "declined", "review"}:
        content["decision"] = _decision(session)
    return News("status.updated", dump(content))


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shortened(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def sign(credentials: Credentials, body: bytes, now: float) -> Mapping[str, str]:
    canonical = json.dumps(
        _shortened(json.loads(body)), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    secret = credentials.webhook_secrets[0]
    return {
        "X-Signature-V2": hexdigest(secret, canonical),
        "X-Signature": hexdigest(secret, body),
        "X-Timestamp": str(int(now)),
    }


ROUTES = {
    ("POST", "/v3/session/"): create,
    ("GET", "/v3/session/{id}/decision/"): retrieve,
}
