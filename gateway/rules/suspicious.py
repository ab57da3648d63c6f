"""What is right by the letter, and surely not meant: rules and limits that can have no effect.

Warnings, not errors. Only what is certain is said: where a question is too large, or a stranger's kind may know more,
nothing is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from gateway.chain.entry import OnFailure
from gateway.expressions.expression import Expression
from gateway.policies.auth.config import AuthConfig
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policies.geo.config import Answer, GeoConfig
from gateway.policies.kyc.config import KycConfig
from gateway.policies.quota.config import LimitConfig, QuotaConfig
from gateway.policies.risk.config import RiskConfig
from gateway.policies.rules.config import TERMINAL, RuleConfig, RulesConfig
from gateway.rules.campaigns import of_campaigns
from gateway.rules.escalation import of_escalation, of_nobody, of_risk
from gateway.rules.ladders import of_ladder
from gateway.rules.possible import Asked, Known, Possible, same
from gateway.rules.problems import Problem
from gateway.rules.read import Loc
from gateway.rules.ruleset import CHAIN, FEEDS, Entry, Ruleset

UNSOLVING: Final = frozenset({"auth", "geo", "kyc", "rules", "risk", "quota"})
"""Kinds that let nobody pass a challenge."""
KEEPING: Final = frozenset({"auth", "captcha", "geo", "kyc", "risk", "rules", "quota"})
"""Kinds after which an account has the tier that the directory, a token or a ladder says."""
PASSED: Final = "captcha.passed"
CHANGED_BY: Final = {"weigh": "risk.score", "tag": "tags"}
"""Action -> the variable that it changes, for the rules after it."""


def suspicions(ruleset: Ruleset, tiers: Collection[str] | None = None) -> list[Problem]:
    """All that is suspicious, in the order of files and lines. `tiers` are those of all accounts; None if unknown."""
    looking = _Looking(ruleset, tiers)
    return sorted(set(looking.everything()))


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule, as far as it matters here."""

    index: int
    written: RuleConfig
    known: Known
    names: frozenset[str]

    @property
    def ends(self) -> bool:
        """Where it holds, no later rule is asked, for anybody."""
        return self.written.action in TERMINAL and self.written.share >= 1.0


