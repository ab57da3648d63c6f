"""How much: token buckets on requests, tokens, spend and concurrency; reserved before, settled after."""

from gateway.policies.quota.config import QuotaConfig
from gateway.policies.quota.policy import QuotaPolicy
from gateway.policy import PolicyKind

KIND = PolicyKind("quota", QuotaConfig, QuotaPolicy)
