"""Rules from a few words, for tests."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

from gateway.feeds.kinds import ListKind
from gateway.policies.rules import KIND
from gateway.policies.rules.config import RulesConfig
from gateway.policies.rules.policy import Rules
from gateway.policy import Context, Facts, Principal, note_facts
from gateway.testing import context, services

LISTS: Mapping[str, Container[object]] = {
    "embargoed": frozenset({"XA", "XB"}),
    "blocked": frozenset({"192.0.2.66"}),
    "accounts": frozenset({"7"}),
}
KINDS: Mapping[str, ListKind] = {
    "embargoed": ListKind.COUNTRIES,
    "blocked": ListKind.NETWORKS,
    "accounts": ListKind.ACCOUNTS,
}


def config(*rules: dict[str, Any], **more: Any) -> RulesConfig:
    """Rules without a name are called r0, r1, ...; without a condition they always hold."""
    named = [{"name": f"r{index}", "when": "true", **rule} for index, rule in enumerate(rules)]
    return RulesConfig.model_validate({"rules": named, **more}, context={"lists": KINDS})


def built(*rules: dict[str, Any], **more: Any) -> Rules:
    """As the gateway builds them."""
    policy = KIND.build(config(*rules, **more), replace(services(), lists=LISTS, entry="rules"))
    assert isinstance(policy, Rules)
    return policy


def asked(
    *,
    weight: int = 0,
    tags: frozenset[str] = frozenset(),
    captcha: bool = False,
    claims: Mapping[str, Any] | None = None,
    **more: Any,
) -> Context:
    """A context, with what earlier entries of the chain may have found."""
    made = context(**more)
    note_facts(made, Facts(weight=weight, tags=tags, captcha=captcha))
    if claims is not None:
        note_facts(made, Facts(principal=Principal("acme", tier=more.get("tier", "default"), claims=claims)))
    return made
