"""What conditions can be, taken together: never less than happens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from gateway.expressions.expression import compile_expression
from gateway.rules.possible import Asked, Possible, names, same
from tests.rules.exchanges import CONDITION, CONTEXTS, LIST_KINDS, LISTS, truth


def asked(text: str, unless: tuple[str, ...] = (), risk: int = 0) -> Asked:
    """`risk` is how often the score may have changed before."""
    return Asked(compile_expression(text, LIST_KINDS).tree, {"risk.score": risk}, unless)


def come_to(possible: Possible, *conditions: Asked) -> set[bool | None] | None:
    found = possible.truths(*conditions)
    return None if found is None else set(found)


@pytest.mark.parametrize(
    ("text", "truths"),
    [
        ("true", {True}),
        ("false", {False}),
        ("request.streaming", {True, False}),
        ("request.streaming && !request.streaming", {False}),
        ("request.streaming ? true : request.model == 'x' || request.model != 'x'", {True}),
        ("request.items == 1 || request.items < 1 || 1 < request.items", {True}),
        ("request.items in [1, 2] && request.items > 2", {False}),
        ("request.model > 'a' && request.model < 'a\\x01'", {True, False}),
        ("request.model < ''", {False}),
        ("client.address in lists.blocked && !(client.address in lists.blocked)", {False}),
        ("client.address in lists.blocked && !(account.id in lists.accounts)", {True, False}),
        ("int(account.id) > 5", {True, False, None}),
        ("int(account.id) > 5 || true", {True}),
        ("int(account.id) > 5 && false", {False}),
        ("int(account.id) > 5 || !(int(account.id) > 5)", {True, None}),
        ("account.age < duration('1h') || account.age >= duration('60m')", {True}),
        ("time.now < timestamp('2026-01-01T00:00:00Z') && time.now > timestamp('2027-01-01T00:00:00Z')", {False}),
        ("'a' in tags && !('a' in tags)", {False}),
        ("'a' in tags && !('b' in tags)", {True, False}),
    ],
)
def test_what_a_condition_can_come_to(text: str, truths: set[bool | None]) -> None:
    """By the classes of values; what is not looked into may be anything, and fail."""
    assert come_to(Possible(), asked(text)) == truths


def test_conditions_together() -> None:
    """What cannot be at once is never; what one change may stand between is two things."""
    low, high = asked("risk.score < 5"), asked("risk.score > 5")
    assert come_to(Possible(), low, high) == {False}
    assert come_to(Possible(), low, asked("risk.score > 5", risk=1)) == {True, False}
    assert not same(low, asked("risk.score < 5", risk=1))
    assert same(low, asked("risk.score  <  5"))


def test_one_implies_another() -> None:
    """Wherever it holds; and not where it holds for some only."""
    assert Possible().implies(asked("risk.score > 6"), asked("risk.score > 5"))
    assert not Possible().implies(asked("risk.score > 5"), asked("risk.score > 6"))
    assert not Possible().implies(asked("risk.score > 6"), asked("risk.score > 5", unless=("captcha.passed",)))
    assert Possible().implies(asked("true", unless=("captcha.passed",)), asked("!captcha.passed"))


def test_too_much_is_unknown() -> None:
    """Nothing is said of what cannot be tried, nor of anything after too much was."""
    large = asked(" || ".join(f"request.path.contains('{n}')" for n in range(12)))
    assert Possible().truths(large) is None
    assert not Possible().implies(large, large)
    few = Possible(left=5)
    assert come_to(few, asked("request.streaming")) == {True, False}
    assert [come_to(few, asked("request.streaming")) for _ in range(3)] == [{True, False}, None, None]


def test_names_are_what_an_answer_depends_on() -> None:
    """Variables, memberships, and what is not looked into."""
    assert names(asked("account.tier == 'x'")) == names(asked("account.tier != 'y'"))
    assert names(asked("true")) == frozenset()
    assert (
        len(names(asked("account.tier == 'x' && client.address in lists.blocked && request.path.contains('x')"))) == 3
    )


@settings(max_examples=400, deadline=None)
@given(CONDITION, CONDITION)
def test_possible_knows_no_less_than_happens(one: str, other: str) -> None:
    """Every answer that is given is among those said to be possible; what is implied is so for every exchange."""
    first, second = (compile_expression(text, LIST_KINDS) for text in (one, other))
    truths = Possible().truths(Asked(first.tree))
    implied = Possible().implies(Asked(first.tree), Asked(second.tree))
    holds = [expression.bind(LISTS) for expression in (first, second)]
    for made in CONTEXTS:
        answers = [truth(one_holds, made) for one_holds in holds]
        assert truths is None or answers[0] in truths
        assert not implied or answers[0] is not True or answers[1] is True
