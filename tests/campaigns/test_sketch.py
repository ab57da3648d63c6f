"""Texts to sketches, and how much of two texts is alike by them."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.campaigns.sketch import BOUND, FRACTION, SHINGLE, WORDS, Sketcher, _plains, count_of, plain_of
from gateway.campaigns.words import PIECE, WHOLE, bounded

KEY: Final = b"k" * 32
SKETCHER: Final = Sketcher(KEY)
OTHER: Final = Sketcher(b"o" * 32)
PROSE: Final = " ".join(f"word{chr(97 + number % 26)}{chr(97 + number // 26 % 26)}" for number in range(600))

texts = st.one_of(
    st.text(max_size=300),
    st.text(st.sampled_from("aB é7 \u2019\u4e2d\u0e01\ud800\0,_"), max_size=200),
    st.integers(0, 9).map(lambda times: "The quick brown fox, 12 of them, " * times),
)


@given(st.lists(texts, max_size=20))
def test_a_batch_says_what_each_says_alone(batch: list[str]) -> None:
    """In the same order, whatever is beside it; sketches are distinct, ascending and below the bound."""
    sketches, counts = SKETCHER.read(batch)
    alone = Sketcher(KEY)
    for text, sketch, count in zip(batch, sketches, counts, strict=True):
        assert sketch.dtype == np.uint64
        assert sketch.tolist() == alone.sketch(text).tolist() == sorted(set(sketch.tolist()))
        assert all(hashed < BOUND for hashed in sketch.tolist())
        assert count == count_of(text) == len(plain_of(text).split())


def test_another_process_says_the_same() -> None:
    """For one key: nothing of a process, such as the seed of Python's own hashes, comes in."""
    told = subprocess.run(
        [sys.executable, "-c", "from gateway.campaigns.sketch import Sketcher; import sys;"
         "s = Sketcher(b'k' * 32); t = sys.stdin.read(); print(s.sketch(t).tolist(), s.hash(t))"],
        input=PROSE, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    assert told == f"{SKETCHER.sketch(PROSE).tolist()} {SKETCHER.hash(PROSE)}\n"


def test_nothing_can_be_asked_without_the_key() -> None:
    """Another key makes other hashes of everything."""
    assert not set(SKETCHER.sketch(PROSE).tolist()) & set(OTHER.sketch(PROSE).tolist())
    assert SKETCHER.hash("hello") != OTHER.hash("hello")


def test_a_quarter_is_kept() -> None:
    """Of all shingles, give or take: 596 runs of 5 words among 600."""
    kept = len(SKETCHER.sketch(PROSE))
    assert 0.75 * FRACTION < kept / (600 - SHINGLE + 1) < 1.25 * FRACTION


def test_shared_words_are_shared_hashes() -> None:
    """A template shows whatever is filled in: of two fillings all that is of the template is alike."""
    template = PROSE[:1500]
    one, other = (
        SKETCHER.sketch(f"{template} {filling}") for filling in ("cats and dogs of the town", "a tax of 1827")
    )
    alike = np.intersect1d(one, other)
    assert set(SKETCHER.sketch(template).tolist()) == set(alike.tolist())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("Hello, World!", "hello world", id="case and points"),
        pytest.param("call 555-0199 at 10:30", "call 0 0 at 0 0", id="numbers are all one"),
        pytest.param("v12x and 007", "v0x and 0", id="digits in words"),
        pytest.param("snake_case", "snake_case", id="underscore"),
        pytest.param("don\u2019t \u2014 ever", "don t ever", id="typographic"),
        pytest.param("Caf\u00e9 \u00c9COLE", "caf\u00e9 \u00e9cole", id="western letters"),
        pytest.param("\u041c\u0418\u0420 42", "\u043c\u0438\u0440 0", id="Cyrillic"),
        pytest.param("\u8bf7\u89e3\u91caGPT4\u3002", "\u8bf7 \u89e3 \u91ca gpt0", id="Chinese"),
        pytest.param("\u0e01\u0e02 ok", "\u0e01 \u0e02 ok", id="Thai"),
        pytest.param("\u3072\u3089\u30ab", "\u3072 \u3089 \u30ab", id="kana"),
        pytest.param("\ud55c\uad6d\uc5b4 \ub9d0", "\ud55c\uad6d\uc5b4 \ub9d0", id="Korean has spaces"),
        pytest.param("\u0664\u0662 x\u00b2", "0 x\u00b2", id="digits of other scripts"),
        pytest.param(" \t\0\x1f\u00a0", "", id="nothing"),
        pytest.param("a\ud800b", "a b", id="half a character"),
    ],
)  # fmt: skip
def test_what_a_word_is(text: str, words: str) -> None:
    """Lower case, numbers as 0, a character each where a script has no spaces."""
    assert plain_of(text).decode().split() == words.split()