class _Looking:
    def __init__(self, ruleset: Ruleset, tiers: Collection[str] | None) -> None:
        self.ruleset = ruleset
        self.tiers = tiers
        self.possible = Possible()
        self.known: dict[int, list[_Rule]] = {}
        """By identity of the config: the ruleset holds it."""
        self.chain_path = next((path for path in ruleset.documents if path.name == CHAIN), None)

    def everything(self) -> Iterator[Problem]:
        read: set[Any] = set()
        for index, entry in enumerate(self.ruleset.entries):
            yield from self.condition_of(index, entry)
            if entry.path in read:
                # Two entries may read one file: what is to be said of it is said once.
                continue
            read.add(entry.path)
            if isinstance(entry.config, RulesConfig):
                yield from self.rules(entry, entry.config)
            elif isinstance(entry.config, QuotaConfig):
                yield from self.limits(entry, entry.config)
            elif isinstance(entry.config, GeoConfig) and (unsolvable := self.unsolvable(entry)):
                for loc in _challenging(entry.config, ()):
                    yield self.ruleset.documents[entry.path].problem(loc, f"`{loc[-1]}` {unsolvable}")
            elif isinstance(entry.config, CaptchaConfig):
                for place, said in of_escalation(entry.config, index, self.ruleset.entries, self.possible):
                    yield self.ruleset.documents[entry.path].problem(place, said)
                if entry.config.first_use is not None:
                    yield from self.for_nobody(entry, ("first_use", "tiers"), entry.config.first_use.tiers)
            elif isinstance(entry.config, RiskConfig):
                for said in of_risk(index, self.ruleset.entries):
                    yield self.ruleset.documents[entry.path].problem((), said)
                if entry.config.refused is not None:
                    yield from self.for_nobody(entry, ("refused", "except_tiers"), entry.config.refused.except_tiers)
                if entry.config.campaigns is not None:
                    unsolvable = self.unsolvable(entry)
                    for place, said in of_campaigns(entry.config.campaigns, self.ruleset.entries, unsolvable):
                        yield self.ruleset.documents[entry.path].problem(place, said)
            elif isinstance(entry.config, KycConfig):
                for place, said in of_ladder(entry.config, index, self.ruleset.entries):
                    yield self.ruleset.documents[entry.path].problem(place, said)
        yield from self.after_the_end()
        yield from self.unused_lists()

    # -- the chain --------------------------------------------------------------------------------------------------

    def condition_of(self, index: int, entry: Entry) -> Iterator[Problem]:
        if entry.when is None:
            return
        if self.possible.know(Asked(entry.when.tree)).never:
            yield from self.in_chain(("chain", index, "when"), f"`when` can never hold: `{entry.name}` is never asked")

    def after_the_end(self) -> Iterator[Problem]:
        """Entries after one that refuses everything."""
        entries = self.ruleset.entries
        for index, entry in enumerate(entries[:-1]):
            if self.refuses_everything(entry):
                said = f"is never asked: `{entry.name}`{self.line_in_chain(index)} refuses everything"
                yield from self.in_chain(("chain", index + 1), f"entry `{entries[index + 1].name}` {said}")
                return

    def refuses_everything(self, entry: Entry) -> bool:
        # What fails is let through by `allow`, and conditions may fail.
        if entry.rollout < 1.0 or entry.on_failure is OnFailure.ALLOW or not isinstance(entry.config, RulesConfig):
            return False
        if entry.when is not None and not self.possible.know(Asked(entry.when.tree)).always:
            return False
        for rule in self.read_rules(entry.config):
            if rule.ends and rule.known.always and rule.written.action == "deny":
                return True
            if rule.written.action == "allow" and rule.written.share > 0.0 and not rule.known.never:
                return False
        return entry.config.otherwise == "deny"

    def in_chain(self, loc: Loc, message: str) -> Iterator[Problem]:
        if self.chain_path is not None:
            yield self.ruleset.documents[self.chain_path].problem(loc, message)

    def line_in_chain(self, index: int) -> str:
        if self.chain_path is None:
            return ""
        return f" (line {self.ruleset.documents[self.chain_path].position(('chain', index))[0]})"

    # -- rules ------------------------------------------------------------------------------------------------------

    def read_rules(self, config: RulesConfig) -> list[_Rule]:
        known = self.known.get(id(config))
        if known is None:
            known = self.known[id(config)] = self.read_anew(config)
        return known

    def read_anew(self, config: RulesConfig) -> list[_Rule]:
        found = []
        versions: dict[str, int] = {}
        for index, written in enumerate(config.rules):
            unless = (PASSED,) if written.action == "challenge" else ()
            asked = Asked(written.when.tree, dict(versions), unless)
            known = self.possible.know(asked)
            found.append(_Rule(index, written, known, known.names))
            changed = CHANGED_BY.get(written.action)
            if changed is not None and written.share > 0.0:
                versions[changed] = versions.get(changed, 0) + 1
        return found

    def rules(self, entry: Entry, config: RulesConfig) -> Iterator[Problem]:
        rules = self.read_rules(config)
        for rule in rules:
            said = self.of_rule(entry, rules, rule) or self.hidden(entry, rules, rule)
            if said:
                yield self.at(entry, rule, f"rule `{rule.written.name}` {said}")
        yield from self.challenges(entry, rules)

    def of_rule(self, entry: Entry, rules: list[_Rule], rule: _Rule) -> str:
        """What is to be said of a rule by itself."""
        if rule.known.never:
            return "can never apply: its condition never holds"
        if not rule.known.always:
            return ""
        later = rules[rule.index + 1 :]
        if rule.ends and later:
            where = f"`{later[0].written.name}` ({self.line(entry, later[0])})"
            return f"always holds: {where} and all after it are never asked"
        return "" if rule.written.when.text.strip() == "true" else "always holds, whatever is asked"

    def hidden(self, entry: Entry, rules: list[_Rule], rule: _Rule) -> str:
        """What is to be said of a rule because of those before it."""
        for earlier in rules[: rule.index]:
            if earlier.known.never or not self.related(earlier, rule):
                continue
            if earlier.ends:
                if earlier.known.always:
                    # Said of the earlier one.
                    return ""
                if same(earlier.known, rule.known) and not (earlier.known.asked.unless and not rule.known.asked.unless):
                    where = f"`{earlier.written.name}` ({self.line(entry, earlier)})"
                    return f"is never asked: {where} has the same condition, and ends the entry"
                if self.possible.implies(rule.known, earlier.known):
                    where = f"`{earlier.written.name}` ({self.line(entry, earlier)})"
                    return f"can never apply: wherever it would, {where} holds first, and ends the entry"
            elif _marks_again(earlier.written, rule.written) and same(earlier.known, rule.known):
                return f"adds nothing: `{earlier.written.name}` ({self.line(entry, earlier)}) sets the same tags"
        return ""

    def related(self, earlier: _Rule, rule: _Rule) -> bool:
        """Conditions that share nothing hide nothing, but where one always holds."""
        return earlier.known.always or not earlier.names.isdisjoint(rule.names)

    def challenges(self, entry: Entry, rules: list[_Rule]) -> Iterator[Problem]:
        unsolvable = self.unsolvable(entry)
        if not unsolvable:
            return
        for rule in rules:
            if rule.written.action == "challenge" and rule.written.share > 0.0 and not rule.known.never:
                yield self.at(entry, rule, f"rule `{rule.written.name}` {unsolvable}")

    def unsolvable(self, entry: Entry) -> str:
        """What is to be said where no entry of this chain that is enforced lets all accounts pass a challenge, and the
        file of this one is not in shadow alone.
        """
        if self.strangers():
            return ""
        solving = [one for one in self.ruleset.entries if one.kind.name not in UNSOLVING]
        in_force = any(one.rollout > 0.0 for one in self.ruleset.entries if one.path == entry.path)
        return of_nobody(solving) if in_force else ""

    def at(self, entry: Entry, rule: _Rule, message: str) -> Problem:
        return self.ruleset.documents[entry.path].problem(("rules", rule.index), message)

    def line(self, entry: Entry, rule: _Rule) -> str:
        return f"line {self.ruleset.documents[entry.path].position(('rules', rule.index))[0]}"

    # -- limits -----------------------------------------------------------------------------------------------------

    def limits(self, entry: Entry, config: QuotaConfig) -> Iterator[Problem]:
        document = self.ruleset.documents[entry.path]
        for index, limit in enumerate(config.limits):
            unknown = self.unknown_tiers(limit.tiers)
            if unknown:
                said = f"limit `{limit.name}` is for nobody: no account has the tier {unknown}"
                yield document.problem(("limits", index, "tiers"), said)
                continue
            for other, tighter in enumerate(config.limits):
                if other != index and _covers(tighter, limit) and (other < index or not _covers(limit, tighter)):
                    line = document.position(("limits", other))[0]
                    said = f"can never be the one that refuses: `{tighter.name}` (line {line}) is as tight or tighter"
                    yield document.problem(("limits", index), f"limit `{limit.name}` {said}")
                    break

    def for_nobody(self, entry: Entry, loc: Loc, tiers: Collection[str]) -> Iterator[Problem]:
        if unknown := self.unknown_tiers(tiers):
            said = f"`{loc[-1]}` means nobody: no account has the tier {unknown}"
            yield self.ruleset.documents[entry.path].problem(loc, said)

    def unknown_tiers(self, tiers: Collection[str]) -> str:
        """These tiers, where no caller has any of them."""
        kinds = {entry.kind.name for entry in self.ruleset.entries}
        if not tiers or self.tiers is None or not kinds <= KEEPING or self.strangers():
            return ""
        for entry in self.ruleset.entries:
            # A token may say any tier.
            if isinstance(entry.config, AuthConfig) and entry.config.jwt:
                return ""
        # `default` is what an account has that states none, and what strangers have.
        earned = [
            tier.counted_as
            for entry in self.ruleset.entries
            if isinstance(entry.config, KycConfig)
            for tier in entry.config.tiers
        ]
        if not set(tiers).isdisjoint({*self.tiers, *earned, "default"}):
            return ""
        return " or ".join(f"`{tier}`" for tier in tiers)

    def strangers(self) -> bool:
        """Whether a kind in this chain is not ours: nobody knows what it reads, and what it finds out."""
        return any(not entry.kind.config.__module__.startswith("gateway.") for entry in self.ruleset.entries)

    # -- lists ------------------------------------------------------------------------------------------------------

    def unused_lists(self) -> Iterator[Problem]:
        lists = self.ruleset.feeds.lists
        path = next((path for path in self.ruleset.documents if path.name == FEEDS), None)
        if not lists or path is None or self.strangers():
            return
        named = set(_named(self.ruleset.feeds))
        for entry in self.ruleset.entries:
            named |= set(_named(entry.config)) | (set(entry.when.lists) if entry.when is not None else set())
        document = self.ruleset.documents[path]
        for name, feed in lists.items():
            # One with a `network_kind` is asked for every address, by nobody in particular.
            if name not in named and feed.network_kind is None:
                position = document.key_position(("lists", name))
                yield Problem(path, *position, f"list `{name}` is asked by nobody")


