"""What an account has earned by evidence: its tier, and what that may have."""

from gateway.policies import Services
from gateway.policies.kyc.config import KycConfig
from gateway.policies.kyc.metered import Metered
from gateway.policies.kyc.policy import Kyc
from gateway.policy import Policy, PolicyKind


def build(config: KycConfig, services: Services) -> Policy:
    """Without `volume` and `concurrency` nothing is taken, and there is nothing to settle."""
    return Metered(config, services) if any(tier.limits() for tier in config.tiers) else Kyc(config, services)


KIND = PolicyKind("kyc", KycConfig, build)
