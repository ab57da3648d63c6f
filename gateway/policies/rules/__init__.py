"""What people write: ordered conditions, and what becomes of an exchange for which one holds."""

from gateway.policies import Services
from gateway.policies.rules.config import RulesConfig
from gateway.policies.rules.policy import Rules, ThrottlingRules
from gateway.policy import Policy, PolicyKind


def build(config: RulesConfig, services: Services) -> Policy:
    """Only an entry that throttles has to be told how exchanges end."""
    throttles = any(rule.limit is not None for rule in config.rules)
    return (ThrottlingRules if throttles else Rules)(config, services)


KIND = PolicyKind("rules", RulesConfig, build)
