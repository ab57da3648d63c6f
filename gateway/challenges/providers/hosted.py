"""A provider somewhere else, as a `Captcha`: all that it states is checked, and what it does not state is no pass.

A lost reply (too late, cut off, no sense in it) may have used the answer up. What then?

- Turnstile is asked again by itself, once, within the time; and whenever the person sends the same answer again, it is
  asked with the same idempotency key, and says what it said before.
- All others use an answer up when they hear it. We do not ask again by ourselves; where the person sends the same
  answer again and it is a duplicate now, that is no verdict (ProviderUnavailable) instead of a fault: the page asks for
  another answer, and nobody is held to have replayed.
- A request that was never heard (no connection) is made once more for all of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from gateway.challenges.providers import protocols
from gateway.challenges.providers.contract import Answered, Crowded, ProviderUnavailable, Verdict, Widget
from gateway.challenges.providers.http import Door, Lost, Reply
from gateway.challenges.providers.protocols import SPEAKS, Settings, Stated
from gateway.challenges.providers.vendors import DUPLICATE, EITHER, OURS, VENDORS, Entry, complaint
from gateway.wire.untrusted import Misread, is_loopback

SKEW: Final = 60.0
"""Seconds that a provider's clock may be ahead of ours."""
REMEMBERED: Final = 1024
"""Answers whose verdict was lost."""
FIRST_SHARE: Final = 0.6
"""Of the time, for the first of two requests."""

_ANSWER: Final = re.compile(r"[\x21-\x7e]+")


