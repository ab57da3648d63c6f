"""Each variable: what it reads, and what it is where nothing is known."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.expressions.expression import compile_expression
from gateway.expressions.values import MAX_INT, Type
from gateway.expressions.variables import VARIABLES
from gateway.policy import Ask, Context, Evidence, Facts, Fall, Location, Principal, Profile, note_facts, place

NOON = 1_700_049_600.0
"""2023-11-15T12:00:00Z, a Wednesday."""
EMPTY = {Type.TEXT: "", Type.NUMBER: 0, Type.TRUTH: False, Type.TIME: 0, Type.DURATION: 0}


def stranger() -> Context:
    return Context("x", 0.0, "", "", {}, "", Ask("", "", items=0))


def known() -> Context:
    made = Context(
        "x",
        NOON,
        "POST",
        "/v1/chat",
        {},
        "192.0.2.1",
        Ask("openai", "chat.completions", "m-large", True, frozenset({"tools"}), 12, 34, 5),
        "t13d",
    )
    profile = Profile(
        NOON - 60.5,
        "example.com",
        "NO",
        "SE",
        2,
        (Evidence("document", NOON - 60.0, NOON - 1.0), Evidence("email", NOON)),
        (Fall("chargeback"),),
        "i1",
        30,
    )
    claims = {"plan": "pro"}
    principal = Principal("acme", "org", "k1", "free", frozenset({"m"}), frozenset({"vision"}), claims, profile)
    place(made, Location("DE", 64496, frozenset({"vpn"}), private=True))
    note_facts(made, Facts(principal, 7, frozenset({"seen"}), captcha=True))
    return made


VALUES: dict[str, Any] = {
    "account.id": "acme",
    "account.organisation": "org",
    "account.tier": "free",
    "account.created": 1_700_049_539_500_000,
    "account.has_created": True,
    "account.age": 60_500_000,
    "account.email_domain": "example.com",
    "account.signup_country": "NO",
    "account.billing_country": "SE",
    "account.verification": 2,
    "account.evidence": {"document", "email"},
    "account.falls": {"chargeback"},
    "account.identity": "i1",
    "account.signup_burst": 30,
    "account.known": True,
    "key.id": "k1",
    "key.models": {"m"},
    "key.features": {"vision"},
    "claims": {"plan": "pro"},
    "request.method": "POST",
    "request.path": "/v1/chat",
    "request.route": "chat.completions",
    "request.dialect": "openai",
    "request.model": "m-large",
    "request.streaming": True,
    "request.features": {"tools"},
    "request.input_tokens": 12,
    "request.output_cap": 34,
    "request.has_output_cap": True,
    "request.items": 5,
    "client.address": "192.0.2.1",
    "client.country": "DE",
    "client.asn": 64496,
    "client.network_kinds": {"vpn"},
    "client.private": True,
    "client.ja4": "t13d",
    "risk.score": 7,
    "captcha.passed": True,
    "tags": {"seen"},
    "time.now": 1_700_049_600_000_000,
    "time.hour": 12,
    "time.weekday": 3,
    "time.date": "2023-11-15",
}


def test_every_variable_is_tested() -> None:
    """The table here is whole."""
    assert set(VALUES) == set(VARIABLES)


@pytest.mark.parametrize("name", VARIABLES)
def test_it_reads(name: str) -> None:
    """What it is of an exchange of which all is known."""
    assert VARIABLES[name].read(known()) == VALUES[name]


@pytest.mark.parametrize("name", [name for name in VARIABLES if not name.startswith("time.")])
def test_what_is_missing_is_empty(name: str) -> None:
    """Nothing known: the empty value of its type, and the table says when."""
    variable = VARIABLES[name]

    assert variable.read(stranger()) == EMPTY.get(variable.type, variable.read(stranger()))
    assert variable.type not in {Type.TEXTS, Type.CLAIMS} or len(variable.read(stranger())) == 0


@pytest.mark.parametrize("variable", VARIABLES.values(), ids=lambda variable: variable.name)
def test_it_is_documented(variable: Any) -> None:
    """The table is the reference."""
    assert variable.doc.endswith(".")
    assert not variable.missing.endswith(".")
    assert (
        variable.missing
        or variable.type is Type.TRUTH
        or variable.name.startswith(("request.", "time.", "risk.", "client."))
    )


@pytest.mark.parametrize(
    ("now", "text"),
    {
        "before 1970": (-1.0, 'time.date == "1969-12-31" && time.hour == 23 && time.weekday == 3'),
        "the first Monday": (4 * 86400.0, "time.weekday == 1 && time.hour == 0"),
        "a Sunday": (NOON + 4 * 86400, 'time.weekday == 7 && time.date == "2023-11-19"'),
        "as CEL has it": (NOON, 'time.now == timestamp("2023-11-15T12:00:00Z") && time.now.getHours() == time.hour'),
        "beyond CEL": (1e300, 'time.date == "9999-12-31"'),
    }.values(),
    ids=lambda value: str(value)[:20],
)
def test_time_is_utc(now: float, text: str) -> None:
    """Hours, days and dates are those of UTC."""
    assert compile_expression(text, {}).bind({})(Context("x", now, "GET", "/", {}, "", Ask("openai", "other"))) is True


def test_what_is_claimed_fits_64_bits() -> None:
    """A caller's absurd number is the largest that there is, for plain Python and for cel-cpp."""
    asked = Context(
        "x", 0.0, "", "", {}, "", Ask("openai", "other", input_tokens=2**80, output_cap=2**64, items=-(2**80))
    )

    assert VARIABLES["request.input_tokens"].read(asked) == MAX_INT
    assert VARIABLES["request.output_cap"].read(asked) == MAX_INT
    assert VARIABLES["request.items"].read(asked) == -(2**63)
    assert compile_expression("request.output_cap - 1 > 0", {}).bind({})(asked) is True


def test_an_age_is_never_negative() -> None:
    """A clock that goes wrong makes nobody younger than new."""
    asked = Context("x", NOON, "", "", {}, "", Ask("openai", "other"))
    note_facts(asked, Facts(Principal("acme", profile=Profile(created=NOON + 60))))

    assert VARIABLES["account.age"].read(asked) == 0
