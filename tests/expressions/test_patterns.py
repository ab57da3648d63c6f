"""What a regular expression stands for, before it is let near a caller's text."""

from __future__ import annotations

import pytest

from gateway.expressions.patterns import UNICODE_CLASS, parts


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("", 0),
        ("abc", 3),
        ("^a*b+c?$", 3),
        ("(ab){3}", 6),
        ("(?:ab|c){2,5}", 15),
        ("(?i)ab", 2),
        ("(?P<name>a){4}", 4),
        ("(?<name>a){4}", 4),
        ("a{7,}", 7),
        ("a{0,9}", 9),
        ("a{0}", 1),
        ("(a{10}b){20}", 220),
        ("a{10}{20}", 200),
        ("[a-z{}]{8}", 8),
        ("[]{5}]{2}", 2),
        ("[^]]{3}", 3),
        ("[[:alpha:]]{3}", 3),
        (r"\{3}", 3),
        (r"\({3}", 3),
        (r"\x{10FFFF}{2}", 2),
        (r"\Qa{9}(\E{2}", 10),
        (r"\pL{2}", 2 * UNICODE_CLASS),
        (r"[\p{Greek}]", UNICODE_CLASS),
        ("a{,9}", 5),
        ("a)b(c", 3),
    ],
)
def test_what_a_pattern_stands_for(pattern: str, size: int) -> None:
    """Numbers in braces multiply what stands before them, groups and all; escapes and classes are one."""
    assert parts(pattern) == size