def _challenging(value: Any, loc: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Where in a geo entry it is said that callers are challenged."""
    if isinstance(value, Answer):
        if value.action == "challenge":
            yield loc
    elif isinstance(value, BaseModel):
        for field in sorted(value.model_fields_set):
            inner = getattr(value, field)
            if field == "challenge" and inner is not None:
                yield (*loc, field)
            yield from _challenging(inner, (*loc, field))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from _challenging(inner, (*loc, index))


def _marks_again(earlier: RuleConfig, later: RuleConfig) -> bool:
    """All tags of the later rule are set by the earlier one, for everybody."""
    return (
        (earlier.action, later.action) == ("tag", "tag")
        and earlier.share >= 1.0
        and set(later.tags or ()) <= set(earlier.tags or ())
    )


def _covers(tighter: LimitConfig, limit: LimitConfig) -> bool:
    """Wherever `limit` is short `tighter` is, too, whatever was taken and given back.

    A cost is at most the capacity, so that with two capacities the same exchange may cost two things: two limits on
    tokens or money compare where the capacities are equal. Of requests most exchanges cost one.
    """
    if tighter.measure != limit.measure or set(tighter.per) != set(limit.per):
        return False
    if tighter.cached_weight != limit.cached_weight or (limit.on_exhausted == "cut" != tighter.on_exhausted):
        return False
    for narrow, wide in ((limit.tiers, tighter.tiers), (limit.models, tighter.models)):
        if wide and not (narrow and set(narrow) <= set(wide)):
            return False
    if tighter.capacity <= 0.0:
        # A freeze: what it hides is there for when it ends.
        return False
    if limit.measure == "concurrency":
        return tighter.capacity <= limit.capacity
    one, other = tighter.limit(), limit.limit()
    if limit.measure == "requests":
        return one.capacity <= other.capacity and one.window >= other.window
    return one.capacity == other.capacity and one.rate <= other.rate


def _named(value: Any) -> Iterator[str]:
    """Names of lists that a config may mean: those that its conditions ask, and every text in it."""
    if isinstance(value, Expression):
        yield from value.lists
    elif isinstance(value, str):
        yield value.removeprefix("lists.")
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _named(getattr(value, field))
    elif isinstance(value, dict):
        # Not the keys: in feeds.yaml they are the names themselves.
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _named(inner)
