"""The rule of auth as tables: no server, no clock, no loop."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.accounts.directory import KeyRecord
from gateway.policies.auth import rule
from gateway.policies.auth.config import ClaimNames, Issuer
from gateway.policy import Action, Ask, Decision, Principal

NOW = 1_800_000_000.0
ACME = Principal("acme", "acme-corp", "Prefix0001", "gold")


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({b"authorization": b"Bearer abc"}, b"abc"),
        ({b"authorization": b"bearer abc"}, b"abc"),
        ({b"authorization": b"BEARER   abc "}, b"abc"),
        ({b"x-api-key": b"abc"}, b"abc"),
        ({b"authorization": b"Bearer abc", b"x-api-key": b"abc"}, b"abc"),
        ({b"authorization": b"", b"x-api-key": b"abc"}, b"abc"),
        ({b"authorization": b"Bearer ", b"x-api-key": b"abc"}, b"abc"),
        ({b"authorization": b"Bearer abc", b"x-api-key": b""}, b"abc"),
        ({}, "missing_credentials"),
        ({b"x-api-key": b" "}, "missing_credentials"),
        ({b"authorization": b"Bearer"}, "missing_credentials"),
        ({b"authorization": b"Bearer abc", b"x-api-key": b"abd"}, "ambiguous_credentials"),
        ({b"authorization": b"Basic YTpi", b"x-api-key": b"abc"}, "ambiguous_credentials"),
        ({b"authorization": b"Basic YTpi"}, "invalid_credentials"),
        ({b"authorization": b"abc"}, "invalid_credentials"),
    ],
    ids=repr,
)
def test_one_credential_or_none(fields: dict[bytes, bytes], found: bytes | str) -> None:
    """From either field; two that differ are refused: two parts of a system could believe two of them."""
    answer = rule.credential(fields)

    assert (answer.reason if isinstance(answer, Decision) else answer) == found


def record(**changes: Any) -> KeyRecord:
    return KeyRecord(b"d" * 32, "p1", ACME)._replace(**changes)


@pytest.mark.parametrize(
    ("key", "proved", "reason", "status"),
    [
        (record(), True, "", 0),
        (record(expires=NOW + 1), True, "", 0),
        (None, False, "invalid_credentials", 401),
        (None, True, "invalid_credentials", 401),
        (record(), False, "invalid_credentials", 401),
        (record(revoked=True), False, "invalid_credentials", 401),
        (record(suspended=True), False, "invalid_credentials", 401),
        (record(expires=NOW), True, "expired_credentials", 401),
        (record(revoked=True, expires=NOW - 1), True, "revoked_key", 401),
        (record(suspended=True), True, "suspended_account", 403),
    ],
)
def test_what_a_key_is_worth(key: KeyRecord | None, proved: bool, reason: str, status: int) -> None:
    """Who does not hold the key learns nothing of it."""
    answer = rule.judge_key(key, proved, NOW)

    assert (answer.reason, answer.status) == (reason, status)
    assert (answer.action is Action.ALLOW) == (reason == "")
    if not reason:
        assert answer.facts is not None
        assert answer.facts.principal is ACME


def test_a_stranger_cannot_tell_an_unknown_key_from_a_wrong_one() -> None:
    """Word for word the same."""
    assert rule.judge_key(None, False, NOW) == rule.judge_key(record(), False, NOW)


@pytest.mark.parametrize(
    ("models", "features", "ask", "reason"),
    [
        ((), (), Ask("openai", "chat.completions", "m-large"), ""),
        (("m-small",), (), Ask("openai", "chat.completions", "m-small"), ""),
        (("m-small",), (), Ask("openai", "chat.completions", "m-large"), "model_not_in_scope"),
        (("m-small",), (), Ask("openai", "other"), "model_not_in_scope"),
        (("m-small",), (), Ask("openai", "models.list", generates=False), ""),
        (("m-small",), (), Ask("openai", "models.get", "m-large", generates=False), "model_not_in_scope"),
        ((), ("tools",), Ask("openai", "chat.completions", "m", features=frozenset({"tools"})), ""),
        ((), ("tools",), Ask("openai", "chat.completions", "m"), ""),
        ((), ("tools",), Ask("openai", "c", "m", features=frozenset({"tools", "vision"})), "feature_not_in_scope"),
        ((), ("vision",), Ask("openai", "other", "m"), "feature_not_in_scope"),
        ((), ("vision",), Ask("openai", "other", generates=False), ""),
    ],
)
def test_scopes(models: tuple[str, ...], features: tuple[str, ...], ask: Ask, reason: str) -> None:
    """A scoped key reaches what it names, and no route on which we cannot see the model."""
    principal = Principal("acme", models=frozenset(models), features=frozenset(features))
    answer = rule.out_of_scope(principal, ask)

    assert (answer.reason if answer else "") == reason
    assert answer is None or answer.status == 403


@pytest.mark.parametrize(
    ("claims", "answer"),
    [
        ({"exp": NOW + 60}, NOW + 70),
        ({"exp": NOW - 9}, NOW + 1),
        ({"exp": NOW - 10}, "expired_credentials"),
        ({}, "invalid_credentials"),
        ({"exp": None}, "invalid_credentials"),
        ({"exp": "2027"}, "invalid_credentials"),
        ({"exp": True}, "invalid_credentials"),
        ({"exp": float("inf")}, "invalid_credentials"),
        ({"exp": float("nan")}, "invalid_credentials"),
        ({"exp": 10**400}, "invalid_credentials"),
        ({"exp": [NOW + 60]}, "invalid_credentials"),
        ({"exp": NOW + 60, "nbf": NOW + 10}, NOW + 70),
        ({"exp": NOW + 60, "nbf": NOW + 11}, "invalid_credentials"),
        ({"exp": NOW + 60, "iat": NOW + 11}, "invalid_credentials"),
        ({"exp": NOW + 60, "nbf": "soon"}, "invalid_credentials"),
    ],
    ids=repr,
)
def test_the_times_of_a_token(claims: dict[str, Any], answer: float | str) -> None:
    """With ten seconds of leeway on every side; a date that is none is refused, never ignored."""
    found = rule.judge_times(claims, NOW, leeway=10.0, max_age=None)

    assert (found.reason if isinstance(found, Decision) else found) == answer


@pytest.mark.parametrize(
    ("claims", "answer"),
    [
        ({"exp": NOW + 9999, "iat": NOW}, NOW + 310),
        ({"exp": NOW + 5, "iat": NOW}, NOW + 15),
        ({"exp": NOW + 9999, "iat": NOW - 310}, "expired_credentials"),
        ({"exp": NOW + 9999}, "invalid_credentials"),
    ],
    ids=repr,
)
def test_the_greatest_age_of_a_token(claims: dict[str, Any], answer: float | str) -> None:
    """What the issuer calls valid for long ends sooner here, counted from `iat`."""
    found = rule.judge_times(claims, NOW, leeway=10.0, max_age=300.0)

    assert (found.reason if isinstance(found, Decision) else found) == answer


def issuer(**changes: Any) -> Issuer:
    return Issuer(issuer="https://id", audience="api", keys_file="x", **changes)


@pytest.mark.parametrize(
    ("claims", "config", "account"),
    [
        ({"sub": "acme"}, issuer(), "acme"),
        ({"sub": "acme"}, issuer(account_prefix="corp:"), "corp:acme"),
        ({"org": "acme", "sub": "x"}, issuer(claims=ClaimNames(account="org")), "acme"),
        ({}, issuer(), "invalid_credentials"),
        ({"sub": ""}, issuer(account_prefix="corp:"), "invalid_credentials"),
        ({"sub": 5}, issuer(), "invalid_credentials"),
        ({"sub": ["acme"]}, issuer(), "invalid_credentials"),
        ({"sub": "acme,model=m"}, issuer(), "invalid_credentials"),
        ({"sub": "a{b}"}, issuer(), "invalid_credentials"),
        ({"sub": "a\n"}, issuer(), "invalid_credentials"),
        ({"sub": "a" * 129}, issuer(), "invalid_credentials"),
    ],
    ids=repr,
)
def test_whose_token_it_is(claims: dict[str, Any], config: Issuer, account: str) -> None:
    """A claim becomes a name in the store, so it has to be fit for one."""
    found = rule.account_of(claims, config)

    assert (found.reason if isinstance(found, Decision) else found) == account


NAMED = ClaimNames(organisation="org", tier="plan", keep=("email", "role"))


@pytest.mark.parametrize(
    ("claims", "config", "known", "answer"),
    [
        ({}, issuer(), ACME, ("acme-corp", "gold", {})),
        ({"plan": "free", "org": "x"}, issuer(), ACME, ("acme-corp", "gold", {})),
        ({"plan": "free", "org": "x", "role": 1}, issuer(claims=NAMED), ACME, ("x", "free", {"role": 1})),
        ({}, issuer(claims=NAMED), ACME, ("acme-corp", "gold", {})),
        ({}, issuer(), None, "unknown_account"),
        ({}, issuer(accounts="any"), None, ("", "default", {})),
        ({"plan": "Gold!"}, issuer(claims=NAMED), ACME, "invalid_credentials"),
        ({"plan": 7}, issuer(claims=NAMED), ACME, "invalid_credentials"),
        ({"org": "a b"}, issuer(claims=NAMED), ACME, "invalid_credentials"),
    ],
    ids=repr,
)
def test_what_a_token_says(claims: dict[str, Any], config: Issuer, known: Principal | None, answer: Any) -> None:
    """A claim is believed if the config names it, and then before the directory."""
    decision = rule.judge_token(claims, config, "acme", known, suspended=False)
    if isinstance(answer, str):
        assert decision.reason == answer
        return
    assert decision.facts is not None
    principal = decision.facts.principal
    assert principal is not None
    assert (principal.organisation, principal.tier, principal.claims) == answer


def test_a_suspended_account_has_no_tokens() -> None:
    """403, whatever the issuer thinks."""
    decision = rule.judge_token({}, issuer(), "acme", ACME, suspended=True)

    assert (decision.reason, decision.status) == ("suspended_account", 403)
