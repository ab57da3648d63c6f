"""Friction that grows with suspicion: slower, a proof of work, a challenge for a person, evidence, a review."""

from collections.abc import Callable
from typing import TypeVar

from gateway.policies import Services
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policies.captcha.policy import Captcha, SlowingCaptcha
from gateway.policies.captcha.rollout import Partly, SlowingPartly
from gateway.policy import Policy, PolicyKind

CaptchaT = TypeVar("CaptchaT", bound=Captcha)


def build(config: CaptchaConfig, services: Services) -> Policy:
    """Only an entry that slows has to be told how exchanges end. In shadow, and for those who are outside of its
    rollout, it changes nothing that the fleet sees.
    """
    slows = any(ladder.steps.slow is not None for ladder in config.ladders)
    if slows:
        return _made(SlowingCaptcha, SlowingPartly, config, services)
    return _made(Captcha, Partly, config, services)


def _made(
    kind: Callable[..., CaptchaT],
    partly: Callable[[CaptchaT, CaptchaT, str, float], Partly],
    config: CaptchaConfig,
    services: Services,
) -> Policy:
    if services.rollout >= 1.0:
        return kind(config, services)
    aside = kind(config, services, shadow=True)
    if services.rollout <= 0.0:
        return aside
    return partly(kind(config, services), aside, services.entry, services.rollout)


KIND = PolicyKind("captcha", CaptchaConfig, build)