class Hosted:
    """Raises ValueError for an entry that is not whole. `clock` is Unix time; `host` is that of our own pages, where it
    is known.
    """

    def __init__(self, entry: Entry, clock: Callable[[], float], host: str = "") -> None:
        if problem := complaint(entry):
            raise ValueError(f"captcha {entry.name}: {problem}")
        self.name: str = entry.name
        self._kind = entry.kind
        self._vendor = VENDORS[entry.kind]
        self._speaks = SPEAKS[entry.kind]
        self._settings = Settings(
            entry.site_key, entry.secret.get_secret_value(), protocols.target(self._vendor.target, entry.project)
        )
        self._base = (entry.url or self._vendor.base).rstrip("/")
        self._door = Door(entry.name, self._base)
        self._clock = clock
        self._hosts = frozenset(_plain(one) for one in (entry.hostnames or ((host,) if host else ())))
        self._least = entry.score
        self._time = entry.timeout
        self._binds = entry.kind in {"turnstile", "recaptcha_enterprise"} or (
            entry.kind == "recaptcha" and entry.score is not None
        )
        self._lost: OrderedDict[bytes, None] = OrderedDict()
        self._proven = False
        """Somebody has passed by these settings: they are right."""

    def __repr__(self) -> str:
        return f"<Hosted {self.name}: {self._kind}>"

    def issue(self, challenge: str, token: str) -> Widget:  # noqa: ARG002
        vendor, mark = self._vendor, _mark(challenge)
        attributes = {"class": vendor.look, "data-sitekey": self._settings.site_key}
        script, sources = vendor.script, vendor.sources
        if self._kind == "turnstile":
            attributes |= {"data-action": "tidegate", "data-cdata": mark}
        elif self._binds:
            attributes["data-action"] = mark
        if self._kind.startswith("recaptcha") and self._least is not None:
            # Nothing to press: the page has to call `execute` of the script, with site key and action.
            attributes |= {
                "class": "tidegate-scored",
                "data-execute": "grecaptcha.enterprise" if "enterprise" in self._kind else "grecaptcha",
            }
            script += f"?render={self._settings.site_key}"
        if is_loopback(urlsplit(self._base).hostname or ""):
            # A stand-in on this machine has its own script: no page of a test asks a third party.
            script = f"{self._base}/widget/{self._kind}.js"
            sources = {"script-src": (self._base,), "connect-src": (self._base,)}
        elif self._kind == "friendly" and self._base.startswith("https://eu."):
            attributes["data-api-endpoint"] = "eu"
        return Widget("div", attributes, (script,), vendor.field, sources)

    async def validate(self, answered: Answered) -> Verdict:
        if len(answered.response) > self._vendor.longest or not _ANSWER.fullmatch(answered.response):
            return Verdict(False, "wrong", "no answer can look like this")
        mark = _mark(answered.challenge)
        about = hashlib.sha256(f"{mark} {answered.response}".encode()).digest()
        was_lost = about in self._lost
        try:
            async with self._door.room(self._time):
                reply = await self._reply(answered, mark)
            verdict = self._judge(self._stated(reply), answered, mark)
        except Crowded:
            raise
        except ProviderUnavailable:
            self._lost[about] = None
            while len(self._lost) > REMEMBERED:
                self._lost.popitem(last=False)
            raise
        self._lost.pop(about, None)
        if was_lost and verdict.reason == DUPLICATE:
            raise ProviderUnavailable(f"{self.name} has used an answer up whose verdict was lost", healthy=True)
        self._proven = self._proven or verdict.passed
        return verdict

    async def close(self) -> None:
        await self._door.close()

    def _stated(self, reply: Reply) -> Stated:
        """Raises ProviderUnavailable."""
        try:
            return self._speaks.read(reply)
        except Misread as problem:
            raise ProviderUnavailable(f"what {self.name} answers is not understood: {problem}") from None

    async def _reply(self, answered: Answered, mark: str) -> Reply:
        """Raises ProviderUnavailable."""
        ask = self._speaks.ask(self._settings, answered, mark)
        begun = asyncio.get_running_loop().time()
        try:
            return await self._post(ask, self._time * (FIRST_SHARE if self._vendor.again else 1.0))
        except ProviderUnavailable as problem:
            left = begun + self._time - asyncio.get_running_loop().time()
            if left < 0.05 or (isinstance(problem, Lost) and not self._vendor.again):
                raise
        return await self._post(ask, left)

    async def _post(self, ask: protocols.Ask, seconds: float) -> Reply:
        try:
            async with asyncio.timeout(seconds):
                return await self._door.post(self._settings.target, ask.body, ask.fields)
        except TimeoutError:
            raise Lost(f"{self.name} gives no answer within {seconds:.1f} s") from None

    def _judge(self, stated: Stated, answered: Answered, mark: str) -> Verdict:
        """Raises ProviderUnavailable for what is no verdict on an answer."""
        if stated.success and not stated.codes:
            return self._checked(stated, answered, mark)
        meanings = {code: self._meaning(code) for code in stated.codes}
        ours = sorted(_said(code) for code, meaning in meanings.items() if meaning == OURS)
        if ours or not meanings or stated.success:
            raise ProviderUnavailable(f"{self.name} does not validate: {', '.join(ours) or 'it contradicts itself'}")
        return Verdict(False, next(iter(meanings.values())), " ".join(sorted(map(_said, meanings))))

    def _meaning(self, code: str) -> str:
        meaning = self._vendor.codes.get(code, OURS)
        if meaning == EITHER:
            return "wrong" if self._proven else OURS
        return meaning

    def _checked(self, stated: Stated, answered: Answered, mark: str) -> Verdict:
        """What it passed, by what it states of it. What it should state and does not is no fault of the caller's."""
        hosts = self._hosts or frozenset({_plain(answered.host)})
        if not stated.host and self._vendor.names_host:
            raise ProviderUnavailable(f"{self.name} does not say where the answer was given")
        if stated.host and _plain(stated.host) not in hosts:
            return Verdict(False, "hostname", _said(stated.host))
        if self._binds and stated.bound.lower() != mark:
            return Verdict(False, "action", _said(stated.bound))
        if not stated.at:
            raise ProviderUnavailable(f"{self.name} does not say when the answer was given")
        age = self._clock() - stated.at
        if not -SKEW <= age <= self._vendor.lasts + SKEW:
            return Verdict(False, "age", f"{age:.0f} s")
        if self._least is not None:
            if stated.score is None:
                raise ProviderUnavailable(f"{self.name} does not give a score")
            if stated.score < self._least:
                return Verdict(False, "score", f"{stated.score:.2f}")
        return Verdict(True)


def _mark(challenge: str) -> str:
    """Of our challenge, in the letters that all of them allow in an action or customer data. Says nothing about it."""
    return "tg_" + hashlib.sha256(challenge.encode()).hexdigest()[:24]


def _plain(host: str) -> str:
    """Without port and case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _said(word: str) -> str:
    """For a log: short, and in one line."""
    return re.sub(r"[^\x21-\x7e]", "?", word[:64])
