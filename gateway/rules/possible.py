"""What conditions can be, taken together: whether one can ever hold, and whether one can hold without another.

Every comparison of a variable with a literal splits its values into few classes; one value of each class stands for
all. All else (`in lists.x`, calls, claims) may be anything, independently, also no answer at all. So more is tried
than can happen, never less: "never" and "always" are certain, and where there is too much to try nothing is said.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.expressions.native import duration, timestamp
from gateway.expressions.tree import Call, Const, Ident, ListLiteral, Node

AT_ONCE: Final = 20_000
"""Assignments that are tried for one question."""
ALTOGETHER: Final = 500_000
"""Assignments that are tried for all questions: two or three seconds."""
A_PAIR: Final = 5
"""What it costs to compare two conditions at all, in assignments."""

Truth = bool | None
"""None where there is no answer: cel-cpp's errors."""
Value = str | int | bool | None
ALWAYS: Final[frozenset[Truth]] = frozenset({True})
Name = str
"""What can vary: a variable with its version, a membership, or a part that is not looked into."""

Assignment = Mapping[Name, Value]
Ask = Callable[[Assignment], Truth]

_ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}
_EQUAL: Final[Mapping[str, Callable[[Any, Any], bool]]] = {"_==_": operator.eq, "_!=_": operator.ne}
_MIRRORED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_", "_==_": "_==_", "_!=_": "_!=_"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A condition at its place: rules before it may have changed what some variables hold by then."""

    tree: Node
    versions: Mapping[str, int] = field(default_factory=dict)
    """Variable -> how often it may have been changed before. Of another version it is another variable."""
    unless: tuple[str, ...] = ()
    """Variables of truth, none of which may hold."""


@dataclass(slots=True)
class Scope:
    """All that varies, with the values that stand for all others."""

    constants: dict[Name, set[str | int]] = field(default_factory=dict)
    ordered: set[Name] = field(default_factory=set)
    truths: dict[Name, tuple[Truth, ...]] = field(default_factory=dict)

    def note(self, condition: Asked) -> None:
        _Reading(condition, self).note(condition.tree)
        self.truths.update({_name(name, 0): (False, True) for name in condition.unless})

    def with_all(self, other: Scope) -> Scope:
        """What varies in either."""
        constants = {name: set(values) for name, values in self.constants.items()}
        for name, values in other.constants.items():
            constants.setdefault(name, set()).update(values)
        return Scope(constants, self.ordered | other.ordered, self.truths | other.truths)

    def classes(self) -> dict[Name, list[Value]]:
        found: dict[Name, list[Value]] = {name: list(values) for name, values in self.truths.items()}
        for name, constants in self.constants.items():
            numbers = [constant for constant in constants if isinstance(constant, int)]
            texts = [constant for constant in constants if isinstance(constant, str)]
            if numbers:
                near = {number + step for number in numbers for step in (-1, 0, 1)}
                found[name] = [*near] if name in self.ordered else [*numbers, max(numbers) + 1]
            elif name in self.ordered:
                # Nothing stands between a text and itself with one more NUL.
                found[name] = [*{"", *texts, *(f"{text}\0" for text in texts)}]
            else:
                found[name] = [*texts, f"{max(texts)}\0"]
        return found


@dataclass(frozen=True, slots=True)
class Known:
    """What one condition can be, by itself."""

    asked: Asked
    scope: Scope
    shape: Name
    """What is written, without where."""
    truths: frozenset[Truth] | None
    """What it can come to; None where that is too much to try."""
    ask: Ask
    holds_at: Assignment | None
    """Where it holds; None where that was not found."""
    fails_at: Assignment | None
    """Where it does not hold."""

    @property
    def names(self) -> frozenset[Name]:
        """All that its answer may depend on."""
        return frozenset({*self.scope.constants, *self.scope.truths})

    @property
    def never(self) -> bool:
        return self.truths is not None and True not in self.truths

    @property
    def always(self) -> bool:
        return self.truths == ALWAYS


