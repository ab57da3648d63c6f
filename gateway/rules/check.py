"""Plain data -> a pydantic model, or every problem with its line and column.

The data is checked in pydantic's JSON mode, strictly: text becomes no number and 1 becomes no true, but a list may
become a tuple or a set, and text a member of an enum, as YAML has neither. Unknown keys are refused whatever the
model says, because a misspelt limit is a limit that is not there.
"""

from __future__ import annotations

import json
import os
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from gateway.feeds.kinds import ListKind
from gateway.rules import places
from gateway.rules.problems import Problem, Problems, did_you_mean
from gateway.rules.read import MAX_BYTES, Document, Loc, read

ModelT = TypeVar("ModelT", bound=BaseModel)

Wrong = tuple[tuple[str | int, ...], ErrorDetails]
"""The way from the root, and what is wrong there."""

_PYDANTIC = frozenset(typing.get_args(ErrorType))
_NO_LISTS: Mapping[str, ListKind] = {}
_VERBS = frozenset({"must", "is", "names", "has", "needs", "lets", "ends"})

_MESSAGES = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "dataclass_type": "must be a mapping",
    "timezone_aware": "must have a zone, such as 2026-01-31T12:00:00Z",
    "datetime_parsing": "must be a time with its zone, such as 2026-01-31T12:00:00Z",
    "datetime_from_date_parsing": "must be a time with its zone, such as 2026-01-31T12:00:00Z",
}
_PATTERNS = {
    r"^([A-Z]{2})?$": "must be a country's two capital letters (ISO 3166-1 alpha-2), such as NO",
    r"^[a-z][a-z0-9_-]{0,47}$": "must be a name: lower-case letters, digits, `_` and `-`, a letter first, 48 at most",
}
"""Pattern of a text -> what it says, in words."""


def check(
    document: Document,
    model: type[ModelT],
    environment: Mapping[str, str] = os.environ,
    lists: Mapping[str, ListKind] = _NO_LISTS,
) -> ModelT:
    """The document as `model`. Fields of type Secret may read `environment`, expressions may ask `lists`.

    Raises Problems with all that is wrong.
    """
    try:
        context = {"environment": environment, "lists": lists}
        return model.model_validate_json(json.dumps(document.data), strict=True, extra="forbid", context=context)
    except ValidationError as error:
        wrong = _without_echoes(list(_flat(error, ())))
        found = {problem for loc, details in wrong for problem in _problems(document, model, loc, details)}
        if _holds_secret(model, set()):
            # A line with a misspelt key may hold one, too.
            found = {replace(problem, excerpt="") for problem in found}
        raise Problems(found) from None


def read_as(path: Path, model: type[BaseModel]) -> Document:
    """As `read`. What makes the file unreadable is shown with its line, where no file of this shape holds a secret."""
    try:
        return read(path)
    except Problems as wrong:
        if _holds_secret(model, set()):
            raise
        raise Problems([_with_line(problem) for problem in wrong.problems]) from None


def _with_line(problem: Problem) -> Problem:
    try:
        with problem.path.open("rb") as file:
            lines = places.lines(file.read(MAX_BYTES).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return problem
    return replace(problem, excerpt=lines[problem.line - 1]) if problem.line <= len(lines) else problem


def _holds_secret(annotation: Any, seen: set[Any]) -> bool:
    """Whether anything in a file of this shape is secret."""
    if annotation is SecretStr:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)
        return any(_holds_secret(info.annotation, seen) for info in annotation.model_fields.values())
    return any(_holds_secret(argument, seen) for argument in typing.get_args(annotation))


def _flat(error: ValidationError, above: Loc) -> Iterator[Wrong]:
    """Every error with its way from the root. A model's own validator may raise a ValidationError of several lines."""
    for details in error.errors(include_url=False):
        loc = (*above, *details["loc"])
        inner = details.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):
            yield from _flat(inner, loc)
        else:
            yield loc, details


def _without_echoes(wrong: list[Wrong]) -> list[Wrong]:
    """pydantic calls a list too short when all that is in it is wrong: that is said already."""
    places = {loc[:length] for loc, _ in wrong for length in range(len(loc))}
    return [(loc, details) for loc, details in wrong if details["type"] != "too_short" or loc not in places]


