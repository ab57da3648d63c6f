"""By which values a survey is remembered: all that it depends on, and as little else as can be.

A variable that is only looked up in lists, or compared with literals, counts by what was found: who asks with a model,
from an address or on a path that no rule knows is like all others who do.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from typing import Final

from gateway.expressions.tree import Call, Comprehension, Const, Ident, ListLiteral, Node, walk
from gateway.expressions.variables import VARIABLES
from gateway.policies.rules.memory import Memory
from gateway.policies.rules.rule import SUMS, Rule
from gateway.policy import Context

LOOKED_UP_AT_MOST: Final = 16_384
"""Values of one variable for which it is remembered whether one list has them."""
_BROKEN: Final = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What a list may raise that cannot answer. Its conditions then fail, where it matters."""

Key = tuple[Hashable, ...]
Part = Callable[[Context], Hashable]


class Uses:
    """In which ways conditions look at variables."""

    def __init__(self) -> None:
        self.whole: set[str] = set()
        """Every value may matter."""
        self.literals: dict[str, set[Hashable]] = {}
        self.lists: set[tuple[str, str]] = set()
        """Variable and list."""

    def note(self, rule: Rule) -> None:
        """Add those of a rule."""
        tree, reads = rule.expression.tree, rule.expression.reads
        # What earlier rules add stands between the value here and the one that is compared.
        self.whole |= reads & SUMS
        if any(isinstance(node, Comprehension) for node in walk(tree)):
            # Its own variable may have the name of one of ours.
            self.whole |= reads
        else:
            self._note(tree)

    def _note(self, node: Node) -> None:
        if isinstance(node, Ident):
            if node.name in VARIABLES:
                self.whole.add(node.name)
            return
        if isinstance(node, Call) and len(node.args) == 2 and node.target is None:
            left, right = node.args
            if node.function == "@in" and isinstance(left, Ident):
                if isinstance(right, Ident) and right.name.startswith("lists."):
                    self.lists.add((left.name, right.name.removeprefix("lists.")))
                    return
                if isinstance(right, ListLiteral) and all(_literal(left, item) for item in right.items):
                    self._compared(left, right.items)
                    return
            if node.function in {"_==_", "_!=_"}:
                for one, other in ((left, right), (right, left)):
                    if isinstance(one, Ident) and _literal(one, other):
                        self._compared(one, (other,))
                        return
        for part in node.parts():
            self._note(part)

    def _compared(self, ident: Ident, literals: Sequence[Node]) -> None:
        values = {literal.value for literal in literals if isinstance(literal, Const)}
        self.literals.setdefault(ident.name, set()).update(values)


def key_of(rules: Sequence[Rule], lists: Mapping[str, Container[object]]) -> Callable[[Context], Key]:
    """What `survey` of these rules depends on, of an exchange. Never raises.

    Steady variables have values that can be hashed: texts, numbers, sets of text.
    """
    uses = Uses()
    for rule in rules:
        if not rule.expression.volatile:
            uses.note(rule)
    if any(rule.action == "challenge" for rule in rules):
        uses.whole.add("captcha.passed")
    parts: list[Part] = [VARIABLES[name].read for name in sorted(uses.whole)]
    if any(rule.action == "challenge" for rule in rules):
        parts.append(_passed)
    parts.extend(
        _known(VARIABLES[name].read, frozenset(values))
        for name, values in sorted(uses.literals.items())
        if name not in uses.whole
    )
    parts.extend(
        _member(VARIABLES[name].read, lists[asked]) for name, asked in sorted(uses.lists) if name not in uses.whole
    )
    # Not the account: an answer is the same for all who are in, and for all who are out.
    parts.extend(rule.chosen for rule in rules if 0.0 < rule.share < 1.0)

    def key(context: Context) -> Key:
        return tuple([part(context) for part in parts])

    return key


def _passed(context: Context) -> Hashable:
    return context.passed


def _literal(ident: Ident, node: Node) -> bool:
    return isinstance(node, Const) and node.type == ident.type and ident.type in {"string", "int", "bool"}


def _known(read: Part, literals: frozenset[Hashable]) -> Part:
    """The value where it is one of these; None for all others."""

    def part(context: Context) -> Hashable:
        value = read(context)
        return value if value in literals else None

    return part


def _member(read: Part, asked: Container[object]) -> Part:
    """Whether the list has the value; None where it gives no answer."""
    memory: Memory[bool] = Memory(LOOKED_UP_AT_MOST)

    def part(context: Context) -> Hashable:
        value = read(context)
        found = memory.young.get(value)
        if found is None:
            found = memory.get(value)
            if found is None:
                try:
                    found = value in asked
                except _BROKEN:
                    return None
                memory.remember(value, found)
        return found

    return part
