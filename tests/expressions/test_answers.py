"""Plain Python and cel-cpp answer alike: random conditions over random exchanges, both ways."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Container, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.expressions.expression import Expression, ExpressionFailed, compile_expression
from gateway.expressions.variables import VARIABLES
from gateway.feeds.kinds import ListKind
from gateway.policy import Ask, Context, Facts, Location, NetworkKind, Principal, Profile, note_facts, place

KINDS = {
    "blocked": ListKind.NETWORKS,
    "asns": ListKind.ASNS,
    "embargo": ListKind.COUNTRIES,
    "partners": ListKind.ACCOUNTS,
    "disposable": ListKind.DOMAINS,
}
LISTS: Mapping[str, Container[object]] = {
    "blocked": {"192.0.2.1", "b"},
    "asns": {0, 7},
    "embargo": {"NO", ""},
    "partners": {"a"},
    "disposable": {"a", "aé"},
}


class Broken:
    """A list that cannot answer."""

    def __contains__(self, item: object) -> bool:
        raise ValueError("not loaded")


# -- exchanges ----------------------------------------------------------------------------------------------------

text = st.one_of(
    st.sampled_from(["", "a", "b", "A", "aé", "free", "NO", "DE", "192.0.2.1", "tools", "2023-11-15", "a\x00b"]),
    st.text(max_size=5),
    st.text(alphabet="a\ud800\udc00\ue000", max_size=3),
)
number = st.one_of(st.sampled_from([0, 1, 7, -1, 2**63 - 1, 2**63, -(2**63), 2**70]), st.integers(-100, 100))
seconds = st.one_of(
    st.sampled_from([0.0, 1_700_000_000.0, 1_700_000_000.000_001, -1e12, 1e15, -0.5]),
    st.floats(-1e11, 3e11, allow_nan=False),
)
features = st.frozensets(st.sampled_from(["tools", "vision", "batch"]), max_size=2)
words = st.frozensets(text, max_size=3)
claims = st.dictionaries(
    st.sampled_from(["plan", "n", "groups", "é"]),
    st.one_of(text, number, st.booleans(), st.none(), st.floats(allow_nan=False), st.lists(text, max_size=2)),
    max_size=3,
)
profiles = st.builds(Profile, seconds, text, text, text, number)
principals = st.builds(Principal, text, text, text, text, words, features, claims, profiles)
asks = st.builds(
    Ask, text, text, text, st.booleans(), features, number, st.one_of(st.none(), number), number, st.booleans()
)
locations = st.builds(
    Location, st.sampled_from(["", "NO", "DE"]), number, st.frozensets(st.sampled_from(list(NetworkKind)), max_size=2)
)


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    made = Context("x", draw(seconds), draw(text), draw(text), {}, draw(text), draw(asks), draw(text))
    place(made, draw(locations))
    known = draw(st.one_of(st.none(), principals))
    note_facts(made, Facts(known, draw(number), draw(words), draw(st.booleans())))
    return made


# -- conditions ---------------------------------------------------------------------------------------------------


def named(*kinds: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name for name, variable in VARIABLES.items() if variable.type.name in kinds])


loops = st.tuples(
    st.sampled_from(["tags", "key.models", '["a", "b"]', "[]"]),
    st.sampled_from(["exists", "all", "exists_one"]),
    st.sampled_from(['i == "a"', "i in tags", "i == account.id || size(i) > 1", "true", '!i.startsWith("a")']),
).map(lambda loop: f"{loop[0]}.{loop[1]}(i, {loop[2]})")
free = [name for name, v in VARIABLES.items() if v.type.name == "TEXT" and v.vocabulary is None]
quoted = st.sampled_from(['""', '"a"', '"aé"', "'free'", '"\\u00e9"', 'r"a"', '"192.0.2.1"'])
texts = st.one_of(named("TEXT"), quoted)
plain_texts = st.one_of(st.sampled_from(free), quoted)
countries = st.sampled_from(["client.country", "account.signup_country"])
numbers = st.one_of(
    st.sampled_from(["client.asn", "request.input_tokens", "request.output_cap", "risk.score", "request.items"]),
    st.sampled_from(["0", "-1", "7", "9223372036854775807", "-9223372036854775808"]),
    named("TEXT", "TEXTS").map(lambda name: f"size({name})"),
    named("TEXT", "TEXTS").map(lambda name: f"{name}.size()"),
)
times = st.one_of(
    named("TIME"),
    st.sampled_from(
        [
            'timestamp("2023-11-15T00:00:00Z")',
            'timestamp("1969-12-31T23:59:59.5+01:30")',
            'timestamp("9999-12-31T23:59:59.999999Z")',
            "timestamp(1700000000)",
        ]
    ),
)
durations = st.one_of(
    named("DURATION"),
    st.sampled_from(['duration("0s")', 'duration("-1h30m")', 'duration("1.5s")', 'duration("24h")', 'duration("7us")']),
    st.tuples(times, times).map(lambda pair: f"({pair[0]} - {pair[1]})"),
)
order = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def compared(parts: st.SearchStrategy[str], signs: st.SearchStrategy[str] = order) -> st.SearchStrategy[str]:
    return st.tuples(parts, signs, parts).map(" ".join)


clauses = st.one_of(
    compared(plain_texts, st.sampled_from(["==", "!="])),
    loops,
    compared(numbers),
    compared(times),
    compared(durations),
    named("TRUTH"),
    st.sampled_from(["true", "false"]),
    st.tuples(countries, st.sampled_from(["==", "!="]), st.sampled_from(['"NO"', '""', '"DE"'])).map(" ".join),
    st.tuples(texts, st.sampled_from(["startsWith", "endsWith", "contains"]), texts).map(
        lambda p: f"{p[0]}.{p[1]}({p[2]})"
    ),
    st.tuples(plain_texts, st.lists(quoted, max_size=3)).map(lambda p: f"{p[0]} in [{', '.join(p[1])}]"),
    st.tuples(numbers, st.lists(st.sampled_from(["0", "7", "-1"]), max_size=3)).map(
        lambda p: f"{p[0]} in [{', '.join(p[1])}]"
    ),
    st.tuples(plain_texts, st.sampled_from(["tags", "key.models"])).map(" in ".join),
    st.sampled_from(['"tools" in request.features', '"vpn" in client.network_kinds', 'request.features == ["tools"]']),
    st.sampled_from(
        [
            "client.address in lists.blocked",
            "client.asn in lists.asns",
            "client.country in lists.embargo",
            "account.signup_country in lists.embargo",
            "account.id in lists.partners",
            "account.organisation in lists.partners",
            "account.email_domain in lists.disposable",
        ]
    ),
)
only_cel = st.sampled_from(
    [
        'claims.plan == "a"',
        'has(claims.plan) && claims.plan == "a"',
        'claims.groups.exists(g, g == "a")',
        "claims.n > 3",
        "1 / client.asn > 0",
        "request.input_tokens + 1 > 0",
        'request.model.matches("^a.?$")',
        'request.features.exists(f, f.startsWith("t"))',
        "time.now.getHours() == time.hour",
        'time.now.getDayOfWeek("Europe/Berlin") > 3',
        'time.now - duration("1h") < time.now',
        'time.now > timestamp("2023-11-15T00:00:00.000000001Z")',
        'request.model < "b"',
    ]
)


def joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(parts, st.sampled_from(["&&", "||"]), parts).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        parts.map(lambda part: f"!({part})"),
        st.tuples(parts, parts, parts).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
    )


native_conditions = st.recursive(clauses, joined, max_leaves=6)
conditions = st.recursive(st.one_of(clauses, only_cel), joined, max_leaves=6)


def answered(condition: Any, context: Context) -> bool | None:
    """None where there is no answer."""
    try:
        answer: bool = condition(context)
    except ExpressionFailed:
        return None
    assert answer is True or answer is False
    return answer


def both(expression: Expression, context: Context, lists: Mapping[str, Container[object]]) -> tuple[Any, Any]:
    """What it answers, and what cel-cpp alone does."""
    return answered(expression.bind(lists), context), answered(expression.bind_exactly(lists), context)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(native_conditions, contexts())
def test_plain_python_answers_as_cel_does(text: str, context: Context) -> None:
    """Whatever is translated answers as cel-cpp does, whatever is asked of whatever exchange."""
    expression = compile_expression(text, KINDS)
    found, exact = both(expression, context, LISTS)

    assert found == exact


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conditions, contexts(), st.sets(st.sampled_from(list(KINDS))))
def test_failures_are_those_of_cel(text: str, context: Context, broken: set[str]) -> None:
    """Also where a part fails: `&&` and `||` do without it where the other part decides; else there is no answer."""
    lists = {name: Broken() if name in broken else held for name, held in LISTS.items()}
    found, exact = both(compile_expression(text, KINDS), context, lists)

    assert found == exact


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(native_conditions, conditions), contexts())
def test_values_answer_as_their_exchange_does(text: str, context: Context) -> None:
    """`holds` over what the readers give is what the condition says of the exchange."""
    expression = compile_expression(text, KINDS)
    values = {name: VARIABLES[name].read(context) for name in expression.reads}

    assert answered(lambda _: expression.holds(values, LISTS), context) == answered(expression.bind(LISTS), context)


SIDES: dict[str, tuple[str, list[Any], list[str]]] = {
    "numbers": ("request.items", [-1, 0, 1], ["-1", "0", "1"]),
    "text": ("account.id", ["", "a", "b"], ['""', '"a"', '"b"']),
    "truth": ("account.known", [False, True], ["false", "true"]),
    "times": (
        "time.now",
        [-1, 0, 1_700_000_000_500_000],
        [
            'timestamp("1970-01-01T01:59:59.999999+02:00")',
            'timestamp("1969-12-31T22:30:00-01:30")',
            'timestamp("2023-11-14T22:13:20.5Z")',
        ],
    ),
    "durations": (
        "account.age",
        [-5_400_000_000, 0, 5_400_000_001],
        ['duration("-1h30m")', 'duration("0s")', 'duration("1h1800s1us")'],
    ),
}
SIGNS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("kind", SIDES)
def test_comparisons_are_those_of_numbers(kind: str, sign: str) -> None:
    """Less, equal and greater, for each type and operator: plain Python and cel-cpp say what is true."""
    name, values, written = SIDES[kind]
    for (left, value), (right, other) in itertools.product(enumerate(values), enumerate(written)):
        expression = compile_expression(f"{name} {sign} {other}", {})
        expected = SIGNS[sign](left, right)

        assert expression.holds({name: value}) is expected
        assert expression.holds_exactly({name: value}) is expected


@pytest.mark.parametrize(
    ("text", "answer"),
    {
        "yes": ("account.known ? request.streaming : captcha.passed", True),
        "no": ("captcha.passed ? request.streaming : captcha.passed", False),
        "and": ("account.known && captcha.passed", False),
        "or": ("captcha.passed || account.known", True),
        "not": ("!captcha.passed", True),
        "in nothing": ("account.id in []", False),
        "in text": ('account.id in ["b", "a"]', True),
        "not in text": ('account.id in ["b", "A"]', False),
        "starts": ('account.id.startsWith("") && !account.id.startsWith("ab")', True),
        "size": ("size(account.id) == 1 && request.features.size() == 2", True),
        "order of a list": ('request.features == ["tools", "vision"]', True),
        "difference": ('time.now - account.created == duration("2s")', True),
        "difference too large": (
            'time.now - timestamp("1600-01-01T00:00:00Z") > duration("2s") || account.known',
            True,
        ),
        "exists": ('request.features.exists(f, f.startsWith("v"))', True),
        "exists in it": ('request.features.exists(f, f in ["batch"])', False),
        "all": ("request.features.all(f, size(f) > 4)", True),
        "all of nothing": ("tags.all(t, false)", True),
        "any of nothing": ("tags.exists(t, true)", False),
        "only one": ('request.features.exists_one(f, f.startsWith("v"))', True),
        "of what is written": ('["a", "x"].exists(p, p == account.id)', True),
    }.values(),
)
def test_both_say_what_is_so(text: str, answer: object) -> None:
    """One row a construct; where both are wrong alike, this tells."""
    values = {
        "account.known": True,
        "captcha.passed": False,
        "request.streaming": True,
        "account.id": "a",
        "request.features": frozenset({"tools", "vision"}),
        "tags": frozenset(),
        "time.now": 2_000_000,
        "account.created": 0,
    }
    expression = compile_expression(text, {})

    assert expression.holds(values) is answer
    assert expression.holds_exactly(values) is answer


def test_text_is_ordered_as_cel_does() -> None:
    """Also what UTF-8 cannot say, whose order in Python is another."""
    expression = compile_expression("account.id < key.id", {})
    values = {"account.id": "\ud800", "key.id": "\ue000"}

    assert expression.holds(values) is expression.holds_exactly(values)


def test_what_is_usual_is_translated() -> None:
    """What is fast stays fast: these need no cel-cpp."""
    usual = [
        'account.tier == "free" && client.country in ["IR", "KP"]',
        "client.address in lists.blocked || !account.known",
        '"tools" in request.features ? request.input_tokens > 1000 : size(key.models) == 0',
        'account.age < duration("24h") && time.now >= timestamp("2026-01-01T00:00:00Z")',
        'time.now - account.created < duration("720h")',
        'client.network_kinds.exists(k, k in ["vpn", "tor"]) && ["a", "b"].all(p, request.model.startsWith(p))',
        'request.model.startsWith("m-") && request.path.contains("/v1/") && time.hour in [1, 2]',
    ]

    assert [compile_expression(text, KINDS).is_native for text in usual] == [True] * len(usual)


def test_now_that_is_no_number_gives_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that cannot be read is a failure where it matters, and only there."""
    context = Context("x", math.nan, "GET", "/", {}, "192.0.2.1", Ask("openai", "other"))

    assert answered(compile_expression("time.hour == 3", {}).bind({}), context) is None
    assert answered(compile_expression("time.hour == 3 || true", {}).bind({}), context) is True
    with pytest.raises(ExpressionFailed, match=r"`time.hour == 3` gave no answer: ValueError"):
        compile_expression("time.hour == 3", {}).bind({})(context)