class Possible:
    """Answers questions until it has tried too much; from then on it knows nothing."""

    def __init__(self, left: int = ALTOGETHER) -> None:
        self._left = left

    def know(self, condition: Asked) -> Known:
        """What it can be."""
        scope = Scope()
        scope.note(condition)
        ask = _asked(condition)
        shape = _shape(condition.tree, condition.versions)
        truths: set[Truth] = set()
        holds_at = fails_at = None
        for values in self._assignments(scope):
            if values is None:
                return Known(condition, scope, shape, None, ask, holds_at, fails_at)
            answer = ask(values)
            truths.add(answer)
            if answer is True:
                holds_at = holds_at or values
            else:
                fails_at = fails_at or values
            if len(truths) == 3:
                break
        return Known(condition, scope, shape, frozenset(truths), ask, holds_at, fails_at)

    def implies(self, one: Known, other: Known) -> bool:
        """Wherever `one` holds, `other` surely does. False where that is not known."""
        if one.holds_at is None or one.truths is None or other.truths is None:
            return one.never
        self._left -= A_PAIR
        if self._left < 0:
            return False
        if other.fails_at is not None and other.ask({**other.fails_at, **one.holds_at}) is not True:
            # The usual case, at the price of one try.
            return False
        for values in self._assignments(one.scope.with_all(other.scope)):
            if values is None or (one.ask(values) is True and other.ask(values) is not True):
                return False
        return True

    def _assignments(self, scope: Scope) -> Iterator[Assignment | None]:
        """A value for each name, in all ways; None, and nothing more, where there are too many."""
        classes = scope.classes()
        count = math.prod(len(values) for values in classes.values())
        if count > min(AT_ONCE, self._left):
            yield None
            return
        for values in itertools.product(*classes.values()):
            self._left -= 1
            yield dict(zip(classes, values, strict=True))


def same(one: Known, other: Known) -> bool:
    """Written alike, but for where, and at places where that means the same."""
    return one.shape == other.shape


def _asked(condition: Asked) -> Ask:
    answer = _Asking(condition, Scope()).ask(condition.tree)
    if not condition.unless:
        return answer
    forbidden = [_name(name, 0) for name in condition.unless]
    return lambda values: False if any(values[name] for name in forbidden) else answer(values)


def _all(answers: Sequence[Truth]) -> Truth:
    """As CEL's `&&`: one that is false decides, whatever has failed."""
    if False in answers:
        return False
    return None if None in answers else True


class _Reading:
    """Finds what varies in a condition."""

    def __init__(self, condition: Asked, scope: Scope) -> None:
        self.versions = condition.versions
        self.scope = scope

    def note(self, node: Node) -> None:
        if _is_constant(node):
            return
        inner = _inner(node)
        if inner is not None:
            for part in inner:
                self.note(part)
            return
        comparison = _comparison(node)
        if comparison is not None:
            ident, function, constants = comparison
            name = self.named(ident)
            self.scope.constants.setdefault(name, set()).update(constants)
            if function in _ORDERED:
                self.scope.ordered.add(name)
            return
        name, truths = self.truth(node)
        self.scope.truths[name] = truths

    def named(self, ident: Ident) -> Name:
        return _name(ident.name, self.versions.get(ident.name, 0))

    def truth(self, node: Node) -> tuple[Name, tuple[Truth, ...]]:
        """A part that is not looked into, and what it may come to."""
        if isinstance(node, Ident):
            return self.named(node), (False, True)
        certain = isinstance(node, Call) and node.function == "@in" and all(_plain(part) for part in node.args)
        return _shape(node, self.versions), (False, True) if certain else (False, True, None)


