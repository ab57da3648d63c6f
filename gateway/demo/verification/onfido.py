"""Onfido: the models of onfido-python 6, documentation.onfido.com."""

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

_STATUSES = {
    "created": "awaiting_input",
    "retry": "awaiting_input",
    "submitted": "processing",
    "expired": "abandoned",
    "reversed": "declined",
}
_TOLD = {"approved", "declined", "reversed", "review", "expired"}
"""States in which a run is completed, as far as webhooks go."""
_DOCUMENT_TASK = "document_check_8f3a"


def _check(world: World, request: web.Request) -> None:
    if not same(request.headers.get("Authorization", ""), f"Token token={world.credentials['onfido'].key}"):
        raise Refused(401, "authorization_error")


async def applicant(world: World, request: web.Request) -> web.Response:
    """POST /v3.6/applicants"""
    _check(world, request)
    content = await read_json(request)
    if not content.get("first_name") or not content.get("last_name"):
        raise Refused(422, "validation_error")
    return answer({**content, "id": str(uuid.uuid4())}, 201)


async def create(world: World, request: web.Request) -> web.Response:
    """POST /v3.6/workflow_runs"""
    _check(world, request)
    content = await read_json(request)
    if content.get("workflow_id") != world.credentials["onfido"].flow or not content.get("applicant_id"):
        raise Refused(422, "validation_error")
    ours = str((content.get("tags") or [""])[0])
    back = str((content.get("link") or {}).get("completed_redirect_url", ""))
    session = world.open("onfido", str(uuid.uuid4()), ours, str(content.get("customer_user_id", "")), back)
    return answer(_run(world, request, session), 201)


async def retrieve(world: World, request: web.Request) -> web.Response:
    """GET /v3.6/workflow_runs/{id}"""
    _check(world, request)
    return answer(_run(world, request, session_of(world, "onfido", request.match_info["id"])))


async def tasks(world: World, request: web.Request) -> web.Response:
    """GET /v3.6/workflow_runs/{id}/tasks"""
    _check(world, request)
    session = session_of(world, "onfido", request.match_info["id"])
    names = ["start", "face_check_motion_17", _DOCUMENT_TASK]
    return answer([{**_task(session, name), "created_at": iso(session.made_at)} for name in names])


async def task(world: World, request: web.Request) -> web.Response:
    """GET /v3.6/workflow_runs/{id}/tasks/{task}"""
    _check(world, request)
    session = session_of(world, "onfido", request.match_info["id"])
    name = request.match_info["task"]
    output: Json | None = None
    if name == _DOCUMENT_TASK:
        properties = {
            "document_type": "passport",
            "issuing_country": session.document.country,
            "document_numbers": [{"type": "document_number", "value": session.document.number}],
            "date_of_expiry": session.document.expires,
            "first_name": GIVEN_NAME,
            "last_name": FAMILY_NAME,
        }
        output = {"result": "clear", "properties": properties}
    return answer({**_task(session, name), "output": output})


def _task(session: Session, name: str) -> Json:
    return {"id": name, "workflow_run_id": session.id, "task_def_id": name.rpartition("_")[0] or name}


def _run(world: World, request: web.Request, session: Session) -> Json:
    reasons = [session.reason] if session.reason else []
    return {
        "id": session.id,
        "workflow_id": world.credentials["onfido"].flow,
        "applicant_id": str(uuid.UUID(int=4)),
        "customer_user_id": session.account,
        "tags": [session.ours],
        "status": _STATUSES.get(session.state, session.state),
        "reasons": reasons,
        "output": {},
        "link": {"url": way_in(request, session)},
        "created_at": iso(session.made_at),
        "updated_at": iso(session.changed_at),
    }


def news(world: World, session: Session) -> News | None:
    if session.state not in _TOLD:
        return None
    payload = {
        "resource_type": "workflow_run",
        "action": "workflow_run.completed",
        "object": {
            "id": session.id,
            "status": _STATUSES.get(session.state, session.state),
            "completed_at_iso8601": iso(world.now()),
            "href": f"https://api.eu.onfido.com/v3.6/workflow_runs/{session.id}",
        },
        "resource": {"id": session.id, "tags": [session.ours], "reasons": []},
    }
    return News("workflow_run.completed", dump({"payload": payload}))


def sign(credentials: Credentials, body: bytes, now: float) -> Mapping[str, str]:  # noqa: ARG001
    return {"X-SHA2-Signature": hexdigest(credentials.webhook_secrets[0], body)}


ROUTES = {
    ("POST", "/v3.6/applicants"): applicant,
    ("POST", "/v3.6/workflow_runs"): create,
    ("GET", "/v3.6/workflow_runs/{id}"): retrieve,
    ("GET", "/v3.6/workflow_runs/{id}/tasks"): tasks,
    ("GET", "/v3.6/workflow_runs/{id}/tasks/{task}"): task,
}
