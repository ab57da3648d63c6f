"""For whom a rule is enforced, changed in the text."""

from __future__ import annotations

import pytest

from gateway.control.rules_files.rollout import NoSuchRule, with_share

BLOCK = """\
# All of it stays.
rules:
  - name: one  # a comment
    when: true
    mode: shadow   # until Friday
  - {name: two, when: 'x == "}"', action: deny}
  - when: true
    name: three
    rollout: 5%
    action: deny
"""


@pytest.mark.parametrize(
    ("name", "share", "before", "after"),
    [
        ("one", 1.0, "mode: shadow   #", "mode: enforce   #"),
        ("one", 0.25, "a comment\n    when", "a comment\n    rollout: 25%\n    when"),
        ("two", 0.0, "{name: two, when", "{name: two, mode: shadow, when"),
        ("two", 0.125, "{name: two, when", "{name: two, rollout: 12.5%, when"),
        ("three", 0.5, "rollout: 5%", "rollout: 50%"),
        ("three", 0.0, "name: three\n    rollout: 5%", "name: three\n    mode: shadow\n    rollout: 100%"),
    ],
    ids=["enforce", "part-of-shadow", "flow-shadow", "flow-part", "more", "part-to-shadow"],
)
def test_only_what_is_meant_changes(name: str, share: float, before: str, after: str) -> None:
    """Comments, order and the other rules stay, letter by letter."""
    changed = with_share(BLOCK, name, share)
    expected = BLOCK.replace(before, after)
    if name == "one" and share == 0.25:
        expected = expected.replace("mode: shadow   #", "mode: enforce   #")
    assert changed == expected != BLOCK


def test_what_holds_already_is_not_written() -> None:
    """A rule that is enforced for all needs no word for it; the end of a file and lines of Windows are kept."""
    assert with_share(BLOCK, "two", 1.0) == BLOCK
    assert with_share("rules:\r\n  - name: x\r\n    when: y", "x", 0.0) == (
        "rules:\r\n  - name: x\r\n    mode: shadow\r\n    when: y"
    )
    assert with_share("chain:\n  - name: x", "x", 0.5) == "chain:\n  - name: x\n    rollout: 50%"


@pytest.mark.parametrize("text", ["rules: [", "", "rules: 5", BLOCK], ids=["broken", "empty", "no list", "other"])
def test_a_rule_that_is_not_there_is_said(text: str) -> None:
    """In words for people."""
    with pytest.raises(NoSuchRule, match=r"no `nobody`|mend"):
        with_share(text, "nobody", 0.5)
