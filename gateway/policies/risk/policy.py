"""The shell: looks at what is remembered, and adds weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.policy import ALLOW, Context, Decision

if TYPE_CHECKING:
    from gateway.policies import Services
    from gateway.policies.risk.config import RiskConfig


class Risk:
    """What speaks against an exchange?"""

    def __init__(self, config: RiskConfig, services: Services) -> None:
        self._config = config

    def decide(self, context: Context) -> Decision:
        return ALLOW
