"""Puzzles as the ALTCHA libraries solve them, answers as anybody may send them, and what all of that costs."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import pbkdf2_hmac
from typing import Any, Final

import altcha
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.secrets import Secrets
from gateway.challenges.ladder import Step
from gateway.challenges.token import LONGEST as LONGEST_TOKEN
from gateway.challenges.token import Challenge, Tokens
from gateway.challenges.work import HARDEST, LASTS, LONGEST_ANSWER, TRIES, BadWork, Load, Work

NOW: Final = 1_800_000_000.0
TOKEN: Final = "dGhl-Y2hhbGxlbmdl_" * 16
CHALLENGE: Final = Challenge("one", "captcha/calls", "acme", Step.WORK, "", "", NOW + 3600)
SECRETS: Final = Secrets({"new": b"n" * 32, "old": b"o" * 32})
QUICK: Final = Work(SECRETS, cost=1, tries=3)
"""As the real one, for a hurry."""

Content = dict[str, Any]


def answered(work: Work = QUICK, token: str = TOKEN, challenge: Challenge = CHALLENGE) -> Content:
    """The payload of who has solved a puzzle: by the library, from the JSON that we hand out."""
    puzzle = json.loads(json.dumps(work.puzzle(challenge, token, 1.0, NOW)))
    solved = altcha.solve_challenge(altcha.Challenge.from_dict(puzzle))
    assert solved is not None
    return {"challenge": puzzle, "solution": solved.to_dict()}


def written(content: object) -> str:
    return b64encode(json.dumps(content).encode()).decode()


def refused(answer: str, now: float = NOW, work: Work = QUICK) -> str:
    with pytest.raises(BadWork) as caught:
        work.check(answer, now)
    return caught.value.reason


def test_what_the_library_solves_is_taken() -> None:
    """A puzzle of the real difficulty is solved by `altcha.solve_challenge`, and its answer names the token."""
    assert Work(SECRETS).check(written(answered(Work(SECRETS))), NOW) == TOKEN


def test_the_library_agrees_on_what_is_signed() -> None:
    """`altcha.verify_solution` believes our puzzle by the same keys: the canonical JSON is the same."""
    later = CHALLENGE._replace(until=time.time() + 60)
    puzzle = QUICK.puzzle(later, TOKEN, 1.0, time.time())
    solved = altcha.solve_challenge(altcha.Challenge.from_dict(puzzle))
    assert solved is not None
    payload = altcha.Payload(altcha.Challenge.from_dict(puzzle), solved).to_base64()
    keys = SECRETS.key("work-puzzle"), SECRETS.key("work-key")
    assert altcha.verify_solution(payload, keys[0], hmac_key_secret=keys[1]).verified
    assert QUICK.check(payload, time.time()) == TOKEN


def test_an_older_secret_is_believed() -> None:
    """A puzzle made before a rotation is checked after it; once the secret is gone, it is not."""
    content = written(answered(Work(Secrets({"old": b"o" * 32}), cost=1, tries=3)))
    assert QUICK.check(content, NOW) == TOKEN
    assert refused(content, work=Work(Secrets({"new": b"n" * 32}))) == "forged"


def test_a_puzzle_ends_with_its_challenge() -> None:
    """And earlier, where the challenge lasts long; a moment before it is good."""
    for until, ends in ((NOW + 30, NOW + 30), (NOW + 86_400, NOW + LASTS)):
        content = written(answered(challenge=CHALLENGE._replace(until=until)))
        assert QUICK.check(content, ends - 1) == TOKEN
        assert refused(content, ends) == "expired"


def _elsewhere(content: Content) -> None:
    content["challenge"]["parameters"]["data"]["challenge"] = "of-another"


def _easier(content: Content) -> None:
    content["challenge"]["parameters"]["cost"] = 0


def _longer(content: Content) -> None:
    content["challenge"]["parameters"]["expiresAt"] += 1


def _other_puzzle(content: Content) -> None:
    content["challenge"] = QUICK.puzzle(CHALLENGE, TOKEN, 1.0, NOW)


def _other_key(content: Content) -> None:
    content["solution"]["derivedKey"] = "0" * 64


def _prefix_alone(content: Content) -> None:
    content["solution"]["derivedKey"] = content["challenge"]["parameters"]["keyPrefix"].ljust(64, "0")


def _no_key(content: Content) -> None:
    content["solution"]["derivedKey"] = ""


def _extra(content: Content) -> None:
    content["challenge"]["parameters"]["more"] = 1


def _no_signature(content: Content) -> None:
    content["challenge"]["signature"] = ""


def _no_such_secret(content: Content) -> None:
    content["challenge"]["parameters"]["data"]["secret"] = "other"


def _no_secret(content: Content) -> None:
    content["challenge"]["parameters"]["data"]["secret"] = ""


def _signature_of_a_list(content: Content) -> None:
    content["challenge"]["signature"] = [content["challenge"]["signature"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(_elsewhere, "forged", id="swapped to another challenge"),
        pytest.param(_easier, "forged", id="made easier"),
        pytest.param(_longer, "forged", id="made to last"),
        pytest.param(_extra, "forged", id="with a parameter more"),
        pytest.param(_no_signature, "forged", id="not signed"),
        pytest.param(_no_such_secret, "forged", id="signed by a secret that is none"),
        pytest.param(_no_secret, "forged", id="signed by no secret"),
        pytest.param(_signature_of_a_list, "malformed", id="signature of another type"),
        pytest.param(_other_puzzle, "wrong", id="the solution of another puzzle"),
        pytest.param(_other_key, "wrong", id="guessed"),
        pytest.param(_prefix_alone, "wrong", id="only what the puzzle shows"),
        pytest.param(_no_key, "wrong", id="no solution"),
    ],
)
def test_whoever_changes_an_answer_is_refused(change: Callable[[Content], None], reason: str) -> None:
    """Nothing of a puzzle can be changed, and nothing but its own solution solves it."""
    content = answered()
    change(content)
    assert refused(written(content)) == reason


def test_a_wrong_answer_says_for_which_challenge() -> None:
    """Where the puzzle was ours, whoever counts wrong answers learns whose it was; where it was forged, nobody does."""
    content = answered()
    _other_key(content)
    for reason, token in (("wrong", TOKEN), ("forged", "")):
        with pytest.raises(BadWork) as caught:
            QUICK.check(written(content), NOW)
        assert (caught.value.reason, caught.value.token) == (reason, token)
        _easier(content)


@given(st.text(max_size=200) | st.binary(max_size=300).map(lambda raw: b64encode(raw).decode()))
def test_any_text_is_refused(text: str) -> None:
    """Whatever is sent, it is BadWork and nothing else."""
    assert refused(text) == "malformed"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from([("challenge",), ("challenge", "parameters"), ("challenge", "parameters", "data"), ("solution",)]),
    st.data(),
)
def test_any_json_in_any_place_is_refused_or_changes_nothing(path: tuple[str, ...], data: st.DataObject) -> None:
    """One member anywhere becomes anything: BadWork, unless it was one that says nothing (the time it took)."""
    content = answered()
    place = content
    for name in path:
        place = place[name]
    name = data.draw(st.sampled_from(sorted(place)))
    before = place[name]
    place[name] = data.draw(_JSON)
    if place[name] == before or (path, name) in {(("solution",), "time"), (("solution",), "counter")}:
        return
    assert refused(written(content)) in {"malformed", "forged", "wrong"}


def _wide(filling: str) -> str:
    """Shaped as an answer, filled up with that to the longest that is read."""
    content = answered()
    content["challenge"]["parameters"]["salt"] = "FILLING"
    shape = json.dumps(content, separators=(",", ":"))
    times = (LONGEST_ANSWER * 3 // 4 - len(shape)) // len(filling)
    return b64encode(shape.replace('"FILLING"', f"[{(filling * times).rstrip(',')}]").encode()).decode()


HEAVY: Final[dict[str, Callable[[], str]]] = {
    "longer than is read": lambda: "A" * 1_000_000,
    "no base64": lambda: "!" * LONGEST_ANSWER,
    "no JSON": lambda: "A" * LONGEST_ANSWER,
    "nested lists": lambda: b64encode(b"[" * 3000).decode(),
    "nested objects": lambda: b64encode(b'{"a":' * 600).decode(),
    "a number of 2,900 digits": lambda: b64encode(b"9" * 2900).decode(),
    "many numbers": lambda: _wide("1e308,"),
    "many lists": lambda: _wide("[],"),
    "many objects": lambda: _wide('{"a":0},'),
    "many escapes": lambda: _wide('"\\u2028",'),
    "forged": lambda: written({**answered(), "solution": {"derivedKey": "0" * 64}}).replace("A", "B", 1),
    "wrong": lambda: written({**answered(), "solution": {"derivedKey": "0" * 64}}),
}


def _cost(call: Callable[[], object], times: int = 40) -> float:
    """Milliseconds of this thread's CPU, the best of three rounds: others run on this machine, too."""
    rounds = []
    for _ in range(3):
        begun = time.thread_time()
        for _ in range(times):
            call()
        rounds.append((time.thread_time() - begun) / times * 1000)
    return min(rounds)


