"""A place in a text is a place in its file, however the text is written."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import (
    DoubleQuotedScalarString,
    FoldedScalarString,
    LiteralScalarString,
    PlainScalarString,
    SingleQuotedScalarString,
)

from gateway.rules.places import lines, within
from gateway.rules.problems import Problems
from gateway.rules.read import parse

STYLES = {
    None: PlainScalarString,
    "'": SingleQuotedScalarString,
    '"': DoubleQuotedScalarString,
    "|": LiteralScalarString,
    ">": FoldedScalarString,
}

# `^` marks the character that is looked for: it is taken out of the file, and `^` is what the text has there.
WRITTEN = {
    "plain": "when: a && ^ b\n",
    "plain, after an anchor": "when: &x  a && ^ b\n",
    "plain, over lines": "when: a &&\n    b ||\n    ^ c\n",
    "plain, over a blank line": "when: a &&\n\n\n    b ||  \n  ^ c\n",
    "plain, with tabs": "when: a\t&&  \n \t ^ c\n",
    "plain, in a flow": "{when: a && ^ b, x: y}\n",
    "plain, with Windows line ends": "when: a &&\r\n    b ||\r\n    ^ c\r\n",
    "plain, on the next line": "when:\n  a && ^\n",
    "in a list": "x:\n  - when: a\n    then: b ^\n",
    "single quotes": "when: 'a && ^ b'\n",
    "single quotes, with a quote": "when: 'it''s ''a'' ^ b'\n",
    "single quotes, over lines": "when: 'a &&  \n\n   b ''x''\n  ^ c'\n",
    "double quotes": 'when: "a && ^ b"\n',
    "double quotes, with escapes": 'when: "\\"a\\" \\x41\\u00e9\\U0001F600\\t\\n \\\\ ^ b"\n',
    "double quotes, over lines": 'when: "a &&\n   b\n\n  ^ c"\n',
    "double quotes, with an escaped break": 'when: "a && \\\n   b\\\n  \\ ^ c"\n',
    "a literal": "when: |\n  a &&\n    ^ b\n  c\n",
    "a literal, with a comment and a blank line": "when: |-  # why\n\n  a &&\n\n  ^ b\n",
    "a literal, with its indentation": "when: |2-\n    a &&\n  ^ b\n",
    "a literal, kept": "when: |+\n  a ^\n\n\n",
    "folded": "when: >\n  a &&\n  b &&\n  ^ c\n",
    "folded, over blank lines": "when: >-\n  a &&\n\n\n  b &&\n  ^ c\n",
    "folded, with more indentation": "when: >\n  a &&\n    b &&\n     ^ c\n  d\n",
    "folded, back from more indentation": "when: >\n  a &&\n    b &&\n\n  c\n  d ^\n",
    "folded, with trailing spaces": "when: >-\n  a &&  \n  ^ b\n",
    "folded, in a list": "x:\n- when: >-\n    a &&\n    ^ b\n",
    "folded and stripped, before another key": "when: >-\n  a &&\n  ^ c\nthen: x\nelse: y\n",
    "wide characters": 'when: 名前 == "😀" && ^ b\n',
    "after a byte order mark": "\ufeffwhen: a ^ b\n",
}


def marked(document: str) -> tuple[str, tuple[int, int]]:
    """The file, and the line and column of the mark."""
    before = document.lstrip("\ufeff").partition("^")[0].replace("\r\n", "\n")
    return document, (before.count("\n") + 1, len(before) - before.rfind("\n"))


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_place_in_a_text_is_a_place_in_the_file(written: str) -> None:
    """Line and column inside of a value -> line and column in the file, for each way to write it."""
    source, place = marked(written)
    document = parse(Path("x.yaml"), source.encode())
    loc, text = next(found for found in texts(document.data, ()) if "^" in found[1])
    before = text.partition("^")[0]

    assert document.text_position(loc, before.count("\n") + 1, len(before) - before.rfind("\n")) == place


def texts(value: object, loc: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        return [(loc, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in texts(item, (*loc, key))]


def test_a_place_beyond_the_text_is_its_end() -> None:
    """What is missing at the end is missing behind the last character."""
    document = parse(Path("x.yaml"), b"when: 'a &&'\nthen: b\n")

    assert document.text_position(("when",), 1, 5) == (1, 12)
    assert document.text_position(("when",), 7, 7) == (1, 12)


def test_a_place_in_what_is_no_text() -> None:
    """The place of the value has to do; so it has where the value is not there."""
    document = parse(Path("x.yaml"), b"when: 17\n")

    assert document.text_position(("when",), 1, 2) == (1, 7)
    assert document.text_position(("when", "x"), 3, 3) == (1, 7)


@given(
    st.text(alphabet="ab&= '\"\\#:>|é\n\t", max_size=40),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.integers(min_value=10, max_value=80),
)
def test_every_character_has_its_place(text: str, style: str | None, width: int) -> None:
    """However ruamel.yaml writes a text, each visible character of it stands where it is said to."""
    source = dumped(text, style, width)
    try:
        document = parse(Path("x.yaml"), source.encode())
    except Problems:
        return  # It writes some that it does not read.
    value = document.data["x"][0]
    if not isinstance(value, str) or not value.strip():
        return  # In nothing, nothing is wrong at a place.
    node = document.root.children["x"].children[0]
    found = within(lines(source), (node.line, node.column), value)

    assert found is not None
    assert len(found) == len(value) + 1
    for character, (line, column) in zip(value, found, strict=False):
        written = lines(source)[line - 1][column - 1 : column]
        assert character.isspace() or written in {character, "\\"}


def dumped(text: str, style: str | None, width: int) -> str:
    yaml = YAML()
    yaml.width = width
    stream = io.StringIO()
    yaml.dump({"x": [STYLES[style](text)]}, stream)
    return stream.getvalue()
