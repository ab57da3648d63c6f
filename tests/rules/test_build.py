"""A checked ruleset becomes the entries of a chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.policies import Services
from gateway.policy import ALLOW, Context, Decision, PolicyKind
from gateway.rules.build import build
from gateway.rules.ruleset import load
from gateway.testing import services


class Config(BaseModel):
    pass


class Named:
    def __init__(self, config: Config, services: Services) -> None:
        self.name = services.entry

    def decide(self, context: Context) -> Decision:
        return ALLOW


def test_a_policy_is_told_the_name_of_its_entry(tmp_path: Path) -> None:
    """Also where two entries read one file: what each keeps or chooses by name is its own."""
    (tmp_path / "chain.yaml").write_text(
        "chain:\n"
        "  - {name: one, kind: named, on_failure: deny, file: named.yaml}\n"
        "  - {name: two, kind: named, on_failure: deny, file: named.yaml}\n"
    )
    (tmp_path / "named.yaml").write_text("{}\n")
    ruleset = load(tmp_path, {"named": PolicyKind("named", Config, Named)}, {})

    entries: tuple[Any, ...] = build(ruleset, services())

    assert [(entry.name, entry.policy.name) for entry in entries] == [("one", "one"), ("two", "two")]