@pytest.mark.timing
@pytest.mark.parametrize("name", HEAVY)
def test_no_refusal_costs_more_than_a_millisecond(name: str) -> None:
    """However large, nested or well shaped it is."""
    answer = HEAVY[name]()

    def call() -> None:
        with pytest.raises(BadWork):
            QUICK.check(answer, NOW)

    assert _cost(call) < 1.0


@pytest.mark.timing
def test_a_right_answer_is_checked_in_no_time() -> None:
    """0.3 ms at the most: nothing is derived, whatever the puzzle cost."""
    work = Work(SECRETS)
    answer = written(answered(work))
    assert _cost(lambda: work.check(answer, NOW)) < 0.3


@pytest.mark.timing
def test_a_puzzle_is_made_in_a_millisecond() -> None:
    """Also the hardest: difficulty is the number of tries, and making one is one try."""
    work = Work(SECRETS)
    assert _cost(lambda: work.puzzle(CHALLENGE, TOKEN, HARDEST, NOW)) < 1.0


@pytest.mark.timing
def test_plain_python_solves_it_within_half_a_second() -> None:
    """All tries there are, by a loop that any program can have: a script is not kept for long."""
    nonce, salt, cost = b"n" * 16, b"s" * 16, Work(SECRETS).puzzle(CHALLENGE, TOKEN, 1.0, NOW)["parameters"]["cost"]

    def one() -> None:
        pbkdf2_hmac("sha256", nonce + b"\0\0\0\1", salt, cost, 32)

    assert _cost(one) * TRIES < 500


