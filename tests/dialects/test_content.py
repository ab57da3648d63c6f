"""A body that can be read in two ways is refused; one that cannot is read."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.content import flag, load_object, members, model_name, needles, whole_number
from gateway.dialects.interface import MalformedRequest

NAMES = needles("model", "stream", "tools")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"model":"a","model":"b"}', id="twice"),
        pytest.param(b'{"model":"a", "model" : "a"}', id="twice-alike"),
        pytest.param(b'{"mod\\u0065l":"a"}', id="escaped"),
        pytest.param(b'{"model":"a","mod\\u0065l":"b"}', id="escaped-second"),
        pytest.param(b'{"mod\\u0065l":"b","model":"a"}', id="escaped-first"),
        pytest.param(b'{"\\u006D\\u006fdel":"b","model":"a"}', id="escaped-upper-hex"),
        pytest.param(b'{"Model":"b","model":"a"}', id="other-case"),
        pytest.param(b'{"MODEL":"b"}', id="other-case-alone"),
        pytest.param(b'{"mode\\u006c":"b","x":"\\"model\\"","model":"a"}', id="escaped-beside-text"),
        pytest.param('{"ſtream":true}'.encode(), id="long-s"),
        pytest.param(b'{"\\u017ftream":true,"stream":false}', id="long-s-escaped"),
        pytest.param(b'{"tools":null,"model":"a","tools":[{"model":1}]}', id="twice-with-nested"),
    ],
)
def test_two_meanings_are_refused(body: bytes) -> None:
    """A name that we read stands once, in lower case, spelled plainly."""
    with pytest.raises(MalformedRequest) as caught:
        load_object(body, NAMES)

    assert caught.value.reason == "ambiguous_content"
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"model":"a","x":{"model":"b"}}', id="nested"),
        pytest.param(b'{ "model": "a", "x": {"model": "b"} }', id="nested-with-spaces"),
        pytest.param(b'{"model": "model"}', id="as-value"),
        pytest.param(b'{"model": "a", "x": "\\"model\\":"}', id="in-text"),
        pytest.param(b'{"model": "a", "x": "\\u0065\\u003c"}', id="escape-in-text"),
        pytest.param(b'{"model": "a", "x": 1, "x": 2, "X": 3}', id="other-names-twice"),
        pytest.param(b'\n\t{"model":\r\n"a"}  ', id="space-around"),
        pytest.param(b'{"model": "a", "x": [[], {}, "\\\\", 1e5, -0.0, true, null, "\xc3\xa9"]}', id="all-values"),
        pytest.param(b'{"model": "a", "x": {"model": 1}, "n": 123456789012345678901}', id="long-integer"),
    ],
)
def test_one_meaning_is_read(body: bytes) -> None:
    """What is nested, or in a text, or not read by us, does not matter."""
    assert load_object(body, NAMES)["model"] in {"a", "model"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"[]", "object", id="array"),
        pytest.param(b'"model"', "object", id="string"),
        pytest.param(b'{"model":', "line 1", id="cut"),
        pytest.param(b'\xef\xbb\xbf{"model":"a"}', "byte order mark", id="bom"),
        pytest.param(b'{"model":NaN}', "not valid JSON", id="nan"),
        pytest.param(b'{"model":"\xff"}', "not valid JSON", id="not-utf-8"),
        pytest.param(b'{"model":"\\ud800"}', "not valid JSON", id="lone-surrogate"),
        pytest.param(b'{"a":1}{"a":2}', "not valid JSON", id="two-objects"),
        pytest.param(b'{"a":' * 2000 + b"1" + b"}" * 2000, "not valid JSON", id="too-deep-to-read"),
        pytest.param(b'{"a":' * 600 + b"1" + b"}" * 600, "nested too deeply", id="too-deep-to-check"),
        pytest.param(b'{"n":' + b"1" * 5000 + b"}", "not valid JSON", id="endless-integer"),
        pytest.param(b'{"a":1,}', "not valid JSON", id="trailing-comma"),
    ],
)
def test_what_is_no_object_is_refused(body: bytes, says: str) -> None:
    """The message says what is wrong with the body."""
    with pytest.raises(MalformedRequest, match=says):
        load_object(body, NAMES)


@given(st.binary(max_size=200) | st.from_regex(rb'\{("(model|stream|\\u006dodel|x)":[{}\[\]"a1,]{0,6},?){0,4}\}'))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but MalformedRequest comes out of any bytes."""
    try:
        document = load_object(body, NAMES)
    except MalformedRequest:
        return

    assert document == orjson.loads(body)


