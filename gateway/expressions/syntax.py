"""What cel-cpp's parser says -> what the author is told. It is the generated parser of CEL's grammar, whose words are
about tokens; people want to know what to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.expressions.complaint import Complaint
from gateway.expressions.engine import MAX_NESTING, Said

_TOKEN = re.compile(r"Syntax error: token recognition error at: '(.*)'", re.DOTALL)
_QUOTED = re.compile(r"Syntax error: token recognition error at: '[\"']")
"""What follows it is text that was meant to be within quotes, or the other way round."""
_INPUT = re.compile(r"Syntax error: (?:extraneous|mismatched) input '(.*?)' expecting (.*)", re.DOTALL)
_MISSING = re.compile(r"Syntax error: missing '(.)' at ")
_RESERVED = re.compile(r"reserved identifier: (.*)")
_OPERATORS = {
    "=": "to compare, write `==`",
    "&": "write `&&`",
    "|": "write `||`",
    "and": "write `&&`",
    "or": "write `||`",
    "not": "write `!`",
    "is": "to compare, write `==`",
    "equals": "to compare, write `==`",
    "like": "write `.matches(...)`, `.startsWith(...)` or `.contains(...)`",
    "<>": "write `!=`",
}
_CLOSING = {")": "(", "]": "[", "}": "{"}
_NOT = re.compile(r"(?i)\bnot\s+$")
_NOT_IN = re.compile(r"(?i)not\s+in\b")


def complaints(text: str, said: tuple[Said, ...]) -> list[Complaint]:
    """What cannot be read at all comes first: what follows from it is left out."""
    count = text.count("\n") + 1
    placed = [one for one in said if one.line <= count] or [Said(1, 1, "Syntax error")]
    tokens = [one for one in placed if _TOKEN.match(one.message)]
    quoted = next((index for index, one in enumerate(tokens) if _QUOTED.match(one.message)), len(tokens))
    chosen = tokens[: quoted + 1] or [one for one in placed if "Syntax error" not in one.message] or placed[:1]
    return list(_told(text, chosen))


def _told(text: str, chosen: list[Said]) -> Iterator[Complaint]:
    lines = text.split("\n")
    for one in chosen:
        line, column = max(1, one.line), max(1, one.column)
        before, after = lines[line - 1][: column - 1], lines[line - 1][column - 1 :]
        shift, message = _words(one.message, before, after)
        yield Complaint(line, max(1, column + shift), message)


def _words(said: str, before: str, after: str) -> tuple[int, str]:
    """How far the place moves, and the message."""
    if "recursion" in said:
        return 0, f"is nested deeper than {MAX_NESTING}"
    if token := _TOKEN.match(said):
        return _unknown_token(token[1], before)
    if reserved := _RESERVED.match(said):
        hint = ": write `condition ? yes : no`" if reserved[1] in {"if", "else"} else ""
        return 0, f"`{reserved[1]}` is a reserved word{hint}"
    if missing := _MISSING.match(said):
        opening = _CLOSING.get(missing[1])
        return 0, f"`{opening}` is not closed: `{missing[1]}` is missing" if opening else f"`{missing[1]}` is missing"
    if wrong := _INPUT.match(said):
        return _unexpected(wrong[1], wrong[2], before, after)
    if "invalid int literal" in said or "invalid uint literal" in said:
        return 0, "a number of more than 64 bits"
    if said.startswith("has()"):
        return 0, "`has` asks for a field: it is written as `has(claims.name)`"
    if said.startswith("Syntax error"):
        return 0, "cannot be understood from here on"
    return 0, said


def _unknown_token(token: str, before: str) -> tuple[int, str]:
    first = token[:1]
    if first in {'"', "'"}:
        if "\\" in token:
            return 0, r"an escape that there is not: write `\\` for a backslash, or r'...' for text without escapes"
        return 0, "text without its closing quote"
    if first in "“”„‘’«»":
        return 0, f'`{first}` is a typographic quote: write `"`'
    if first == "=" and before.endswith("=="):
        return -2, "`===`: to compare, write `==`"
    hint = _OPERATORS.get(first)
    return 0, f"`{first}`: {hint}" if hint else f"`{first}` means nothing here"


def _unexpected(found: str, expected: str, before: str, after: str) -> tuple[int, str]:
    if found == "<EOF>":
        for closing, opening in _CLOSING.items():
            if f"'{closing}'" in expected:
                return 0, f"`{opening}` is not closed: `{closing}` is missing"
        return 0, "ends where a value is missing" if before.strip() else "is empty"
    if found.lower() == "not" and _NOT_IN.match(after):
        return 0, "`not in`: write `!(... in ...)`"
    hint = _OPERATORS.get(found.lower())
    if hint:
        return 0, f"`{found}`: {hint}"
    if negation := _NOT.search(before):
        return negation.start() - len(before), "`not`: write `!`"
    number = re.search(r"[0-9.]+$", before)
    if number and found[:1].isalpha():
        return -len(number[0]), f"`{number[0]}{found}` is no number: write it out"
    if found == ">" and before.endswith("<"):
        return -1, "`<>`: write `!=`"
    if found in _CLOSING and "<EOF>" in expected:
        return 0, f"`{found}` closes nothing"
    if expected == "<EOF>":
        return 0, f"before `{found}` an operator is missing, such as `&&`"
    return 0, f"`{found}` stands where a value is missing"