def _drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tries that puzzles are drawn from, from here on."""
    drawn: list[int] = []

    def below(bound: int) -> int:
        drawn.append(bound)
        return 0

    monkeypatch.setattr("gateway.challenges.work.randbelow", below)
    return drawn


@pytest.mark.parametrize(
    ("asked", "tries"),
    [(0.1, TRIES), (1.0, TRIES), (2.5, round(2.5 * TRIES)), (8.0, 8 * TRIES), (1e9, 8 * TRIES)],
)
def test_difficulty_is_bounded(monkeypatch: pytest.MonkeyPatch, asked: float, tries: int) -> None:
    """From 1 to HARDEST, in tries; what one try costs stays the same."""
    drawn = _drawn(monkeypatch)
    puzzle = Work(SECRETS).puzzle(CHALLENGE, TOKEN, asked, NOW)
    assert drawn == [tries]
    assert puzzle["parameters"]["cost"] == 500


def test_no_two_puzzles_are_alike() -> None:
    """Nothing done for one helps with another of the same challenge: nonce, salt and prefix differ."""
    puzzles = [QUICK.puzzle(CHALLENGE, TOKEN, 1.0, NOW)["parameters"] for _ in range(50)]
    for name in ("nonce", "salt", "keyPrefix", "keySignature"):
        assert len({puzzle[name] for puzzle in puzzles}) == 50


def test_the_longest_token_fits() -> None:
    """An answer with as long a token as can be made is read."""
    named = len(CHALLENGE.id + CHALLENGE.rule)
    token = Tokens(SECRETS).make(CHALLENGE._replace(subject="s" * (LONGEST_TOKEN // 2 - named)))
    assert QUICK.check(written(answered(token=token)), NOW) == token


class Clock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_load_makes_puzzles_harder_and_passes() -> None:
    """Nothing up to what is usual, then in proportion, up to the bound; two quiet windows later all is forgotten."""
    clock = Clock()
    load = Load(clock, window=30, calm=10, most=4)
    assert [load.asked(f"c{number}") for number in range(10)] == [1.0] * 10
    assert load.asked("c10") == pytest.approx(1.1)
    assert [load.asked(f"d{number}") for number in range(100)][-1] == 4.0
    clock.now = 30.0
    assert load.asked("e") == 4.0
    clock.now = 60.0
    assert load.asked("f") == 1.0


def test_a_long_silence_is_no_window_before() -> None:
    """Who asks after two windows in which nobody asked is asked for no more than anybody."""
    clock = Clock()
    load = Load(clock, window=30, calm=10, most=4)
    for number in range(100):
        load.asked(f"c{number}")
    clock.now = 60.0
    assert load.asked("later") == 1.0


def test_who_asks_again_and_again_makes_it_harder_for_himself_alone() -> None:
    """A flood for one challenge leaves the puzzles of others as they are."""
    load = Load(Clock(), calm=10, often=4, most=4)
    assert [load.asked("mine") for _ in range(4)] == [1.0] * 4
    assert [load.asked("mine") for _ in range(100)][-1] == 4.0
    assert load.asked("yours") == 1.0


def test_load_remembers_a_bounded_number() -> None:
    """However many challenges there are, memory is not theirs."""
    load = Load(Clock(), kept=50)
    for number in range(1000):
        load.asked(f"c{number}")
    assert len(load._now) == 50


def test_load_is_asked_for_each_puzzle(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Work` multiplies by it."""
    drawn = _drawn(monkeypatch)
    work = Work(SECRETS, Load(Clock(), often=1, most=3), cost=1, tries=100)
    for _ in range(4):
        work.puzzle(CHALLENGE, TOKEN, 1.0, NOW)
    assert drawn == [100, 200, 300, 300]
