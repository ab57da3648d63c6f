"""Stripe: docs.stripe.com/api/identity/verification_sessions, /api/charges, /webhooks/signature."""

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
    same,
    session_of,
    way_in,
)
from gateway.demo.verification.world import FAMILY_NAME, GIVEN_NAME, Charge, Credentials, Session, World, fresh

_STATUSES = {
    "submitted": "processing",
    "review": "processing",
    "approved": "verified",
    "declined": "requires_input",
    "retry": "requires_input",
    "expired": "canceled",
    "reversed": "canceled",
}
_KINDS = {
    "processing": "processing",
    "verified": "verified",
    "requires_input": "requires_input",
    "canceled": "canceled",
}
_ERRORS = {"declined": "consent_declined", "retry": "document_unverified_other"}
_SENSITIVE = {"last_verification_report.document.number", "last_verification_report.document.expiration_date"}


def _check(world: World, request: web.Request) -> None:
    if not same(request.headers.get("Authorization", ""), f"Bearer {world.credentials['stripe'].key}"):
        raise Refused(401, "Invalid API Key provided")


async def create(world: World, request: web.Request) -> web.Response:
    """POST /v1/identity/verification_sessions"""
    _check(world, request)
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused(400, "parameters are form-encoded")
    form = {name: str(value) for name, value in (await request.post()).items()}
    if form.get("type") not in {"document", "id_number"} and not form.get("verification_flow"):
        raise Refused(400, "type is missing")
    key = request.headers.get("Idempotency-Key", "")
    session = world.made.get(key)
    if session is None:
        ours, account = form.get("metadata[verification]", ""), form.get("client_reference_id", "")
        session = world.open("stripe", fresh("vs_"), ours, account, form.get("return_url", ""))
        if key:
            world.made[key] = session
    return answer({**_object(session), "url": way_in(request, session)})


async def retrieve(world: World, request: web.Request) -> web.Response:
    """GET /v1/identity/verification_sessions/{id}"""
    _check(world, request)
    session = session_of(world, "stripe", request.match_info["id"])
    expand = set(request.query.getall("expand[]", []))
    if expand & _SENSITIVE and not world.credentials["stripe"].key.startswith("rk_"):
        raise Refused(403, "sensitive results need a restricted key")
    shown = _object(session)
    if shown["status"] == "requires_input":
        shown["url"] = way_in(request, session)
    if "last_verification_report" in expand and session.state not in {"created", "expired"}:
        shown["last_verification_report"] = _report(session, expand)
    return answer(shown)


async def charge(world: World, request: web.Request) -> web.Response:
    """GET /v1/charges/{id}"""
    _check(world, request)
    found = world.charges.get(request.match_info["id"])
    if found is None:
        raise Refused(404, "No such charge")
    card = {"brand": "visa", "fingerprint": found.fingerprint, "last4": "4242"}
    return answer(
        {
            "id": found.id,
            "object": "charge",
            "customer": found.customer or None,
            "disputed": True,
            "billing_details": {"name": f"{GIVEN_NAME} {FAMILY_NAME}"},
            "payment_method_details": {"type": "card", "card": card},
        }
    )


def _object(session: Session) -> Json:
    error = _ERRORS.get(session.state)
    return {
        "id": session.id,
        "object": "identity.verification_session",
        "client_reference_id": session.account,
        "created": int(session.made_at),
        "last_error": {"code": session.reason or error, "reason": "Prose."} if error else None,
        "last_verification_report": f"vr_{session.id[3:]}" if session.state == "approved" else None,
        "livemode": False,
        "metadata": {"verification": session.ours},
        "status": _STATUSES.get(session.state, "requires_input"),
        "type": "document",
        "url": None,
    }


def _report(session: Session, expand: set[str]) -> Json:
    year, month, day = (int(number) for number in session.document.expires.split("-"))
    document: Json = {
        "status": "verified",
        "error": None,
        "first_name": GIVEN_NAME,
        "last_name": FAMILY_NAME,
        "issuing_country": session.document.alpha2,
        "type": "passport",
    }
    if "last_verification_report.document.number" in expand:
        document["number"] = session.document.number
    if "last_verification_report.document.expiration_date" in expand:
        document["expiration_date"] = {"year": year, "month": month, "day": day}
    return {
        "id": f"vr_{session.id[3:]}",
        "object": "identity.verification_report",
        "created": int(session.changed_at),
        "document": document,
        "selfie": {"status": "verified", "error": None},
        "type": "document",
        "verification_session": session.id,
    }


def _event(kind: str, about: Json, at: float) -> News:
    event = {
        "id": fresh("evt_"),
        "object": "event",
        "api_version": "2026-06-24",
        "created": int(at),
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
    return News(kind, dump(event))


def dispute(world: World, paid: Charge) -> News:
    """A bank has taken a payment back."""
    about = {
        "id": fresh("dp_"),
        "object": "dispute",
        "amount": 1000,
        "charge": paid.id,
        "currency": "usd",
        "reason": "fraudulent",
        "status": "needs_response",
    }
    return _event("charge.dispute.created", about, world.now())


def news(world: World, session: Session) -> News | None:
    status = _STATUSES.get(session.state, "created")
    return _event(f"identity.verification_session.{_KINDS.get(status, 'created')}", _object(session), world.now())


def sign(credentials: Credentials, body: bytes, now: float) -> Mapping[str, str]:
    stamp = int(now)
    given = [f"v1={hexdigest(secret, f'{stamp}.'.encode() + body)}" for secret in credentials.webhook_secrets]
    return {"Stripe-Signature": ",".join([f"t={stamp}", *given])}


ROUTES = {
    ("POST", "/v1/identity/verification_sessions"): create,
    ("GET", "/v1/identity/verification_sessions/{id}"): retrieve,
    ("GET", "/v1/charges/{id}"): charge,
}
