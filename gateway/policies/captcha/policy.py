"""The shell of the ladder of friction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.policy import ALLOW, Context, Decision

if TYPE_CHECKING:
    from gateway.policies import Services
    from gateway.policies.captcha.config import CaptchaConfig


class Captcha:
    """Policy of kind `captcha`."""

    def __init__(self, config: CaptchaConfig, services: Services) -> None:
        self._config = config
        self._services = services

    def decide(self, context: Context) -> Decision:
        del context
        return ALLOW