class _Asking(_Reading):
    """The same way through a condition, to what answers it."""

    def ask(self, node: Node) -> Ask:
        if isinstance(node, Const) and isinstance(node.value, bool):
            value = node.value
            return lambda _: value
        inner = _inner(node)
        if inner is not None and isinstance(node, Call):
            return _joined(node.function, [self.ask(part) for part in inner])
        comparison = _comparison(node)
        if comparison is None:
            part = self.truth(node)[0]
            return lambda values: values[part]  # type: ignore[return-value]  # a truth, by its name
        ident, function, constants = comparison
        name = self.named(ident)
        if function == "@in":
            held = frozenset(constants)
            return lambda values: values[name] in held
        compare, constant = {**_EQUAL, **_ORDERED}[function], constants[0]
        return lambda values: compare(values[name], constant)


def _joined(function: str, parts: Sequence[Ask]) -> Ask:
    if function == "!_":
        (part,) = parts
        return lambda values: None if (answer := part(values)) is None else not answer
    if function == "_?_:_":
        asked, yes, no = parts
        return lambda values: None if (answer := asked(values)) is None else (yes if answer else no)(values)
    left, right = parts
    if function == "_&&_":
        return lambda values: _all((left(values), right(values)))

    def either(values: Assignment) -> Truth:
        answers = (left(values), right(values))
        if True in answers:
            return True
        return None if None in answers else False

    return either


def _inner(node: Node) -> tuple[Node, ...] | None:
    """The parts of a sentence about truths."""
    if isinstance(node, Call) and node.function in {"_&&_", "_||_", "!_", "_?_:_"}:
        return node.args
    return None


def _is_constant(node: Node) -> bool:
    return isinstance(node, Const) and isinstance(node.value, bool)


def _comparison(node: Node) -> tuple[Ident, str, tuple[str | int, ...]] | None:
    """A variable against literals of its own type."""
    if not isinstance(node, Call) or len(node.args) != 2:
        return None
    left, right = node.args
    if node.function == "@in":
        if not isinstance(left, Ident) or not isinstance(right, ListLiteral) or not right.items:
            return None
        constants = [_constant(item) for item in right.items]
        if left.type not in {"string", "int"} or any(item.type != left.type for item in right.items):
            return None
        known = tuple([constant for constant in constants if constant is not None])
        return (left, "@in", known) if len(known) == len(constants) else None
    if node.function not in _MIRRORED:
        return None
    if isinstance(left, Ident):
        ident, function, literal = left, node.function, right
    elif isinstance(right, Ident):
        ident, function, literal = right, _MIRRORED[node.function], left
    else:
        return None
    constant = _constant(literal)
    if constant is None or ident.type != literal.type or ident.type == "bool":
        return None
    return ident, function, (constant,)


def _constant(node: Node) -> str | int | None:
    """A literal text, number, time or duration; the last two in microseconds. None for all else."""
    if isinstance(node, Const) and isinstance(node.value, str | int) and not isinstance(node.value, bool):
        return node.value if node.type in {"string", "int"} else None
    if isinstance(node, Call) and node.target is None and len(node.args) == 1:
        (inner,) = node.args
        read = {"timestamp": timestamp, "duration": duration}.get(node.function)
        if read is not None and isinstance(inner, Const) and isinstance(inner.value, str):
            return read(inner.value)
    return None


def _plain(node: Node) -> bool:
    return isinstance(node, Ident | Const)


def _name(variable: str, version: int) -> Name:
    return f"{variable}#{version}"


def _shape(node: Node, versions: Mapping[str, int]) -> Name:
    """What is written, without where."""
    return repr(_shapes(node, versions))


def _shapes(node: Node, versions: Mapping[str, int]) -> tuple[Any, ...]:
    words = [
        (name, getattr(node, name))
        for name in ("name", "value", "field", "test", "function", "message", "variable")
        if hasattr(node, name)
    ]
    version = versions.get(node.name, 0) if isinstance(node, Ident) else 0
    method = isinstance(node, Call) and node.target is not None
    value = type(getattr(node, "value", None)).__name__
    return (
        *(type(node).__name__, value, version, method, *words),
        *(_shapes(part, versions) for part in node.parts()),
    )
