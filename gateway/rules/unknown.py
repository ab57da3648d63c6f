"""Rules that lean on what nobody here knows: places without a geo database, ages of accounts without a date.

Warnings. A rule of the first sort never applies, and leaks; one of the second takes old customers for new ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.expressions.expression import Expression
from gateway.expressions.tree import Call, Ident, Node
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policies.geo.config import GeoConfig
from gateway.policies.risk.config import RiskConfig
from gateway.policies.rules.config import RulesConfig
from gateway.rules.problems import Problem
from gateway.rules.read import Loc
from gateway.rules.ruleset import CHAIN, Entry, Ruleset

PLACES = frozenset({"client.country", "client.asn", "client.network_kinds"})
ADDED_BY_LISTS = frozenset({"client.network_kinds"})
"""What lists with a `network_kind` know, too."""
DATED = {"account.age": "0s", "account.created": "1970"}
"""Variable -> what it is where the date is unknown."""
LESS = frozenset({"_<_", "_<=_"})
MORE = frozenset({"_>_", "_>=_"})
RESTRICTING = frozenset({"deny", "challenge", "throttle", "weigh"})


def placeless(ruleset: Ruleset) -> list[Problem]:
    """Rules that ask where callers are, where no database of `feeds.yaml` can say so. One an entry."""
    if ruleset.feeds.databases:
        return []
    kinds_known = any(written.network_kind is not None for written in ruleset.feeds.lists.values())
    unknown = PLACES - ADDED_BY_LISTS if kinds_known else PLACES
    return sorted(
        problem for index, entry in enumerate(ruleset.entries) for problem in _placeless(ruleset, index, entry, unknown)
    )


def _placeless(ruleset: Ruleset, index: int, entry: Entry, unknown: frozenset[str]) -> Iterator[Problem]:
    if isinstance(entry.config, GeoConfig):
        asked = entry.config.model_fields_set - {"private", "alike", "even_from"}
        if asked and (asked != {"networks"} or "client.network_kinds" in unknown):
            said = f"entry `{entry.name}` asks where callers are, and feeds.yaml states no database: nobody knows"
            yield ruleset.documents[entry.path].problem((), said)
        return
    if isinstance(entry.config, RiskConfig) and entry.config.reads & unknown:
        part, key = ("new_network", "within") if entry.config.new_network is not None else ("key_shared", "of")
        said = f"`{part}` never weighs: it goes by `{entry.config.breadth}`, and feeds.yaml states no database"
        yield ruleset.documents[entry.path].problem((part, key), f"{said}. `{key}: network` needs none")
        return
    for place, loc, expression in _conditions(ruleset, index, entry):
        read = sorted(expression.reads & unknown)
        if read:
            said = f"reads `{read[0]}`, and feeds.yaml states no database: it is always empty"
            yield ruleset.documents[place].problem(loc, said)
            return


def undated(ruleset: Ruleset) -> list[Problem]:
    """Rules that restrict new accounts, and with them every account whose date is unknown."""
    found = []
    for entry in ruleset.entries:
        for loc, when in _restricting(entry):
            name = next(_taken_for_new(when.tree), None)
            if name is not None and "account.has_created" not in when.reads:
                said = f"`{name}` is {DATED[name]} where it is unknown: put `account.has_created &&` before it"
                found.append(ruleset.documents[entry.path].problem(loc, said))
    return found


def _restricting(entry: Entry) -> Iterator[tuple[Loc, Expression]]:
    """Conditions of what makes something harder."""
    if isinstance(entry.config, RulesConfig):
        for number, rule in enumerate(entry.config.rules):
            if rule.action in RESTRICTING:
                yield ("rules", number, "when"), rule.when
    elif isinstance(entry.config, CaptchaConfig):
        for number, ladder in enumerate(entry.config.ladders):
            if ladder.when is not None:
                yield ("ladders", number, "when"), ladder.when


def _taken_for_new(node: Node) -> Iterator[str]:
    """Dates that are compared so that an unknown one holds. Below `!` and in choices nothing is said."""
    if not isinstance(node, Call):
        return
    if node.function in {"_&&_", "_||_"}:
        for part in node.parts():
            yield from _taken_for_new(part)
    elif node.function in LESS | MORE:
        small = node.parts()[0 if node.function in LESS else 1]
        if isinstance(small, Ident) and small.name in DATED:
            yield small.name


def _conditions(ruleset: Ruleset, index: int, entry: Entry) -> Iterator[tuple[Path, Loc, Expression]]:
    """(file, place in it, condition), of an entry and of its rules."""
    chain = next(path for path in ruleset.documents if path.name == CHAIN)
    if entry.when is not None:
        yield chain, ("chain", index, "when"), entry.when
    if isinstance(entry.config, RulesConfig):
        for number, rule in enumerate(entry.config.rules):
            yield entry.path, ("rules", number, "when"), rule.when
    elif isinstance(entry.config, CaptchaConfig):
        for number, ladder in enumerate(entry.config.ladders):
            if ladder.when is not None:
                yield entry.path, ("ladders", number, "when"), ladder.when