def _problems(
    document: Document, model: type[BaseModel], loc: tuple[str | int, ...], details: ErrorDetails
) -> Iterator[Problem]:
    if details["type"] != "expression":
        yield _problem(document, model, loc, details)
        return
    # At its place inside of the text. What is wrong with the whole of it begins with a verb, and needs its name.
    for line, column, message in details["ctx"]["complaints"]:
        said = _sentence(_named(document.real(loc)), message) if message.partition(" ")[0] in _VERBS else message
        yield document.problem_at(document.text_position(loc, line, column), said)


def _problem(document: Document, model: type[BaseModel], loc: tuple[str | int, ...], details: ErrorDetails) -> Problem:
    kind = details["type"]
    last = loc[-1] if loc else ""
    if kind == "extra_forbidden":
        known = [name for parent in _types_at(model, loc[:-1]) for name in _field_names(parent)]
        message = f"unknown key `{last}`{did_you_mean(str(last), known)}"
        return document.problem_at(document.key_position(loc), message)
    if kind == "missing":
        return document.problem(loc[:-1], f"missing key `{last}`")
    if last == "[key]":
        return document.problem_at(document.key_position(loc), f"key `{loc[-2]}` {_message(details)}")
    return document.problem(loc, _sentence(_named(document.real(loc)), _message(details)))


def _named(steps: tuple[str | int, ...]) -> str:
    """How the value is called: its key, with its indices below that."""
    name = ""
    for step in reversed(steps):
        if isinstance(step, str):
            return f"`{step}{name}`"
        name = f"[{step}]{name}"
    return ""


def _sentence(name: str, message: str) -> str:
    """`x` must be so, or `x`: what is to be said of it."""
    if not name:
        return message
    return f"{name} {message}" if message.partition(" ")[0] in _VERBS else f"{name}: {message}"


def _message(details: ErrorDetails) -> str:
    """What is wrong, as the end of a sentence. Never the input itself: it may be a secret."""
    kind, context = details["type"], details.get("ctx", {})
    if kind == "string_type" and isinstance(details["input"], int | float):
        # Keys such as 0x4AAAAAAA are numbers, and nobody sees it.
        return f"{_MESSAGES[kind]}: write it in quotes"
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    if kind == "value_error":
        return str(context["error"])
    if kind == "too_short" and context.get("min_length") == 1:
        return "is empty: state at least one"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"must match {context['pattern']}")
    if kind in {"enum", "literal_error"}:
        expected = str(context["expected"])
        words = expected.replace("'", "").replace(" or ", ", ").split(", ")
        return f"must be {expected}{did_you_mean(str(details['input']), words)}"
    said = details["msg"]
    if kind not in _PYDANTIC:
        return said
    for long, short in (("Input should ", "must "), ("Value should ", "must "), ("String should ", "must ")):
        if said.startswith(long):
            return short + said.removeprefix(long)
    return f"is wrong: {said[:1].lower()}{said[1:]}"


def _types_at(annotation: Any, loc: Loc) -> list[type[BaseModel]]:
    """The models that a mapping at `loc` may be: more than one in a union."""
    current = list(_alternatives(annotation))
    for step in loc:
        below = [inner for alternative in current for inner in _below(alternative, step)]
        # The tag of a union is a step in pydantic's loc, and none in the types.
        current = below or current
    return [found for found in current if isinstance(found, type) and issubclass(found, BaseModel)]


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _alternatives(typing.get_args(annotation)[0])
    elif origin in {typing.Union, types.UnionType}:
        for member in typing.get_args(annotation):
            yield from _alternatives(member)
    else:
        yield annotation


def _below(annotation: Any, step: str | int) -> Iterator[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, info in annotation.model_fields.items():
            if step in {name, info.alias}:
                yield from _alternatives(info.annotation)
        return
    arguments = [argument for argument in typing.get_args(annotation) if argument is not ...]
    if not arguments:
        return
    # The last argument is the value of a mapping as well as the item of a list.
    is_item = isinstance(step, int) or len(arguments) > 1
    if is_item:
        yield from _alternatives(arguments[-1])


def _field_names(model: type[BaseModel]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield info.alias or name
