"""The ladder of the policies on disk, for commands that say where an account stands."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from gateway.accounts.ladder import IdentityLimit, Ladder
from gateway.app.configuration import Configuration
from gateway.policies.kyc.config import KycConfig
from gateway.rules.build import policy_kinds
from gateway.rules.problems import Problems
from gateway.rules.ruleset import load


def ladder_of(configuration: Configuration) -> Ladder | None:
    """None where no entry of the chain has one. That the files cannot be read is said, and no error: what is in the
    directory is still true.
    """
    found = _kyc(configuration)
    return None if found is None else found.ladder()


def limits_of(configuration: Configuration) -> Mapping[str, IdentityLimit]:
    """Kind of link -> its limit. As `ladder_of`."""
    found = _kyc(configuration)
    return {} if found is None else found.identity_limits()


def _kyc(configuration: Configuration) -> KycConfig | None:
    try:
        entries = load(configuration.policies, policy_kinds()).entries
    except Problems as problems:
        typer.echo(f"the ladder is not looked at, the policies cannot be read: {problems.problems[0]}", err=True)
        return None
    return next((entry.config for entry in entries if isinstance(entry.config, KycConfig)), None)
