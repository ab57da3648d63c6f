"""One condition: checked when it is read, bound to the lists when a policy is built, asked once an exchange."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, Protocol, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gateway.expressions import engine, native
from gateway.expressions.checking import checked
from gateway.expressions.complaint import BadExpression, Complaint
from gateway.expressions.tree import Call, Comprehension, Const, Ident, Node, Select, variables, walk
from gateway.expressions.values import TO_CEL, Type, moment
from gateway.expressions.variables import VARIABLES
from gateway.feeds.kinds import ListKind
from gateway.policy import Context

__all__ = ["BadExpression", "Complaint", "Condition", "Expression", "ExpressionFailed", "compile_expression"]

_LIST = re.compile(r"\blists\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)")
_NO_LISTS: Mapping[str, Container[object]] = {}
_BROKEN = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What a list may raise that cannot answer, and what a variable may that is not what it should be."""

Reader = Callable[[Any], Any]


LONGEST_TEXT = 1024
"""Characters of a caller's text that is searched, matched, joined or looked at in a loop. Longer: no answer."""
_SEARCHES = frozenset({"matches", "contains", "_+_"})


class ExpressionFailed(Exception):
    """A condition gave no answer: an overflow, a missing key of a map, too much work. Never a silent yes or no."""


class Condition(Protocol):
    """A bound expression."""

    def __call__(self, context: Context, /) -> bool:
        """Raises ExpressionFailed."""


class Expression:
    """Checked CEL of type bool. As the type of a pydantic field, it is made of text, and what is wrong is said with its
    place. The validation context holds `lists`: name -> ListKind of all lists that there are.

    Two of the same text are equal. `compile_expression` makes them.
    """

    __slots__ = ("_cel", "_claims", "_code", "_searches", "lists", "reads", "text", "tree", "volatile")

    text: str
    reads: frozenset[str]
    """Names of the variables that it reads, lists not among them."""
    lists: frozenset[str]
    """Names of the lists that it asks."""
    volatile: bool
    """Reads what is different for nearly every exchange (time, tokens): not worth remembering by."""
    tree: Node
    """What it says."""

    def __init__(self, text: str, tree: Node, cel: object) -> None:
        names = {ident.name for ident in variables(tree)}
        self.text = text
        self.tree = tree
        self.lists = frozenset(name.removeprefix("lists.") for name in names if name.startswith("lists."))
        self.reads = frozenset(name for name in names if not name.startswith("lists."))
        self.volatile = any(VARIABLES[name].volatile for name in self.reads)
        self._cel = cel
        self._searches = any(
            isinstance(node, Comprehension) or (isinstance(node, Call) and node.function in _SEARCHES)
            for node in walk(tree)
        )
        self._claims = _claims(tree)
        self._code = native.compiled(tree)

    def bind(self, lists: Mapping[str, Container[object]]) -> Condition:
        """The condition over these lists. Raises KeyError for a list that is not there."""
        return self._bound(self._readers(), lists)

    def bind_exactly(self, lists: Mapping[str, Container[object]]) -> Condition:
        """As `bind`, always answered by cel-cpp: what the plain Python is held against."""
        return self._exactly(self._readers(), lists)

    def holds_exactly(self, values: Mapping[str, Any], lists: Mapping[str, Container[object]] = _NO_LISTS) -> bool:
        """As `holds`, answered by cel-cpp."""
        return self._exactly({name: itemgetter(name) for name in self.reads}, lists)(values)

    @property
    def is_native(self) -> bool:
        """Answered by plain Python."""
        return self._code is not None

    def holds(self, values: Mapping[str, Any], lists: Mapping[str, Container[object]] = _NO_LISTS) -> bool:
        """The answer for these values of all variables that it reads, as their readers give them: times and durations
        are microseconds. Raises KeyError for a list that is not there, ExpressionFailed.
        """
        return self._bound({name: itemgetter(name) for name in self.reads}, lists)(values)

    def read(self, context: Context) -> dict[str, Any]:
        """Variable -> its value for this exchange, for a person: text, numbers, lists of text. Of claims, those it
        reads.
        """
        found = {name: _shown(name, VARIABLES[name].read(context)) for name in sorted(self.reads - {"claims"})}
        if "claims" in self.reads:
            claims = VARIABLES["claims"].read(context)
            found |= {f"claims.{name}": claims.get(name) for name in sorted(self._claims[0])}
        return found

    def _readers(self) -> dict[str, Reader]:
        return {name: VARIABLES[name].read for name in self.reads}

    def _within_bounds(self, readers: Mapping[str, Reader]) -> dict[str, Reader]:
        """What would take too long fails, and is then left out."""
        found = dict(readers)
        for name, read in readers.items():
            if self._searches and VARIABLES[name].type is Type.TEXT:
                found[name] = _short(read)
        names, all_of_it = self._claims
        if "claims" in found and not all_of_it:
            found["claims"] = _chosen(found["claims"], names)
        return found

    def _bound(self, readers: Mapping[str, Reader], lists: Mapping[str, Container[object]]) -> Callable[[Any], bool]:
        readers = self._within_bounds(readers)
        exactly = _Exact(self, self._cel, readers, {name: lists[name] for name in self.lists})
        if self._code is None:
            return exactly
        names: dict[str, object] = {"exactly": exactly, "broken": _BROKEN}
        names |= {native.name_of(name): read for name, read in readers.items()}
        names |= {native.name_of(f"lists.{name}"): held for name, held in exactly.lists.items()}
        return native.defined(self._code, names)

    def _exactly(self, readers: Mapping[str, Reader], lists: Mapping[str, Container[object]]) -> _Exact:
        return _Exact(self, self._cel, self._within_bounds(readers), {name: lists[name] for name in self.lists})

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, Expression) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __str__(self) -> str:
        return self.text

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: object, info: ValidationInfo) -> Expression:
            if isinstance(value, Expression):
                return value
            if isinstance(value, bool):
                # YAML's own true, which is CEL's, too.
                value = "true" if value else "false"
            if not isinstance(value, str):
                raise PydanticCustomError("string_type", "must be text")
            context = info.context if isinstance(info.context, Mapping) else {}
            try:
                return compile_expression(value, context.get("lists", {}))
            except BadExpression as bad:
                raise PydanticCustomError(
                    "expression", "{said}", {"said": str(bad), "complaints": bad.complaints}
                ) from None

        shown = core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema())
        return core_schema.with_info_plain_validator_function(validate, serialization=shown)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": ["string", "boolean"],
            "minLength": 1,
            "title": "Condition",
            "description": 'CEL that is true or false, such as `account.tier == "free" && request.streaming`.',
        }