@given(st.text(st.characters(codec="cp1252"), max_size=80))
def test_western_text_is_read_as_any(text: str) -> None:
    """The fast way and the one for every script agree: a word is the same beside a Chinese one."""
    beside = plain_of(f"{text} \u4e2d").decode().split()
    assert [*plain_of(text).decode().split(), "\u4e2d"] == beside


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" * 1_000_000, id="one word"),
        pytest.param("b " * 500_000, id="short words"),
        pytest.param("\u4e2d" * 1_000_000, id="Chinese"),
        pytest.param("\U0001f600" * 1_000_000, id="no words"),
        pytest.param("\ud800" * 1_000_000, id="halves"),
        pytest.param(PROSE * 300, id="prose"),
    ],
)
def test_a_huge_text_is_bounded(text: str) -> None:
    """It has a sketch of two pieces; that of the text cut before is the same."""
    sketch = SKETCHER.sketch(text)
    assert len(sketch) <= 2 * WORDS
    assert sketch.tolist() == SKETCHER.sketch(bounded(text)).tolist()
    assert SKETCHER.hash(text) == SKETCHER.hash(bounded(text), size=len(text))
    assert bounded(bounded(text)) == bounded(text)
    assert len(bounded(text)) == WHOLE + 1


def test_both_ends_of_a_long_text_count() -> None:
    """And what is between them does not, but for its size."""
    head, tail = PROSE[:PIECE], PROSE[-PIECE:]
    one, other = head + " x" * 5000 + tail, head + " y" * 5000 + tail
    assert SKETCHER.sketch(one).tolist() == SKETCHER.sketch(other).tolist()
    assert SKETCHER.hash(one) == SKETCHER.hash(other) != SKETCHER.hash(head + " x" * 5001 + tail)
    assert abs(count_of(PROSE * 10) - 6000) < 300


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        pytest.param("Hello  World", "hello world\n", True, id="spaces and case"),
        pytest.param("hello", "hello!", False, id="points"),
        pytest.param("room 12", "room 13", False, id="numbers"),
        pytest.param("\u00c9t\u00e9", "\u00e9t\u00e9\u00a0", True, id="other letters"),
    ],
)
def test_what_the_same_text_is(one: str, other: str, alike: bool) -> None:
    """Spaces and case apart; nothing else is."""
    assert (SKETCHER.hash(one) == SKETCHER.hash(other)) is alike


def test_hashes_of_several_texts_know_where_one_ends() -> None:
    """63 bits; nothing has 0."""
    assert SKETCHER.hash("ab", "c") != SKETCHER.hash("a", "bc")
    assert SKETCHER.hash("", " \n") == 0
    assert 0 < SKETCHER.hash("x") < 2**63


@given(st.lists(st.text(st.characters(max_codepoint=300) | st.sampled_from("09 \0\n_."), max_size=40), max_size=8))
def test_many_at_once_are_as_each_alone(texts: list[str]) -> None:
    """What is made plain in one go is what each text is, whatever stands beside it; the rest is left for later."""
    texts = [*texts, "a" * 4 * WORDS]
    for text, plain in zip(texts, _plains(texts), strict=True):
        simple = "\0" not in text and len(text) < 4 * WORDS
        assert plain == (plain_of(text) if simple else None)


@given(st.lists(st.text(st.sampled_from("aΣς9٤0 .,\0\u4e2d\u0e01\u0130\ud800\U0001f600"), max_size=40), max_size=8))
def test_any_script_is_read_as_the_definition_says(texts: list[str]) -> None:
    """Many in one go, or one: lower case, each run of digits a 0, a character of a script without spaces by itself."""
    solid = r"\u0e00-\u0eff\u3400-\u9fff"
    for text, plain in zip(texts, _plains(texts), strict=True):
        words = re.findall(rf"[{solid}]|[^\W{solid}]+", re.sub(r"\d+", "0", text.lower()))
        assert plain_of(text).decode().split() == words
        assert plain is None or plain.decode().split() == words
