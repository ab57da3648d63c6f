"""Providers as an operator configures them, against the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from pydantic import SecretStr

from gateway.challenges.ladder import Step
from gateway.challenges.providers.contract import Answered
from gateway.challenges.providers.hosted import Hosted
from gateway.challenges.token import Challenge
from gateway.demo.captcha.application import StandIn, serving
from gateway.demo.captcha.world import Settings
from gateway.rules.gateway_file import CaptchaFile

NOW: Final = 1_800_000_000.0
HOST: Final = "ask.example.com"
CHALLENGE: Final = "a-challenge"
KINDS: Final = ("turnstile", "hcaptcha", "recaptcha", "recaptcha_enterprise", "friendly")
SETTINGS: Final = Settings(now=lambda: NOW)


class Clock:
    """Turned by hand."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def entry(kind: str, url: str | None, **more: Any) -> CaptchaFile:
    """As `captchas` of tidegate.yaml has it."""
    said = {
        "name": f"my-{kind}",
        "kind": kind,
        "site_key": SETTINGS.site_key,
        "secret": SecretStr(SETTINGS.secret),
        "project": SETTINGS.project if kind == "recaptcha_enterprise" else "",
        "hostnames": (HOST,),
        "url": url,
        "timeout": 1.0,
        **more,
    }
    return CaptchaFile(**said)


def mark(captcha: Hosted, challenge: str = CHALLENGE) -> str:
    """What the widget for that challenge hands on: the page has it from `issue`."""
    attributes = captcha.issue(challenge, "token").attributes
    return attributes.get("data-cdata") or attributes.get("data-action") or ""


def answered(response: str, challenge: str = CHALLENGE, **more: str) -> Answered:
    said = Answered(response, "203.0.113.7", "Mozilla/5.0", challenge, HOST)
    return said._replace(**more)


@asynccontextmanager
async def provider(kind: str, clock: Clock | None = None, **more: Any) -> AsyncIterator[tuple[Hosted, StandIn]]:
    """One that is configured, and the stand-in behind it."""
    async with serving(SETTINGS) as standin:
        captcha = Hosted(entry(kind, standin.address, **more), clock or Clock())
        try:
            yield captcha, standin
        finally:
            await captcha.close()


def challenge(name: str = CHALLENGE, until: float = NOW + 3600) -> Challenge:
    return Challenge(name, "captcha/calls", "acme", Step.CAPTCHA, "", "", until)