_KEYS = st.sampled_from(["model", "stream", "Model", "x", "tools", "ſtream"])
_VALUES = st.recursive(
    st.none() | st.integers(-5, 5) | st.sampled_from(["model", '"model":', "é"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(st.tuples(_KEYS, _VALUES), max_size=4), st.booleans(), st.booleans(), st.randoms())
def test_refused_exactly_where_ambiguous(
    pairs: list[tuple[str, object]], spaced: bool, ascii_only: bool, random: object
) -> None:
    """Against a parse that keeps every pair: refused if and only if a name is doubled, oddly spelled or escaped."""
    separators = (", ", ": ") if spaced else (",", ":")
    body = (
        "{"
        + separators[0].join(
            json.dumps(key, ensure_ascii=ascii_only)
            + separators[1]
            + json.dumps(value, ensure_ascii=ascii_only, separators=separators)
            for key, value in pairs
        )
        + "}"
    ).encode()
    read = [key for key, _ in pairs if key.casefold() in NAMES]
    ambiguous = len(set(read)) != len(read) or any(key not in NAMES for key in read)

    try:
        document = load_object(body, NAMES)
    except MalformedRequest:
        assert ambiguous
    else:
        assert not ambiguous
        assert document == dict(pairs)


def test_members_have_the_spans_of_their_values() -> None:
    """A value can be cut out of the text as it stands."""
    text, walk = members('{ "é" : [1, "}"] ,"b":{"c":2}, "b": 3 }'.encode())

    assert [(member.name, text[member.start : member.end]) for member in walk] == [
        ("é", '[1, "}"]'),
        ("b", '{"c":2}'),
        ("b", "3"),
    ]


@pytest.mark.parametrize("value", ["5", True, 1.0, -1, 2**31, 10**30, [], {}])
def test_a_count_is_a_whole_number(value: object) -> None:
    """Text, truth, fractions, debts and the absurd are refused with the name of the member."""
    with pytest.raises(MalformedRequest, match="“max_tokens” must be a whole number from 0 to 2147483647"):
        whole_number({"max_tokens": value}, "max_tokens")


@pytest.mark.parametrize(("document", "number"), [({}, None), ({"n": None}, None), ({"n": 0}, 0), ({"n": 7}, 7)])
def test_a_count_may_be_left_out(document: dict[str, object], number: int | None) -> None:
    """Null means absent."""
    assert whole_number(document, "n") == number


@pytest.mark.parametrize("value", [1, 0, "true", [], {}])
def test_a_flag_is_true_or_false(value: object) -> None:
    """What some servers would take for true is refused."""
    with pytest.raises(MalformedRequest, match="“stream” must be true or false"):
        flag({"stream": value}, "stream")


@pytest.mark.parametrize("value", [None, 1, ["a"], "a" * 257, "a\nb", "a\x00", "a\u200bb", "\u2028"])
def test_a_model_is_a_short_printable_name(value: object) -> None:
    """Control characters, invisible characters and long names are refused."""
    with pytest.raises(MalformedRequest, match="“model”"):
        model_name({"model": value})


@pytest.mark.parametrize("part", [b"{}", b"[]", b"{},[[]]"])
def test_a_body_of_too_many_parts_is_refused_unread(part: bytes) -> None:
    """Or one request could hold the event loop for seconds."""
    with pytest.raises(MalformedRequest) as caught:
        load_object(b'{"model":"m","x":[' + (part + b",") * 400_000 + b"1]}", NAMES)

    assert (caught.value.status, caught.value.reason) == (413, "content_too_complex")


def test_a_large_picture_is_few_parts() -> None:
    """Bytes alone are no burden."""
    assert load_object(b'{"model":"m","x":"' + b"iVBO" * 1_000_000 + b'"}', NAMES)["model"] == "m"
