"""What speaks against an exchange that is allowed all the same: weight for later entries to act on."""

from gateway.policies.risk.config import RiskConfig
from gateway.policies.risk.policy import Risk
from gateway.policy import PolicyKind

KIND = PolicyKind("risk", RiskConfig, Risk)
