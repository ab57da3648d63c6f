"""Five ways to validate an answer, each with its provider's fields, codes and status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from aiohttp import web

from gateway.demo.captcha.world import World, stamp

Json = dict[str, Any]


class Told(NamedTuple):
    """What is answered."""

    content: Json
    status: int = 200


class Validates(Protocol):
    async def __call__(self, world: World, request: web.Request) -> Told: ...


def _note(world: World, kind: str, told: Mapping[str, str]) -> None:
    world.asked.append({"kind": kind, **{name: value for name, value in told.items() if name != "secret"}})


class _SiteVerify:
    """The form that three of them share. `why`: what `World.use` says -> their code."""

    def __init__(self, kind: str, why: Mapping[str, str], wrong_secret: str = "invalid-input-secret") -> None:
        self._kind = kind
        self._why = why
        self._wrong_secret = wrong_secret

    async def __call__(self, world: World, request: web.Request) -> Told:
        form = {name: str(value) for name, value in (await request.post()).items()}
        _note(world, self._kind, form)
        code = world.behaviour.code or self._complaint(world, form)
        if code:
            return self._refused(code)
        given, why = world.use(self._kind, form["response"], form.get("idempotency_key", ""))
        if why or given is None:
            return self._refused(self._why[why])
        content: Json = {"success": True, "challenge_ts": stamp(given.at), "hostname": given.host}
        if self._kind == "turnstile":
            content |= {"error-codes": [], "action": "tidegate", "cdata": given.bound, "metadata": {}}
        elif self._kind == "hcaptcha":
            content |= {"credit": False}
            if given.score is not None:
                content |= {"score": round(1 - given.score, 6), "score_reason": []}
        elif given.score is not None and given.bound:
            content |= {"score": given.score, "action": given.bound}
        return Told(content)

    def _complaint(self, world: World, form: Mapping[str, str]) -> str:
        if not form.get("secret"):
            return "missing-input-secret"
        if form["secret"] != world.settings.secret:
            return self._wrong_secret
        if not form.get("response"):
            return "missing-input-response"
        if form.get("sitekey", world.settings.site_key) != world.settings.site_key:
            return "sitekey-secret-mismatch"
        return ""

    def _refused(self, code: str) -> Told:
        status = 400 if self._kind == "turnstile" and code in {"bad-request", "missing-input-secret"} else 200
        return Told({"success": False, "error-codes": [code]}, status)


async def _assessment(world: World, request: web.Request) -> Told:
    settings = world.settings
    if request.headers.get("X-Goog-Api-Key") != settings.secret:
        return _google(403, "PERMISSION_DENIED")
    event = (await _json(request)).get("event", {})
    _note(world, "recaptcha_enterprise", event)
    if request.match_info["project"] != settings.project or event.get("siteKey") != settings.site_key:
        return _google(400, "INVALID_ARGUMENT")
    given, why = world.use("recaptcha_enterprise", str(event.get("token", "")))
    reasons = {"unknown": "MALFORMED", "used": "DUPE", "expired": "EXPIRED"}
    reason = world.behaviour.code or (reasons[why] if why else "")
    if reason.startswith("status "):
        return _google(int(reason.split()[1]), "INTERNAL")
    name = f"projects/{settings.project}/assessments/{len(world.asked):016x}"
    token: Json = {"valid": not reason, "invalidReason": reason or "INVALID_REASON_UNSPECIFIED"}
    if given is not None:
        token |= {"hostname": given.host, "action": given.bound, "createTime": stamp(given.at)}
    score = given.score if given is not None and given.score is not None else 0.0
    return Told(
        {
            "name": name,
            "event": event,
            "tokenProperties": token,
            "riskAnalysis": {"score": 0.0 if reason else score, "reasons": []},
        }
    )


def _google(status: int, word: str) -> Told:
    return Told({"error": {"code": status, "message": "…", "status": word}}, status)


_FRIENDLY: Final = {
    "auth_required": 401,
    "auth_invalid": 401,
    "sitekey_invalid": 400,
    "response_missing": 400,
    "bad_request": 400,
}
"""Code -> status; 200 for all others."""


async def _friendly(world: World, request: web.Request) -> Told:
    content = await _json(request)
    _note(world, "friendly", content)
    key = request.headers.get("X-API-Key", "")
    code = world.behaviour.code
    if not code and key != world.settings.secret:
        code = "auth_invalid" if key else "auth_required"
    if not code and content.get("sitekey", world.settings.site_key) != world.settings.site_key:
        code = "sitekey_invalid"
    if not code and not content.get("response"):
        code = "response_missing"
    if code:
        return _frc(code)
    given, why = world.use("friendly", str(content["response"]))
    if why or given is None:
        return _frc({"unknown": "response_invalid", "used": "response_duplicate", "expired": "response_timeout"}[why])
    challenge = {"timestamp": stamp(given.at), "origin": f"https://{given.host}" if given.host else ""}
    return Told({"success": True, "data": {"event_id": "ev_of_the_stand_in", "challenge": challenge}})


def _frc(code: str) -> Told:
    return Told({"success": False, "error": {"error_code": code, "detail": "…"}}, _FRIENDLY.get(code, 200))


async def _json(request: web.Request) -> Json:
    try:
        content = await request.json()
    except json.JSONDecodeError:
        raise web.HTTPBadRequest from None
    if not isinstance(content, dict):
        raise web.HTTPBadRequest
    return content


_GOOGLE_WHY: Final = {
    "unknown": "invalid-input-response",
    "used": "timeout-or-duplicate",
    "expired": "timeout-or-duplicate",
}

ROUTES: Final[Mapping[str, Validates]] = {
    "/turnstile/v0/siteverify": _SiteVerify("turnstile", _GOOGLE_WHY),
    "/siteverify": _SiteVerify(
        "hcaptcha",
        {
            "unknown": "invalid-input-response",
            "used": "already-seen-response",
            "expired": "expired-input-response",
        },
    ),
    "/recaptcha/api/siteverify": _SiteVerify("recaptcha", _GOOGLE_WHY),
    "/v1/projects/{project}/assessments": _assessment,
    "/api/v2/captcha/siteverify": _friendly,
}
"""POST."""
