"""What conditions can be, taken together: never less than happens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from gateway.expressions.expression import compile_expression
from gateway.rules.possible import Asked, Possible, same
from tests.rules.exchanges import CONDITION, CONTEXTS, LIST_KINDS, LISTS, truth


def asked(text: str, unless: tuple[str, ...] = (), risk: int = 0) -> Asked:
    """`risk` is how often the score may have changed before."""
    return Asked(compile_expression(text, LIST_KINDS).tree, {"risk.score": risk}, unless)


def come_to(possible: Possible, text: str) -> set[bool | None] | None:
    found = possible.know(asked(text)).truths
    return None if found is None else set(found)


def alike(one: Asked, other: Asked) -> bool:
    return same(Possible().know(one), Possible().know(other))


def implied(one: Asked, other: Asked) -> bool:
    possible = Possible()
    return possible.implies(possible.know(one), possible.know(other))


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
    assert come_to(Possible(), text) == truths


def test_what_a_change_stands_between_is_two_things() -> None:
    """A rule that weighs comes between: the later condition sees another score."""
    low = asked("risk.score < 5")
    assert implied(low, asked("risk.score < 6"))
    assert not implied(low, asked("risk.score < 6", risk=1))
    assert not alike(low, asked("risk.score < 5", risk=1))
    assert alike(low, asked("risk.score  <  5"))


def test_one_implies_another() -> None:
    """Wherever it holds; and not where it holds for some only."""
    assert implied(asked("risk.score > 6"), asked("risk.score > 5"))
    assert not implied(asked("risk.score > 5"), asked("risk.score > 6"))
    assert not implied(asked("risk.score > 6"), asked("risk.score > 5", unless=("captcha.passed",)))
    assert implied(asked("true", unless=("captcha.passed",)), asked("!captcha.passed"))


def test_too_much_is_unknown() -> None:
    """Nothing is said of what cannot be tried, nor of anything after too much was."""
    large = asked(" || ".join(f"request.path.contains('{n}')" for n in range(12)))
    assert Possible().know(large).truths is None
    assert not implied(large, large)
    few = Possible(left=5)
    assert come_to(few, "request.streaming") == {True, False}
    assert [come_to(few, "request.streaming") for _ in range(3)] == [{True, False}, None, None]


def test_names_are_what_an_answer_depends_on() -> None:
    """Variables, memberships, and what is not looked into."""

    def names(text: str) -> frozenset[object]:
        return Possible().know(asked(text)).names

    assert names("account.tier == 'x'") == names("account.tier != 'y'")
    assert names("true") == frozenset()
    assert len(names("account.tier == 'x' && client.address in lists.blocked && request.path.contains('x')")) == 3


@settings(max_examples=200, deadline=None)
@given(CONDITION, CONDITION)
def test_possible_knows_no_less_than_happens(one: str, other: str) -> None:
    """Every answer that is given is among those said to be possible; what is implied is so for every exchange."""
    first, second = (compile_expression(text, LIST_KINDS) for text in (one, other))
    truths = Possible().know(Asked(first.tree)).truths
    follows = implied(Asked(first.tree), Asked(second.tree))
    holds = [expression.bind(LISTS) for expression in (first, second)]
    for made in CONTEXTS:
        answers = [truth(one_holds, made) for one_holds in holds]
        assert truths is None or answers[0] in truths
        assert not follows or answers[0] is not True or answers[1] is True
