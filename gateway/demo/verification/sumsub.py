"""Sumsub: docs.sumsub.com/reference/authentication, /reference/generate-websdk-external-link, /docs/webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

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
from gateway.demo.verification.world import FAMILY_NAME, GIVEN_NAME, Credentials, Session, World, fresh

_EVENTS = {
    "created": "applicantCreated",
    "submitted": "applicantPending",
    "review": "applicantOnHold",
    "retry": "applicantReviewed",
    "approved": "applicantReviewed",
    "declined": "applicantReviewed",
    "reversed": "applicantReset",
}
_STATUSES = {
    "created": "init",
    "expired": "init",
    "reversed": "init",
    "submitted": "pending",
    "review": "onHold",
}
_WINDOW = 60.0
"""Seconds that X-App-Access-Ts may be away."""


async def _check(world: World, request: web.Request) -> None:
    known = world.credentials["sumsub"]
    stamp = request.headers.get("X-App-Access-Ts", "")
    signed = stamp.encode() + request.method.encode() + request.raw_path.encode() + await request.read()
    if not same(request.headers.get("X-App-Token", ""), known.key):
        raise Refused(401, "app-token not found")
    if not stamp.isdigit() or abs(int(stamp) - world.settings.now()) > _WINDOW:
        raise Refused(401, "request expired")
    if not same(request.headers.get("X-App-Access-Sig", ""), hexdigest(known.secret, signed)):
        raise Refused(401, "app-token-signature mismatch")


async def link(world: World, request: web.Request) -> web.Response:
    """POST /resources/sdkIntegrations/levels/-/websdkLink"""
    await _check(world, request)
    content = await read_json(request)
    if content.get("levelName") != world.credentials["sumsub"].flow or not content.get("userId"):
        raise Refused(400, "no such level")
    user = str(content["userId"])
    session = world.sessions.get(("sumsub", user))
    if session is None:
        back = str((content.get("redirect") or {}).get("successUrl", ""))
        session = world.open("sumsub", user, user, "", back)
    return answer({"url": way_in(request, session)})


async def retrieve(world: World, request: web.Request) -> web.Response:
    """GET /resources/applicants/-;externalUserId={id}/one"""
    await _check(world, request)
    session = session_of(world, "sumsub", request.match_info["id"])
    document = {
        "idDocType": "PASSPORT",
        "country": session.document.country,
        "number": session.document.number,
        "validUntil": session.document.expires,
    }
    info: Json = {"firstName": GIVEN_NAME, "lastName": FAMILY_NAME}
    if session.state not in {"created", "expired", "reversed"}:
        info["idDocs"] = [document]
    review: Json = {
        "reviewStatus": _STATUSES.get(session.state, "completed"),
        "reviewDate": f"{_when(session.changed_at)}+0000",
    }
    if review["reviewStatus"] == "completed":
        review["reviewResult"] = _result(session)
    return answer(
        {"id": _applicant(session), "externalUserId": session.id, "type": "individual", "info": info, "review": review}
    )


def _applicant(session: Session) -> str:
    return f"5f{session.token.encode().hex()[:22]}"


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _result(session: Session) -> Json:
    if session.state == "approved":
        return {"reviewAnswer": "GREEN"}
    return {
        "moderationComment": f"Prose for {GIVEN_NAME}.",
        "reviewAnswer": "RED",
        "rejectLabels": [session.reason or "UNSATISFACTORY_PHOTOS"],
        "reviewRejectType": "RETRY" if session.state == "retry" else "FINAL",
    }


def news(world: World, session: Session) -> News | None:
    kind = _EVENTS.get(session.state)
    if kind is None:
        return None
    content: Json = {
        "applicantId": _applicant(session),
        "inspectionId": fresh("5f"),
        "applicantType": "individual",
        "correlationId": fresh("req-"),
        "levelName": world.credentials["sumsub"].flow,
        "sandboxMode": True,
        "externalUserId": session.id,
        "type": kind,
        "reviewStatus": _STATUSES.get(session.state, "completed"),
        "createdAtMs": f"{_when(world.now())}.{int(world.now() * 1000) % 1000:03}",
    }
    if kind == "applicantReviewed":
        content["reviewResult"] = _result(session)
    return News(kind, dump(content))


def sign(credentials: Credentials, body: bytes, now: float) -> Mapping[str, str]:  # noqa: ARG001
    return {
        "X-Payload-Digest": hexdigest(credentials.webhook_secrets[0], body),
        "X-Payload-Digest-Alg": "HMAC_SHA256_HEX",
    }


ROUTES = {
    ("POST", "/resources/sdkIntegrations/levels/-/websdkLink"): link,
    ("GET", "/resources/applicants/-;externalUserId={id}/one"): retrieve,
}
