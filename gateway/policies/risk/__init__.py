"""What speaks against an exchange: weight for later entries to act on, and what follows for groups that act as one."""

from gateway.policies import Services
from gateway.policies.risk.config import RiskConfig
from gateway.policies.risk.policy import Risk
from gateway.policies.risk.responding import RespondingRisk
from gateway.policy import Policy, PolicyKind


def build(config: RiskConfig, services: Services) -> Policy:
    """Only an entry that answers campaigns takes anything."""
    return (
        RespondingRisk(config, config.campaigns, services) if config.campaigns is not None else Risk(config, services)
    )


KIND = PolicyKind("risk", RiskConfig, build)
