"""Keys of a file in words for people: what may be written, what holds where nothing is, and what it means.

Of a pydantic model: the type of each field, its default, and the docstring below it.
"""

from __future__ import annotations

import ast
import enum
import inspect
import itertools
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

import annotated_types
from pydantic import AnyHttpUrl, AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from gateway.expressions.expression import Expression
from gateway.policies.geo.values import Asn, Distance, Speed
from gateway.policies.geo.values import Country as CountryOrList
from gateway.quantities import Amount, Count, Duration, Money, Name, Percentage, Secret
from gateway.rehearsal.suite import Left

ALIASES: Final[tuple[tuple[Any, str], ...]] = (
    (Duration, "duration"),
    (Count, "count"),
    (Money, "money"),
    (Amount, "count or money"),
    (Left, "count or money"),
    (Percentage, "percentage"),
    (Name, "name"),
    (Secret, "secret"),
    (CountryOrList, "country, `EEA` or list"),
    (Asn, "number or list"),
    (Speed, "speed"),
    (Distance, "distance"),
)
"""A quantity that has a word of its own."""

PLAIN: Final[Mapping[Any, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true`, `false`",
    Any: "anything",
    Expression: "[condition](#conditions)",
    AwareDatetime: "time with its zone",
    AnyHttpUrl: "URL",
}


class Key(NamedTuple):
    """One key of a mapping."""

    name: str
    takes: str
    """What may be written."""
    default: str
    """Empty where it has none and may be left out."""
    meaning: str
    models: tuple[type[BaseModel], ...]
    """Mappings that stand in its value: their keys need tables of their own."""


def keys(model: type[BaseModel], title: Mapping[type[BaseModel], str]) -> Iterator[Key]:
    """All keys of a mapping, in order. `title` has the words for mappings in it."""
    said = meanings(model)
    hints = typing.get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        if name == "root":
            continue
        written, found = _type(hints[name], title)
        yield Key(field.alias or name, written, _default(field, hints[name]), said.get(name, ""), tuple(found))


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The mappings that a value may be, or may hold."""
    return _type(annotation, {})[1]


# -- what may be written -----------------------------------------------------------------------------------------------


def _type(annotation: Any, title: Mapping[type[BaseModel], str]) -> tuple[str, list[type[BaseModel]]]:
    """In words; and the mappings in it."""
    for alias, word in ALIASES:
        if _is(annotation, alias):
            return word, []
    if annotation in PLAIN:
        return PLAIN[annotation], []
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _annotated(annotation, title)
    if origin in {typing.Union, types.UnionType}:
        return _union([argument for argument in arguments if argument is not type(None)], title)
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in arguments if word != ""), []
    if origin in {tuple, frozenset, set, list}:
        inner, found = _type(arguments[0], title)
        return f"list of {inner}", found
    if origin in {dict, Mapping}:
        (key, _), (value, found) = (_type(argument, title) for argument in arguments)
        return f"mapping: {key} → {value}", found
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in annotation if member.value), []
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return title.get(annotation, "mapping"), [annotation]
    raise TypeError(f"there is no word for {annotation!r}")


def _is(annotation: Any, alias: Any) -> bool:
    """Whether it is this quantity, maybe with bounds of its own."""
    if typing.get_origin(annotation) is not Annotated:
        return False
    mine, theirs = annotation.__metadata__, alias.__metadata__
    return bool(annotation.__origin__ == alias.__origin__ and mine[: len(theirs)] == theirs)


def _annotated(annotation: Any, title: Mapping[type[BaseModel], str]) -> tuple[str, list[type[BaseModel]]]:
    inner, *metadata = typing.get_args(annotation)
    for one in metadata:
        # What may be written where that is more than what it becomes: a word, short for a mapping.
        written = getattr(one, "json_schema_input_type", None)
        if isinstance(written, types.UnionType | type) or typing.get_origin(written) is not None:
            return _type(written, title)
    word, found = _type(inner, title)
    return word + _bounds(metadata), found


def _bounds(metadata: list[Any]) -> str:
    """Such as `, 400 to 499`. Of numbers alone: what a text must look like its error says."""
    plain = [inner for one in metadata for inner in (one.metadata if isinstance(one, FieldInfo) else [one])]
    low = next((one.ge for one in plain if isinstance(one, annotated_types.Ge)), None)
    high = next((one.le for one in plain if isinstance(one, annotated_types.Le)), None)
    if low is None or high is None:
        return ""
    return f", {low} to {high}"


def _union(options: list[Any], title: Mapping[type[BaseModel], str]) -> tuple[str, list[type[BaseModel]]]:
    words, found = [], []
    for option in options:
        word, inner = _type(option, title)
        if word and word not in words:
            words.append(word)
        found += inner
    return ", or ".join(words), found


# -- what holds where nothing is written -------------------------------------------------------------------------------


def _default(field: FieldInfo, hint: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value in (None, "", (), frozenset(), {}, []) and not isinstance(value, bool | int):
        return ""
    return f"`{_written(value, hint)}`"


def _written(value: Any, hint: Any) -> str:
    """As it would be written in the file."""
    if _is(hint, Duration):
        return span(value)
    if _is(hint, Percentage):
        return f"{value * 100:g}%"
    if _is(hint, Speed):
        return f"{value:g} km/h"
    if _is(hint, Distance):
        return f"{value:g} km"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, BaseModel):
        # In the order of the file: a set has another one in each process.
        stated = [name for name in type(value).model_fields if name in value.model_fields_set]
        if len(stated) == 1:
            # What may be written as a word stands for the mapping with that one key.
            return str(getattr(value, stated[0]))
        hints = typing.get_type_hints(type(value), include_extras=True)
        return "{" + ", ".join(f"{name}: {_written(getattr(value, name), hints[name])}" for name in stated) + "}"
    if isinstance(value, tuple):
        inner = typing.get_args(typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint)
        items = inner if len(inner) == len(value) else [inner[0] if inner else None] * len(value)
        return f"[{', '.join(_written(item, own) for item, own in zip(value, items, strict=True))}]"
    if isinstance(value, float):
        return f"{value:g}"
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else str(value)


def span(seconds: float) -> str:
    """A duration in the largest unit in which it is whole."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:g}ms"


# -- what it means -----------------------------------------------------------------------------------------------------


def meanings(cls: type) -> dict[str, str]:
    """Name -> the docstring below it, of a class and of those that it is made of."""
    found: dict[str, str] = {}
    for parent in reversed(cls.__mro__):
        # `RootModel[dict[str, Price]]` is made by nobody: it stands in no file.
        if parent.__module__.startswith("gateway.") and "[" not in parent.__name__:
            found |= _below(parent)
    return found


def _below(cls: type) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    found = {}
    for statement, following in itertools.pairwise(body):
        target = _target(statement)
        said = following.value if isinstance(following, ast.Expr) else None
        if target and isinstance(said, ast.Constant) and isinstance(said.value, str):
            found[target] = " ".join(inspect.cleandoc(said.value).split())
    return found


def _target(statement: ast.stmt) -> str:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return ""
