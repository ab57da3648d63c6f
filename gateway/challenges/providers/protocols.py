"""Three protocols that five providers speak: how an answer is brought to them, and what they state of it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote, urlencode, urlsplit

from gateway.challenges.providers.contract import Answered
from gateway.challenges.providers.http import Reply
from gateway.wire.untrusted import Misread, find, moment, part, text, texts

_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON: Final = {"Content-Type": "application/json"}
_KEYS: Final = uuid.UUID("0a6f2a3c-3c5e-4a0e-9d53-5a3d4e2f7c11")
"""The namespace of idempotency keys."""
_NOT_PLAIN: Final = re.compile(r"[^\x20-\x7e]")


class Settings(NamedTuple):
    """Of one entry, as far as requests are made of it."""

    site_key: str
    secret: str
    target: str

    def __repr__(self) -> str:
        return f"<Settings {self.target}>"


class Ask(NamedTuple):
    body: bytes
    fields: Mapping[str, str]


class Stated(NamedTuple):
    """What a provider says of an answer. Empty, 0 or None where it says nothing."""

    success: bool
    codes: tuple[str, ...] = ()
    host: str = ""
    bound: str = ""
    """The action or the customer data that the widget was given."""
    score: float | None = None
    """As it counts: 1 is a person."""
    at: float = 0.0
    """Unix time."""


class Speaks(Protocol):
    """One protocol."""

    def ask(self, settings: Settings, answered: Answered, mark: str) -> Ask: ...

    def read(self, reply: Reply) -> Stated:
        """Raises Misread."""


class SiteVerify:
    """A form with the secret; reCAPTCHA began it, hCaptcha and Turnstile followed."""

    def __init__(self, *, bound: str = "", keyed: bool = False, idempotent: bool = False, risk: bool = False) -> None:
        """`bound`: where it states what the widget was given. `keyed`: wants the site key too. `risk`: a score of 1
        is a robot.
        """
        self._bound = bound
        self._keyed = keyed
        self._idempotent = idempotent
        self._risk = risk

    def ask(self, settings: Settings, answered: Answered, mark: str) -> Ask:
        form = {"secret": settings.secret, "response": answered.response}
        if answered.address:
            form["remoteip"] = answered.address
        if self._keyed:
            form["sitekey"] = settings.site_key
        if self._idempotent:
            form["idempotency_key"] = str(uuid.uuid5(_KEYS, f"{mark} {answered.response}"))
        return Ask(urlencode(form).encode(), _FORM)

    def read(self, reply: Reply) -> Stated:
        content = reply.content
        score = number(content, "score")
        return Stated(
            success=flag(content, "success"),
            codes=tuple(texts(content, "error-codes")),
            host=text(content, "hostname"),
            bound=text(content, self._bound) if self._bound else "",
            score=1.0 - score if score is not None and self._risk else score,
            at=moment(content, "challenge_ts"),
        )


class Assessments:
    """reCAPTCHA Enterprise, by REST with an API key."""

    def ask(self, settings: Settings, answered: Answered, mark: str) -> Ask:
        event = {"token": answered.response, "siteKey": settings.site_key, "expectedAction": mark}
        if answered.address:
            event["userIpAddress"] = answered.address
        if answered.agent:
            # Whatever a browser is called by its sender: a request that is refused as malformed would count against the
            # provider, and whoever sends three would have chosen the next one.
            event["userAgent"] = _NOT_PLAIN.sub("?", answered.agent[:1024])
        # In a field and not in the address: addresses are logged on the way.
        return Ask(json.dumps({"event": event}).encode(), {**_JSON, "X-Goog-Api-Key": settings.secret})

    def read(self, reply: Reply) -> Stated:
        if reply.status != 200:
            return Stated(False, (text(reply.content, "error", "status") or f"status {reply.status}",))
        token = part(reply.content, "tokenProperties")
        valid = flag(token, "valid")
        return Stated(
            success=valid,
            codes=() if valid else (text(token, "invalidReason") or "INVALID_REASON_UNSPECIFIED",),
            host=text(token, "hostname"),
            bound=text(token, "action"),
            score=number(reply.content, "riskAnalysis", "score"),
            at=moment(token, "createTime"),
        )


class Friendly:
    """Friendly Captcha, version 2."""

    def ask(self, settings: Settings, answered: Answered, mark: str) -> Ask:  # noqa: ARG002
        content = {"response": answered.response, "sitekey": settings.site_key}
        return Ask(json.dumps(content).encode(), {**_JSON, "X-API-Key": settings.secret})

    def read(self, reply: Reply) -> Stated:
        content = reply.content
        success = flag(content, "success")
        code = text(content, "error", "error_code")
        challenge = part(content, "data", "challenge")
        origin = text(challenge, "origin")
        try:
            host = (urlsplit(origin if "//" in origin else f"//{origin}").hostname or "") if origin else ""
        except ValueError:
            raise Misread("data.challenge.origin") from None
        return Stated(success, (code,) if code else (), host, at=moment(challenge, "timestamp"))


SPEAKS: Final[Mapping[str, Speaks]] = {
    "turnstile": SiteVerify(bound="cdata", idempotent=True),
    "hcaptcha": SiteVerify(keyed=True, risk=True),
    "recaptcha": SiteVerify(bound="action"),
    "recaptcha_enterprise": Assessments(),
    "friendly": Friendly(),
}
"""By kind."""


def target(path: str, project: str) -> str:
    return path.format(project=quote(project, safe=""))


def flag(content: object, *path: str) -> bool:
    """Raises Misread where it is not true or false: nothing else is a yes."""
    found = find(content, *path)
    if type(found) is not bool:
        raise Misread(".".join(path))
    return found


def number(content: object, *path: str) -> float | None:
    """Between 0 and 1; None where there is none. Raises Misread."""
    found = find(content, *path)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0.0 <= found <= 1.0:
        raise Misread(".".join(path))
    return float(found)
