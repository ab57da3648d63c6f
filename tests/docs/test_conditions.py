"""docs/policies/conditions.md: what it says of values that are not known, of time and of claims is so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import pytest

from gateway.expressions.expression import ExpressionFailed, compile_expression
from gateway.feeds.kinds import ListKind
from gateway.policy import Ask, Context, Facts, Principal, note_facts
from tests.docs.pages import ROOT, rows, section, text_of

PAGE: Final = ROOT / "docs" / "policies" / "conditions.md"
UNKNOWN: Final = section(PAGE, "What is not known")
LISTS: Final = {"office": ListKind.NETWORKS}


def exchange(claims: Mapping[str, Any] | None = None) -> Context:
    """Of an account of which nothing is known, from nowhere, without a cap."""
    context = Context("x", 1_795_305_600.0, "POST", "/v1/chat/completions", {}, "192.0.2.7", Ask("openai", "chat"))
    note_facts(context, Facts(Principal("somebody", claims=claims or {})))
    return context


def answer(text: str, claims: Mapping[str, Any] | None = None) -> bool:
    return compile_expression(text, {}).bind({})(exchange(claims))


TABLE: Final = {condition: cells[0].strip("*") for condition, cells in rows(UNKNOWN).items()}
TRUTHS: Final = [pair for pair in TABLE.items() if pair[1] in {"true", "false"}]
WARNED: Final = [condition for condition, said in TABLE.items() if said.startswith("true for")]


@pytest.mark.parametrize(("condition", "said"), TRUTHS)
def test_an_unknown_country_is_judged_as_the_page_says(condition: str, said: str) -> None:
    """The trap of `!` and `!=` is shown with what really happens."""
    assert answer(condition) is (said == "true")


@pytest.mark.parametrize("condition", WARNED)
def test_what_the_page_warns_of_holds_for_the_unknown(condition: str) -> None:
    """A condition that is true where nothing is known: the page says what to ask before it."""
    assert answer(condition) is True


def test_the_tables_are_read() -> None:
    """Four lines about countries, and two about numbers whose truth is stated."""
    assert (len(TRUTHS), len(WARNED)) == (4, 2)


CODE: Final = re.findall(r"`([^`\n]+)`", text_of(PAGE).replace("`\n`", "` `"))
WHOLE: Final = sorted({code for code in CODE if re.search(r" (==|!=|<=|>=|<|>|in|&&) ", code) and "..." not in code})


@pytest.mark.parametrize("condition", [one for one in WHOLE if one not in {"client.country in lists.office", "a && b"}])
def test_a_condition_in_a_sentence_is_one(condition: str) -> None:
    """What people copy out of a sentence compiles; what the page calls an error is none of these."""
    assert compile_expression(condition, LISTS)


@pytest.mark.parametrize(
    ("condition", "claims", "holds"),
    [
        ('has(claims.plan) && claims.plan == "gold"', {}, False),
        ('has(claims.plan) && claims.plan == "gold"', {"plan": "gold"}, True),
        ('"https://example.com/plan" in claims', {}, False),
        ('claims["https://example.com/plan"] == "gold"', {"https://example.com/plan": "gold"}, True),
        ('account.tier == "x" && claims.plan == "gold"', {}, False),
        ('account.tier != "x" || claims.plan == "gold"', {}, True),
    ],
)
def test_claims_are_asked_for_first(condition: str, claims: Mapping[str, Any], holds: bool) -> None:
    """`has` answers; and where one side of an and, or an or, decides, the other may fail."""
    assert answer(condition, claims) is holds


def test_a_claim_that_is_not_there_is_a_failure() -> None:
    """Never a silent no."""
    with pytest.raises(ExpressionFailed):
        answer('claims.plan == "gold"')


def test_a_list_is_asked_for_what_it_holds() -> None:
    """As the page says: a country is no network."""
    with pytest.raises(ValueError, match="networks"):
        compile_expression("client.country in lists.office", LISTS)
