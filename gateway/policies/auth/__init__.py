"""Who is asking? API keys of the directory and JSON Web Tokens of named issuers. See README.md."""

from __future__ import annotations

from gateway.policies.auth.config import AuthConfig
from gateway.policies.auth.policy import Auth
from gateway.policy import PolicyKind

KIND = PolicyKind("auth", AuthConfig, Auth, identifies=True)
