"""A condition knows what it reads, and says so when it gives no answer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.expressions.complaint import BadExpression
from gateway.expressions.expression import LONGEST_TEXT, Expression, ExpressionFailed, compile_expression
from gateway.expressions.tree import Call, Const, Ident, ListLiteral
from gateway.expressions.values import MAX_CLAIMS
from gateway.feeds.kinds import ListKind
from gateway.policy import Facts, Location, Principal, note_facts
from gateway.testing import context

LISTS = {"blocked": ListKind.NETWORKS, "embargo": ListKind.COUNTRIES}


class Rule(BaseModel):
    model_config = ConfigDict(frozen=True)

    when: Expression


class Loading:
    """A list that cannot answer yet."""

    def __contains__(self, item: object) -> bool:
        raise RuntimeError("not loaded")


def test_it_knows_what_it_reads() -> None:
    """Variables and lists apart; what comprehensions name is neither."""
    made = compile_expression(
        'client.address in lists.blocked && request.features.exists(f, f == "tools") && account.tier == "free"', LISTS
    )

    assert made.reads == {"client.address", "request.features", "account.tier"}
    assert made.lists == {"blocked"}
    assert not made.volatile
    assert compile_expression("account.known && time.hour > 3 && request.input_tokens > 3", LISTS).volatile


def test_what_is_not_given_a_list_cannot_be_bound() -> None:
    """KeyError, when the policy is built."""
    with pytest.raises(KeyError, match="blocked"):
        compile_expression("client.address in lists.blocked", LISTS).bind({"embargo": {"NO"}})


def test_the_kind_of_a_list_is_part_of_what_was_checked() -> None:
    """The same text over a list that became another kind is checked again."""
    text = "client.address in lists.blocked"
    assert compile_expression(text, {"blocked": ListKind.NETWORKS}).text == text

    with pytest.raises(BadExpression):
        compile_expression(text, {"blocked": ListKind.COUNTRIES})
    with pytest.raises(BadExpression):
        compile_expression(text, {})


def test_what_is_not_new_is_not_compiled_again() -> None:
    """A reload pays for what changed, also where lists were added that the text does not ask."""
    text = 'account.tier == "not compiled again"'

    assert compile_expression(text, {}) is compile_expression(text, LISTS)


def test_two_of_one_text_are_equal() -> None:
    """By text, as keys of sets, and copies are themselves."""
    one = compile_expression("account.known", {})
    other = compile_expression("account.known ", {})

    assert one == compile_expression("account.known", {})
    assert one != other
    assert one != "account.known"
    assert len({one, other, compile_expression("account.known", {})}) == 2
    assert copy.deepcopy(Rule(when=one)).when is one
    assert str(one) == "account.known"
    assert repr(one) == "Expression('account.known')"


def test_its_tree_has_types_and_places() -> None:
    """For whoever reasons about it."""
    tree = compile_expression('!(account.tier in\n ["a"])', {}).tree

    assert tree == Call(
        1,
        1,
        "bool",
        "!_",
        None,
        (
            Call(
                1,
                16,
                "bool",
                "@in",
                None,
                (
                    Ident(1, 3, "string", "account.tier"),
                    ListLiteral(2, 2, "list(string)", (Const(2, 3, "string", "a"),)),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('claims.plan == "pro"', '`claims.plan == "pro"` gave no answer: Key not found in map : "plan"'),
        ("1 / client.asn > 0", "`1 / client.asn > 0` gave no answer: divide by zero"),
        ("request.items + 9223372036854775807 > 0", "integer overflow"),
        ("claims.n || false", "`claims.n || false` gave no answer: No matching overloads found"),
        ('claims.deep == "x"', "claims are nested deeper than 16"),
        ("client.address in lists.blocked", "gave no answer: RuntimeError: not loaded"),
        ("client.address in lists.blocked && claims.n == 1", "RuntimeError: not loaded"),
        ('"' + "a" * 200 + '" == claims.x', r'`"' + "a" * 116 + r"\.\.\.` gave no answer"),
    ],
)
def test_no_answer_is_a_failure(text: str, said: str) -> None:
    """Never a yes or a no: it says which condition, and why."""
    asked = context(account=None)
    deep: dict[str, Any] = {}
    for _ in range(20):
        deep = {"x": deep}
    claims = {"n": 1, "deep": deep} if "deep" in text else {"n": 1}
    note_facts(asked, Facts(principal=Principal("acme", claims=claims)))

    with pytest.raises(ExpressionFailed, match=said.replace("(", r"\(").replace("+", r"\+")):
        compile_expression(text, LISTS).bind({"blocked": Loading()})(asked)


def test_a_list_is_asked_only_where_it_matters() -> None:
    """One that cannot answer does not fail what is decided without it."""
    asked = context(tier="free")
    for text, answer in {
        'account.tier == "free" || client.address in lists.blocked': True,
        'client.address in lists.blocked || account.tier == "free"': True,
        'client.address in lists.blocked && account.tier == "pro"': False,
    }.items():
        assert compile_expression(text, LISTS).bind({"blocked": Loading()})(asked) is answer


LONG = "/v1/" + "a" * LONGEST_TEXT


@pytest.mark.parametrize(
    "text",
    [
        'request.path.matches("a+b")',
        'request.path.contains("ab")',
        'request.path + "x" == "y"',
        '["a", "b"].exists(word, request.path.endsWith(word + "b"))',
        '["a", "b"].all(word, request.path == word)',
    ],
)
def test_what_is_too_long_to_search_gives_no_answer(text: str) -> None:
    """A caller's path may have 16 KiB: what is done to it for every character, or every item, has an end."""
    condition = compile_expression(text, {}).bind({})
    with pytest.raises(ExpressionFailed, match="a text of 1028 characters: at most 1024 are looked at"):
        condition(context(path=LONG))
    condition(context(path=LONG[:LONGEST_TEXT]))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('request.path == "/v1/models"', False),
        ('request.path.startsWith("/v1/")', True),
        ('request.path in ["/v1/models"]', False),
        ('request.model == "m" && request.path.contains("b")', False),
        ('request.path.contains("b") || request.method == "POST"', True),
    ],
)
def test_a_long_text_is_answered_where_that_costs_nothing(text: str, answer: bool) -> None:
    """Comparing is no search; and what does not matter is not missed."""
    assert compile_expression(text, {}).bind({})(context(path=LONG)) is answer


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ('claims.plan == "gold"', False),
        ('has(claims.plan) && claims["plan"] == "gold"', False),
        ('"plan" in claims', False),
        ("claims.groups.exists(g, g == 7)", True),
        ('claims.exists(name, name == "plan")', True),
        ('claims[request.model] == "gold"', True),
    ],
)
def test_claims_have_a_bound_where_they_are_read(text: str, ends: bool) -> None:
    """A loop may look in a list for each of its items. Claims that nobody reads hurt nobody."""
    claims = {"plan": "gold", "m": "gold", "groups": list(range(MAX_CLAIMS))}
    case = context(model="m")
    note_facts(case, Facts(principal=Principal("acme", claims=claims)))
    condition = compile_expression(text, {}).bind({})
    if ends:
        with pytest.raises(ExpressionFailed, match="claims of more than 500 values"):
            condition(case)
    else:
        assert condition(case)