def compile_expression(text: str, lists: Mapping[str, ListKind]) -> Expression:
    """Checked text. Raises BadExpression with all that is wrong."""
    mentioned = {name for name in _LIST.findall(text) if name in lists}
    try:
        return _compiled(text, tuple(sorted((name, lists[name]) for name in mentioned)))
    except BadExpression:
        # Once more, for words that know all lists.
        checked(text, lists)
        raise


@lru_cache(maxsize=4096)
def _compiled(text: str, lists: engine.Lists) -> Expression:
    """By the text and the lists that it may ask: what a reload finds unchanged is not compiled again."""
    return Expression(text, *checked(text, dict(lists)))


class _Exact:
    """Asks cel-cpp. Of a list it is given only what is looked up in it, if that is there: lists are long."""

    __slots__ = ("_asks", "_cel", "_readers", "_text", "lists")

    def __init__(
        self, expression: Expression, cel: object, readers: Mapping[str, Reader], lists: Mapping[str, Container[object]]
    ) -> None:
        self.lists = lists
        self._text = expression.text
        self._cel = cel
        self._readers = [(name, read, TO_CEL[VARIABLES[name].type]) for name, read in readers.items()]
        self._asks = [
            (f"lists.{name}", held, [readers[asked] for asked in _looked_up(expression.tree, f"lists.{name}")])
            for name, held in lists.items()
        ]

    def __call__(self, context: Any, /) -> bool:
        values: dict[str, Any] = {}
        failed: BaseException | None = None
        # What fails is left out: cel-cpp then knows whether it mattered.
        for name, read, to_cel in self._readers:
            try:
                values[name] = to_cel(read(context))
            except _BROKEN as error:
                failed = error
        for name, held, readers in self._asks:
            try:
                values[name] = [value for value in [read(context) for read in readers] if value in held]
            except _BROKEN as error:
                failed = error
        answer = engine.answer(self._cel, values)
        if isinstance(answer, bool):
            return answer
        raise self._failure(answer, failed) from failed

    def _failure(self, said: str, cause: BaseException | None) -> ExpressionFailed:
        shown = self._text if len(self._text) <= 120 else f"{self._text[:117]}..."
        why = f"{type(cause).__name__}: {cause}" if cause is not None else said
        return ExpressionFailed(f"`{shown}` gave no answer: {why}")


def _claims(tree: Node) -> tuple[frozenset[str], bool]:
    """Names of the claims that it asks for: `claims.plan`, `claims["plan"]`, `"plan" in claims`. And whether it reads
    all of them: by a name that is made up as it runs, or in a loop.
    """
    found, asked, read = set(), 0, 0
    for node in walk(tree):
        match node:
            case Ident(name="claims"):
                read += 1
                continue
            case Select(operand=Ident(name="claims"), field=str() as name):
                pass
            case Call(function="_[_]", args=(Ident(name="claims"), Const(value=str() as name))):
                pass
            case Call(function="@in", args=(Const(value=str() as name), Ident(name="claims"))):
                pass
            case _:
                continue
        asked += 1
        found.add(name)
    return frozenset(found), read > asked


def _short(read: Reader) -> Reader:
    def short(source: Any) -> Any:
        text = read(source)
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"a text of {len(text)} characters: at most {LONGEST_TEXT} are looked at")
        return text

    return short


def _chosen(read: Reader, names: frozenset[str]) -> Reader:
    def chosen(source: Any) -> Any:
        claims = read(source)
        return {name: claims[name] for name in names if name in claims}

    return chosen


def _looked_up(tree: Node, name: str) -> list[str]:
    """The variables that are looked up in a list."""
    found = set()
    for node in walk(tree):
        if isinstance(node, Call) and node.function == "@in":
            left, right = node.args
            if isinstance(left, Ident) and isinstance(right, Ident) and right.name == name:
                found.add(left.name)
    return sorted(found)


def _shown(name: str, value: Any) -> Any:
    kind = VARIABLES[name].type
    if kind is Type.TIME:
        return moment(value).isoformat().replace("+00:00", "Z")
    if kind is Type.DURATION:
        return _span(value / 1e6)
    return sorted(value) if kind is Type.TEXTS else value


def _span(seconds: float) -> str:
    """As people would write it in a condition: 36h, 90m, 1.5s."""
    for size, unit in ((3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.12g}{unit}"
    return f"{seconds:.12g}s"
