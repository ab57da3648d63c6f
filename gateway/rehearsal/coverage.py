"""What the tests of a folder have reached: entries, rules and limits, and which of them were seen only one way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from gateway.rehearsal.answer import Answer, Stage
from gateway.rehearsal.places import Named, Place, Places, head_of, named
from gateway.rules.ruleset import Entry, Ruleset

NOT_ASKED: Final = "not asked"
"""In the note of a Finding: it holds or not, and nobody asked."""


class Gap(NamedTuple):
    """Something that no test has reached, or only one side of it."""

    place: Place
    what: str
    """entry, rule or limit."""
    entry: str
    name: str
    problem: str


class Coverage(NamedTuple):
    """`reached` of `all`: an entry counts once, a limit once, a rule twice (it applies, it does not)."""

    reached: int
    all: int
    gaps: tuple[Gap, ...]

    @property
    def share(self) -> float:
        return self.reached / self.all if self.all else 1.0


class Seen:
    """What was reached so far."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self.things = named(ruleset)
        self._known = {(thing.entry, thing.name) for thing in self.things}
        self._limits = {(thing.entry, thing.name) for thing in self.things if thing.is_limit}
        self.entries: set[str] = set()
        self.applied: set[tuple[str, str]] = set()
        self.spared: set[tuple[str, str]] = set()
        """Rules that were looked at and did not apply, and limits with room."""
        self.listed: dict[tuple[str, str], Entry] = {}
        """What entries said that they look at: rules, and parts of a file that are no list of rules."""

    def note(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            self._note(answer)

    def _note(self, answer: Answer) -> None:
        matched = {(entry, match.rule) for entry, match in answer.matches if match.rule}
        # Of what stands in a list and has parts, it is what applies.
        self.applied |= matched | {(entry, head_of(rule)) for entry, rule in matched}
        asked = [step for step in answer.trail if step.stage in {Stage.ASKED, Stage.SHADOW}]
        for step in asked:
            name = step.entry.name
            self.entries.add(name)
            for finding in step.findings:
                key = self._key(step.entry, finding.rule)
                if key is None or key in self._limits:
                    # A limit is reached where something is taken from it.
                    continue
                if NOT_ASKED not in finding.note:
                    (self.applied if finding.applies else self.spared).add(key)
            if not step.findings:
                # It does not say what it looked at: then what did not apply was looked at.
                rules = {(name, thing.name) for thing in self.things if thing.entry == name and not thing.is_limit}
                self.spared |= rules - matched
            if step.decision is not None:
                self.spared |= {(name, take.bucket.limit.name) for take in step.decision.takes if take != answer.short}
        if answer.short is not None:
            self.applied.add((answer.entry, answer.short.bucket.limit.name))

    def _key(self, entry: Entry, rule: str) -> tuple[str, str] | None:
        """By what a finding counts: its rule, or itself. None for a part that nobody wrote: it is as by default."""
        head = head_of(rule)
        for key in ((entry.name, rule), (entry.name, head)):
            if key in self._known:
                return key
        config = entry.config
        if head in type(config).model_fields and head not in config.model_fields_set:
            return None
        self.listed.setdefault((entry.name, rule), entry)
        return entry.name, rule

    def coverage(self) -> Coverage:
        places = Places(self.ruleset)
        entries = [entry.name for entry in self.ruleset.entries]
        unasked = [name for name in entries if name not in self.entries]
        gaps = [Gap(places.entry(name), "entry", name, name, "no test asks it") for name in unasked]
        missing, total = len(unasked), len(entries)
        for thing in (*self.things, *self._parts(places)):
            if thing.is_local:
                # A guard counts inside of itself, and tells nobody.
                continue
            key = (thing.entry, thing.name)
            applied, spared = key in self.applied, key in self.spared
            total += 1 if thing.is_limit else 2
            missing += (not applied and not spared) if thing.is_limit else (not applied) + (not spared)
            problem = _problem(thing, applied, spared)
            if problem:
                gaps.append(Gap(thing.place, "limit" if thing.is_limit else "rule", thing.entry, thing.name, problem))
        return Coverage(total - missing, total, tuple(gaps))

    def _parts(self, places: Places) -> Iterator[Named]:
        """What entries said that they look at, and that is no item of a list."""
        for (name, rule), entry in self.listed.items():
            place = places.rule(name, rule) or Place(entry.path, 1, 1)
            yield Named(name, entry.kind.name, "", rule, place, 1.0, is_local=False, has_bucket=False)


def _problem(thing: Named, applied: bool, spared: bool) -> str:
    if thing.is_limit:
        return "" if applied or spared else "no test takes from it"
    if not applied and not spared:
        return "no test comes to it"
    if applied and spared:
        return ""
    return "it never applies" if spared else "it always applies"