def test_claims_are_asked_by_cel() -> None:
    """Whatever JSON they hold; a number beyond 64 bits is the largest."""
    asked = context()
    claims = {"plan": "pro", "groups": ["staff", 1, None], "org": {"id": 7}, "huge": 2**70, "half": "a\ud800"}
    note_facts(asked, Facts(principal=Principal("acme", claims=claims)))

    for text in (
        'claims.plan == "pro" && claims.groups.exists(g, g == "staff")',
        'claims.org.id == 7 && !has(claims.org.name) && "plan" in claims',
        "claims.huge == 9223372036854775807",
        'claims.half != "a" && claims.half.startsWith("a")',
    ):
        assert compile_expression(text, {}).bind({})(asked) is True


def test_it_is_read_for_a_person() -> None:
    """Values as people and JSON know them; of claims only those that are asked for."""
    asked = context(features=["vision", "tools"], location=Location("NO"))
    note_facts(asked, Facts(principal=Principal("acme", claims={"plan": "pro", "email": "a@example.com"})))
    made = compile_expression(
        'request.features == ["a"] || client.country == "NO" || claims.plan == "x" || has(claims.org)'
        ' || "a" in claims || claims["b"] == 1'
        ' || account.age < duration("1h") || time.now > account.created'.replace('["a"]', '["tools"]'),
        {},
    )

    assert made.read(asked) == {
        "account.age": "0s",
        "account.created": "1970-01-01T00:00:00Z",
        "claims.a": None,
        "claims.b": None,
        "claims.org": None,
        "claims.plan": "pro",
        "client.country": "NO",
        "request.features": ["tools", "vision"],
        "time.now": "2023-11-15T12:00:00Z",
    }


def test_it_holds_over_plain_values() -> None:
    """Without an exchange: times and durations are microseconds."""
    made = compile_expression('account.age < duration("1h") && client.country in lists.embargo', LISTS)

    assert made.holds({"account.age": 3_599_999_999, "client.country": "NO"}, {"embargo": {"NO"}})
    assert not made.holds({"account.age": 3_600_000_000, "client.country": "NO"}, {"embargo": {"NO"}})


def test_it_is_a_field_of_a_model() -> None:
    """Text in a file, an Expression in Python, text again when dumped; what is wrong is a ValidationError."""
    rule = Rule.model_validate({"when": "client.country in lists.embargo"}, context={"lists": LISTS})

    assert rule.when.lists == {"embargo"}
    assert rule.model_dump() == {"when": "client.country in lists.embargo"}
    assert Rule(when=rule.when) == rule
    with pytest.raises(ValidationError, match=r"there is no list `embargo` in feeds\.yaml: there are none"):
        Rule.model_validate({"when": "client.country in lists.embargo"})
    with pytest.raises(ValidationError, match="must be text"):
        Rule.model_validate({"when": 1})


@pytest.mark.parametrize(("written", "text"), [(True, "true"), (False, "false")])
def test_true_of_yaml_is_true_of_cel(written: bool, text: str) -> None:
    """Whoever writes `when: true` means it."""
    assert Rule.model_validate({"when": written}).when.text == text


def test_its_schema_is_text() -> None:
    """For editors; or the truth itself."""
    schema = Rule.model_json_schema()["properties"]["when"]

    assert schema["type"] == ["string", "boolean"]
    assert schema["minLength"] == 1
    assert "CEL" in schema["description"]
