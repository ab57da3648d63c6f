"""Tokens of challenges: what is ours is read, and nothing else, at little cost."""

from __future__ import annotations

import base64
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.secrets import Secrets
from gateway.challenges.ladder import Step
from gateway.challenges.token import LONGEST, BadChallenge, Challenge, Tokens

NOW = 1_800_000_000.0
OLD, NEW = b"o" * 32, b"n" * 32
TOKENS = Tokens(Secrets({"2026": NEW}))
CHALLENGE = Challenge(
    "0123456789abcdef", "captcha/usual", "acme", Step.CAPTCHA, "tg-01234567", "network=192.0.2.0/24", NOW + 900.0
)
TOKEN = TOKENS.make(CHALLENGE)
TEXTS = st.text(max_size=30)  # With surrogates: a subject that an issuer names may hold half of a pair.


def _reason(token: str, tokens: Tokens = TOKENS, now: float = NOW) -> str:
    with pytest.raises(BadChallenge) as caught:
        tokens.read(token, now)
    return caught.value.reason


@given(
    st.builds(Challenge, TEXTS, TEXTS, TEXTS, st.sampled_from(Step), TEXTS, TEXTS, st.floats(NOW + 1.0, NOW * 2)),
)
def test_a_token_says_what_was_put_into_it(challenge: Challenge) -> None:
    """In letters that need no escape in an address; the same on every worker."""
    token = TOKENS.make(challenge)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert TOKENS.read(token, NOW) == challenge
    assert Tokens(Secrets({"2026": NEW})).make(challenge) == token


def test_a_token_is_short() -> None:
    """It stands in addresses."""
    assert len(TOKEN) < 180


def test_texts_do_not_run_into_each_other() -> None:
    """What stands in one cannot be read as another."""
    one = CHALLENGE._replace(rule="a", subject="bc")
    assert TOKENS.make(one) != TOKENS.make(CHALLENGE._replace(rule="ab", subject="c"))


def test_an_end_is_an_end() -> None:
    """At that moment it is over; and it is still known to be ours."""
    assert TOKENS.read(TOKEN, NOW + 899.9) == CHALLENGE
    assert _reason(TOKEN, now=NOW + 900.0) == "expired"
    assert _reason(TOKENS.make(CHALLENGE._replace(until=math.inf))) == "malformed"


def test_secrets_are_rotated() -> None:
    """The newest signs, all are believed; those that went are not."""
    old, both, new = (Tokens(Secrets(given)) for given in ({"1": OLD}, {"2": NEW, "1": OLD}, {"2": NEW}))
    assert both.read(old.make(CHALLENGE), NOW) == CHALLENGE
    assert both.make(CHALLENGE) == new.make(CHALLENGE)
    assert _reason(old.make(CHALLENGE), new) == "forged"
    # Another secret of the same name.
    assert _reason(Tokens(Secrets({"2": OLD})).make(CHALLENGE), new) == "forged"


@given(st.integers(0, 8 * len(base64.urlsafe_b64decode(TOKEN + "=" * (-len(TOKEN) % 4))) - 1))
def test_no_bit_may_differ(bit: int) -> None:
    """Wherever it is."""
    whole = bytearray(base64.urlsafe_b64decode(TOKEN + "=" * (-len(TOKEN) % 4)))
    whole[bit // 8] ^= 1 << bit % 8
    assert _reason(base64.urlsafe_b64encode(whole).rstrip(b"=").decode()) in {"forged", "malformed"}


@pytest.mark.parametrize("length", range(len(TOKEN)))
def test_a_part_is_nothing(length: int) -> None:
    """However long."""
    assert _reason(TOKEN[:length]) in {"forged", "malformed"}


@given(st.text(max_size=300))
def test_garbage_is_refused(text: str) -> None:
    """By BadChallenge alone."""
    assert _reason(text) in {"forged", "malformed"}


SPELLINGS = {
    "padded": TOKEN + "=" * (-len(TOKEN) % 4),
    "padded too much": TOKEN + "====",
    "followed by space": TOKEN + " ",
    "in another script": "ö" + TOKEN[1:],
    "longer than any": "A" * (LONGEST + 1),
    "very long": "A" * 1_000_000,
}


@pytest.mark.parametrize("case", [case for case, token in SPELLINGS.items() if token != TOKEN])
def test_a_challenge_has_one_token(case: str) -> None:
    """Another spelling of it is none."""
    assert _reason(SPELLINGS[case]) == "malformed"


def test_the_last_bits_are_spelled_one_way() -> None:
    """Of a base64 whose last letter says more bits than there are."""
    for extra in range(3):
        token = TOKENS.make(CHALLENGE._replace(id="c" * extra))
        same = [token[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
        read = [one for one in same if one == token or _reason(one) not in {"forged", "malformed"}]
        assert read == [token]


def test_what_is_too_long_is_not_made() -> None:
    """And all that is made is read."""
    with pytest.raises(ValueError, match="too long"):
        TOKENS.make(CHALLENGE._replace(subject="x" * LONGEST))
    longest = CHALLENGE._replace(subject="x" * 2000, id="", rule="", key="", network="")
    assert TOKENS.read(TOKENS.make(longest), NOW) == longest


@pytest.mark.timing
@pytest.mark.parametrize(
    "token",
    [TOKEN[:-4] + "AAAA", "A" * LONGEST, "A" * 1_000_000, "!" * 200, ""],
    ids=["forged", "long", "huge", "no letters", "empty"],
)
def test_garbage_costs_microseconds(token: str) -> None:
    """Whoever sends it pays more."""
    costs = []
    for _ in range(200):
        begin = time.perf_counter()
        with pytest.raises(BadChallenge):
            TOKENS.read(token, NOW)
        costs.append(time.perf_counter() - begin)
    assert min(costs) < 100e-6
