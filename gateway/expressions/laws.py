"""What our conditions forbid beyond CEL: unknown names with a hint, lists asked for the wrong thing, words that nothing
can ever be, and whatever would make the cost of an answer unbounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.expressions import engine, patterns
from gateway.expressions.complaint import Complaint
from gateway.expressions.functions import FUNCTIONS
from gateway.expressions.tree import Call, Comprehension, Const, Ident, ListLiteral, MapLiteral, Node, Select, walk
from gateway.expressions.variables import ROOTS, VARIABLES
from gateway.expressions.vocabulary import Vocabulary
from gateway.expressions.words import literal, near, path, type_words
from gateway.feeds.kinds import ListKind

MAX_NODES = 1000
"""Names, literals, calls. cel-cpp takes some 50 ns for each."""
MAX_LOOP = 64
"""The same, of what is asked of each item of a list."""
MAX_PATTERN = 256
"""Characters of a regular expression (RE2: its time is linear in the text)."""
MAX_PATTERN_PARTS = 256
"""What it may stand for (`patterns.parts`): some 25 ns for each and each character, where it is at its worst."""

LOOKED_UP: Mapping[ListKind, tuple[str, ...]] = {
    ListKind.NETWORKS: ("client.address",),
    ListKind.ASNS: ("client.asn",),
    ListKind.COUNTRIES: ("client.country", "account.signup_country", "account.billing_country"),
    ListKind.ACCOUNTS: ("account.id", "account.organisation"),
    ListKind.DOMAINS: ("account.email_domain",),
}
"""What each kind of list may be asked for."""

_OPERATORS = frozenset(
    "_&&_ _||_ !_ _?_:_ _==_ _!=_ _<_ _<=_ _>_ _>=_ @in _+_ _-_ _*_ _/_ _%_ -_ _[_] @not_strictly_false".split()
)
_MOST_NAMES = 12
_CONSTANTS = {str: "string", bool: "bool", int: "int", float: "double", bytes: "bytes"}


def complaints(tree: Node, lists: Mapping[str, ListKind]) -> list[Complaint]:
    """All of them. The tree need not be checked: it is that of a text that only has to be CEL."""
    size = sum(1 for _ in walk(tree))
    if size > MAX_NODES:
        hint = "put what is looked up in a list of feeds.yaml"
        return [Complaint(1, 1, f"has {size} parts, and at most {MAX_NODES} are allowed: {hint}")]
    return list(_Laws(lists).of(tree, {}, 0))


class _Laws:
    def __init__(self, lists: Mapping[str, ListKind]) -> None:
        self.lists = lists

    def of(self, node: Node, bound: Mapping[str, Vocabulary | None], loops: int) -> Iterator[Complaint]:
        """`bound`: the names that comprehensions around it give; `loops`: how many are around it."""
        match node:
            case Ident() | Select() if self.unknown(node, bound):
                yield from self.name(node)
                return
            case Comprehension():
                yield from self.comprehension(node, bound, loops)
                return
            case Call():
                yield from self.call(node, bound, loops)
                return
            case ListLiteral():
                yield from self.mixed(node)
            case Const(value=str() as value) if "\x00" in value:
                yield _at(node, "text with the character U+0000: nothing ever has it")
            case MapLiteral() if node.message:
                yield _at(node, f"there is no type `{node.message}`")
        for part in node.parts():
            yield from self.of(part, bound, loops)

    # -- names ----------------------------------------------------------------------------------------------------

    def unknown(self, node: Node, bound: Mapping[str, Vocabulary | None]) -> bool:
        """It is a dotted name that begins with nothing that there is."""
        while isinstance(node, Select):
            node = node.operand
        if not isinstance(node, Ident) or node.name in bound or node.name.startswith("@"):
            return False
        return node.name not in VARIABLES

    def name(self, node: Node) -> Iterator[Complaint]:
        begin = node
        while isinstance(begin, Select):
            begin = begin.operand
        name = path(node) or path(begin)
        root, _, rest = name.partition(".")
        if root == "lists":
            yield _at(begin, self.list_name(rest))
        elif name in ROOTS:
            known = [known for known in VARIABLES if known.startswith(f"{name}.")]
            more = ", ..." if len(known) > _MOST_NAMES else ""
            yield _at(begin, f"`{name}` is no value: there are {', '.join(known[:_MOST_NAMES])}{more}")
        elif name in FUNCTIONS:
            yield _at(begin, f"`{name}` is a function: it is written as `{FUNCTIONS[name].usage}`")
        else:
            yield _at(begin, f"unknown variable `{name}`{_meant(name)}")

    def list_name(self, name: str) -> str:
        if name in self.lists:
            return f"`lists.{name}` can only stand on the right of `in`"
        if not name:
            return "`lists` needs a name: lists.<name>"
        hint = near(name, self.lists) or f": there are {', '.join(sorted(self.lists)) or 'none'}"
        return f"there is no list `{name}` in feeds.yaml{hint}"

    # -- calls ----------------------------------------------------------------------------------------------------

    def call(self, node: Call, bound: Mapping[str, Vocabulary | None], loops: int) -> Iterator[Complaint]:
        parts: tuple[Node, ...] = node.parts()
        if node.function not in _OPERATORS:
            wrong = self.function(node, bound)
            if wrong:
                yield _at(node, wrong)
                # `math.greatest(...)`: one word about both.
                parts = node.args if node.target is not None and self.unknown(node.target, bound) else parts
            else:
                yield from self.constant(node)
        if node.function == "@in":
            yield from self.searched(node)
            parts = parts[:1] if path(parts[1]).startswith("lists.") else parts
        yield from self.words(node, bound)
        for part in parts:
            yield from self.of(part, bound, loops)

    def function(self, node: Call, bound: Mapping[str, Vocabulary | None]) -> str:
        name, target = node.function, node.target
        function = FUNCTIONS.get(name)
        if function is None:
            called = f"{path(target)}.{name}" if target is not None and self.unknown(target, bound) else name
            return f"there is no function `{called}`{near(name, FUNCTIONS)}"
        if len(node.args) not in (function.plain if target is None else function.method):
            return f"`{name}` is written as `{function.usage}`"
        pattern = node.parts()[1] if name == "matches" else None
        if pattern is None:
            return ""
        if not isinstance(pattern, Const) or not isinstance(pattern.value, str):
            return "the pattern of `matches` must be written out"
        if len(pattern.value) > MAX_PATTERN:
            return f"a pattern of {len(pattern.value)} characters: at most {MAX_PATTERN} are allowed"
        size = patterns.parts(pattern.value)
        if size > MAX_PATTERN_PARTS:
            return (
                f"a pattern that stands for {size} characters: at most {MAX_PATTERN_PARTS} are allowed, so repeat less"
            )
        return ""

    def constant(self, node: Call) -> Iterator[Complaint]:
        """What is the same each time is tried now: a pattern, a time, a time zone."""
        literals = [part for part in node.args if isinstance(part, Const) and isinstance(part.value, str)]
        if len(literals) != len(node.args) or not literals:
            return
        written = [literal for literal in literals if "\x00" not in str(literal.value)]
        if len(written) == len(literals):
            failed = engine.tried(
                node.function, [str(part.value) for part in literals], is_method=node.target is not None
            )
            if failed:
                yield _at(literals[-1], _tried(node.function, str(literals[-1].value), failed))

    def searched(self, node: Call) -> Iterator[Complaint]:
        """`x in lists.y`, where the list must be there, and of a kind that knows about x."""
        wanted, where = node.args
        root, _, name = path(where).partition(".")
        if root != "lists":
            return
        kind = self.lists.get(name)
        if kind is None:
            yield _at(_first(where), self.list_name(name))
        elif not isinstance(wanted, Ident) or wanted.name not in LOOKED_UP[kind]:
            asked = " or ".join(LOOKED_UP[kind])
            given = f", not for {path(wanted)}" if path(wanted) in VARIABLES else ""
            yield _at(_first(wanted), f"`lists.{name}` holds {kind.value}: it is asked for {asked}{given}")

    # -- words that nothing can be --------------------------------------------------------------------------------

    def words(self, node: Call, bound: Mapping[str, Vocabulary | None]) -> Iterator[Complaint]:
        if node.function not in {"_==_", "_!=_", "@in"}:
            return
        for one, other in (node.args, node.args[::-1]):
            vocabulary = bound.get(path(one)) if path(one) in bound else _vocabulary(one)
            if vocabulary is None:
                continue
            for part in other.parts() if isinstance(other, ListLiteral) else (other,):
                complaint = vocabulary.complaint(part.value) if isinstance(part, Const) else ""
                if complaint:
                    yield _at(part, complaint)

    def mixed(self, node: ListLiteral) -> Iterator[Complaint]:
        first = ""
        for item in node.items:
            kind = _CONSTANTS.get(type(item.value), "null") if isinstance(item, Const) else ""
            first = first or kind
            if kind and kind != first:
                yield _at(
                    item, f"{type_words(kind)} in a list that begins with {type_words(first)}: all must be of one type"
                )
                return

    # -- loops ----------------------------------------------------------------------------------------------------

    def comprehension(
        self, node: Comprehension, bound: Mapping[str, Vocabulary | None], loops: int
    ) -> Iterator[Complaint]:
        if loops:
            yield _at(node, "a loop over a list in a loop over a list: only one is allowed")
            return
        if node.variable in ROOTS or node.variable in FUNCTIONS:
            yield _at(node, f"`{node.variable}` has a meaning already: give the item another name")
        ranged = node.range
        while isinstance(ranged, Select) or (isinstance(ranged, Call) and ranged.function == "_[_]"):
            ranged = ranged.parts()[0]
        if not isinstance(ranged, Ident | ListLiteral | MapLiteral):
            yield _at(node, "loops go over a variable or over what is written in brackets")
        size = sum(1 for _ in walk(node.step))
        if size > MAX_LOOP:
            yield _at(node, f"what is asked of each item has {size} parts, and at most {MAX_LOOP} are allowed")
        yield from self.of(node.range, bound, loops)
        inner = {**bound, node.variable: _vocabulary(ranged)}
        for part in (node.start, node.condition, node.step, node.result):
            yield from self.of(part, inner, loops + 1)


def _at(node: Node, message: str) -> Complaint:
    return Complaint(node.line, node.column, message)


def _first(node: Node) -> Node:
    """Where a dotted name begins."""
    while isinstance(node, Select):
        node = node.operand
    return node


def _vocabulary(node: Node) -> Vocabulary | None:
    variable = VARIABLES.get(path(node))
    return variable.vocabulary if variable is not None else None


def _meant(name: str) -> str:
    last = [f"`{known}`" for known in VARIABLES if known.rpartition(".")[2] == name.rpartition(".")[2]]
    return f": did you mean {' or '.join(last)}?" if last else near(name, VARIABLES)


def _tried(function: str, value: str, failed: str) -> str:
    if function == "matches":
        return f"no regular expression (RE2): {failed.removeprefix('invalid regular expression: ')}"
    if function == "duration":
        return f'no duration: {literal(value)}. It is written as "90s", "15m" or "24h"; there are no days'
    if function == "timestamp":
        return f'no time: {literal(value)}. It is written as "2026-11-22T00:00:00Z"'
    if function.startswith("get"):
        return f'no time zone: {literal(value)}. It is written as "Europe/Berlin" or "+02:00"'
    return f"`{function}` fails for {literal(value)}"
