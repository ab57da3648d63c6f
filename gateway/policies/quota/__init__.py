"""How much: token buckets on requests, tokens, spend and concurrency; reserved before, settled after."""

from gateway.policies import Services
from gateway.policies.quota.config import QuotaConfig
from gateway.policies.quota.guard import Guard
from gateway.policies.quota.policy import Quota
from gateway.policy import Policy, PolicyKind


def build(config: QuotaConfig, services: Services) -> Policy:
    """Buckets in the shared store, or a guard in the worker."""
    return Guard(config, services) if config.store == "local" else Quota(config, services)


KIND = PolicyKind("quota", QuotaConfig, build)
