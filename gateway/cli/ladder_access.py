"""The ladder of the policies on disk, for commands that say where an account stands."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from gateway.accounts.ladder import IdentityLimit, Ladder
from gateway.app.configuration import Configuration
from gateway.cli.configured import fail
from gateway.policies.kyc.config import KycConfig
from gateway.rules.build import policy_kinds
from gateway.rules.problems import Problems
from gateway.rules.ruleset import load


def ladder_of(configuration: Configuration) -> Ladder | None:
    """None where no entry of the chain has one. That the files cannot be read is said, and no error: what is in the
    directory is still true.
    """
    try:
        found = _kyc(configuration)
    except Problems as problems:
        typer.echo(f"the ladder is not looked at, the policies cannot be read: {problems.problems[0]}", err=True)
        return None
    return None if found is None else found.ladder()


def limits_of(configuration: Configuration) -> Mapping[str, IdentityLimit]:
    """Kind of link -> its limit. Where the files cannot be read the command ends: no limit would hold."""
    try:
        found = _kyc(configuration)
    except Problems as problems:
        fail(f"nothing is done, the policies with their limits cannot be read: {problems.problems[0]}")
    return {} if found is None else found.identity_limits()


def _kyc(configuration: Configuration) -> KycConfig | None:
    """Raises Problems."""
    entries = load(configuration.policies, policy_kinds()).entries
    return next((entry.config for entry in entries if isinstance(entry.config, KycConfig)), None)
