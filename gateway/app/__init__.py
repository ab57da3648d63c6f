"""The composition root, the only package that knows every layer: from checked files to processes that serve."""

from __future__ import annotations

from gateway.app.accounts_admin import AccountsAdmin
from gateway.app.clerk import work as clerk_at_work
from gateway.app.clocks import wall
from gateway.app.configuration import Configuration, read_configuration
from gateway.app.directory import has_durable, open_durable, prepare_durable
from gateway.app.supervisor import check_everything, make_whole, prepare_everything, rulesets
from gateway.app.worker import Worker
from gateway.rules.build import FREE, build, policy_kinds

__all__ = [
    "FREE",
    "AccountsAdmin",
    "Configuration",
    "Worker",
    "build",
    "check_everything",
    "clerk_at_work",
    "has_durable",
    "make_whole",
    "open_durable",
    "policy_kinds",
    "prepare_durable",
    "prepare_everything",
    "read_configuration",
    "rulesets",
    "wall",
]
