"""The shape of `policies/tests/*.yaml`: exchanges, and what is expected of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from gateway.accounts.model import AccountId
from gateway.policy import NetworkKind
from gateway.quantities import COUNT_SCHEMA, MONEY_SCHEMA, Count, Duration, Name, amount
from gateway.rehearsal.given import NOBODY_SPECIAL, AccountGiven, Given, Written
from gateway.rehearsal.places import named, parts, rollouts
from gateway.rules.check import check, read_as
from gateway.rules.problems import Problem, Problems, did_you_mean
from gateway.rules.read import Document, Loc
from gateway.rules.ruleset import Ruleset

FOLDER: Final = "tests"
"""Where they stand, below the folder of policies."""


Left = Annotated[
    float,
    BeforeValidator(amount),
    WithJsonSchema({"anyOf": [*COUNT_SCHEMA["anyOf"], *MONEY_SCHEMA["anyOf"]]}),
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Used(Written):
    """How an exchange ended, where that is not the ordinary way: at once, with status 200 and what was reserved."""

    status: Annotated[int, Field(ge=0, le=599)] = 200
    """Of the upstream's answer; 0 for none."""
    input: Count | None = None
    """Tokens really used. Where neither this nor `output` is stated, the answer states no usage."""
    output: Count | None = None
    """Tokens really used."""
    cached: Count = 0
    """Input tokens that came from a cache; not part of `input`."""
    cache_creation: Count = 0
    """Input tokens written to a cache; not part of `input`."""
    after: Duration = 0.0
    """How long it took."""


class Expect(Written):
    """What is expected of an answer. A key that is not stated is not looked at; one that is holds exactly."""

    decision: Literal["allow", "deny", "challenge", "throttle"] | None = None
    """What the caller gets."""
    reason: str | None = None
    """The code of the refusal."""
    entry: str | None = None
    """The entry of the chain that refuses."""
    rule: str | None = None
    """The rule, or the limit, that refuses."""
    detail: str | None = None
    """A part of what the caller is told."""
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    """The HTTP status of the refusal."""
    retry_after: Duration | Literal["never"] | None = None
    """How long the caller is told to wait, to the millisecond; `never` where waiting does not help."""
    limits: dict[Name, Left] = Field(default_factory=dict)
    """Name of a limit -> what is left in it afterwards. Others may be taken from, too."""
    matches: tuple[str, ...] | None = None
    """Rules that applied and hold, in order."""
    shadow: tuple[str, ...] | None = None
    """Rules that applied and are not enforced, in order; an entry in shadow that has no rules, by its name."""
    tags: frozenset[str] | None = None
    """All tags in the end."""
    weight: int | None = None
    """All suspicion in the end."""
    country: str | None = None
    """Where the caller was placed."""
    asn: int | None = None
    """Whose network the caller was placed in."""
    network_kinds: frozenset[NetworkKind] | None = None
    """What the caller's address was taken for."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("expects nothing: state at least `decision`")
        refusing = {"reason", "entry", "rule", "detail", "status", "retry_after"} & self.model_fields_set
        if self.decision == "allow" and refusing:
            raise ValueError(f"expects `allow` and the `{min(refusing)}` of a refusal")
        return self


class Step(Written):
    """One request of several."""

    given: Given = Given()
    """What is different from the test's `given`."""
    after: Duration = 0.0
    """Time since the step before."""
    repeat: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """So many requests at one moment; what is expected is expected of the last."""
    used: Used | None = None
    """How it ends."""
    running: bool = False
    """It does not end before the test does: its slot stays taken."""
    solved: bool = False
    """The challenge that the step before it was answered with is passed before it, as its owner would."""
    expect: Expect | None = None
    """Of the answer."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        if self.running and self.used is not None:
            raise ValueError("is `running`, and has `used` something in the end")
        return self


class Test(Step):
    """One exchange, or several in a row, with buckets and memories of its own."""

    __test__ = False  # pytest would take it for one of its own.

    name: Title
    """What it states, as a sentence. Unique in its file."""
    counters: dict[Name, Left] = Field(default_factory=dict)
    """Name of a limit -> what is left in each bucket of it before the first request."""
    steps: tuple[Step, ...] = ()
    """Requests in a row, in place of one."""

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        own = {"after", "repeat", "used", "running", "solved", "expect"} & self.model_fields_set
        if self.steps and own:
            raise ValueError(f"has `steps`: `{min(own)}` belongs into one of them")
        if self.sequence[0].solved:
            raise ValueError("has `solved` where nothing was asked before")
        if not any(step.expect is not None for step in self.sequence):
            raise ValueError("expects nothing: state `expect`")
        return self

    @property
    def sequence(self) -> tuple[Step, ...]:
        return self.steps or (self,)


class TestFile(Written):
    """The whole file."""

    __test__ = False

    accounts: dict[AccountId, AccountGiven] = Field(default_factory=dict)
    """Accounts that the tests name."""
    given: Given = Given()
    """What all tests of the file have in common."""
    tests: Annotated[tuple[Test, ...], Field(min_length=1)]
    """Each for itself."""


class Request(Given):
    """The whole file of `tidegate explain`: one exchange. A captured request is one: method, path, fields, body."""

    accounts: dict[AccountId, AccountGiven] = Field(default_factory=dict)
    """Accounts that it may name, beside those of accounts.yaml."""
    counters: dict[Name, Left] = Field(default_factory=dict)
    """Name of a limit -> what is left in it before."""


class Suite(NamedTuple):
    """A file of tests, checked."""

    document: Document
    file: TestFile


def suites(folder: Path, ruleset: Ruleset) -> tuple[Suite, ...]:
    """All tests of a folder of policies, in the order of their names. Raises Problems with all that is wrong."""
    found, problems = [], set[Problem]()
    for path in sorted((folder / FOLDER).rglob("*.yaml")):
        try:
            found.append(suite(path, ruleset))
        except Problems as wrong:
            problems.update(wrong.problems)
    if problems:
        raise Problems(problems)
    return tuple(found)


def suite(path: Path, ruleset: Ruleset) -> Suite:
    """One file. Raises Problems."""
    document = read_as(path, TestFile)
    file = check(document, TestFile, {})
    problems = set(_Names(document, file, ruleset).problems())
    if problems:
        raise Problems(problems)
    return Suite(document, file)


def request(path: Path, ruleset: Ruleset) -> tuple[Document, Request]:
    """The file of `tidegate explain`. Raises Problems. Its account may be none of the file's own."""
    document = read_as(path, Request)
    found = check(document, Request, {})
    names = _Names(document, TestFile.model_construct(accounts=found.accounts), ruleset)
    problems = set(names.keys(("counters",), found.counters, names.limits, "limit"))
    problems.update(names.sides((), found))
    if problems:
        raise Problems(problems)
    return document, found


class _Names:
    """Whatever a test names has to be there: a misspelt rule would be a test that can only fail."""

    def __init__(self, document: Document, file: TestFile, ruleset: Ruleset) -> None:
        things = named(ruleset)
        self.document = document
        self.file = file
        self.entries = [entry.name for entry in ruleset.entries]
        self.limits = [thing.name for thing in things if thing.has_bucket]
        self.local = {thing.name for thing in things if thing.is_local}
        self.rules = [thing.name for thing in things]
        self.parts = parts(ruleset)
        self.shares = rollouts(ruleset)

    def problems(self) -> Iterator[Problem]:
        first: dict[str, int] = {}
        yield from self.given(("given",), self.file.given)
        for name, account in self.file.accounts.items():
            if account.id is not None:
                yield self.document.problem(("accounts", name, "id"), "`id` is the key already: leave it out")
        for index, test in enumerate(self.file.tests):
            loc: Loc = ("tests", index)
            if test.name in first:
                line, _ = self.document.position(("tests", first[test.name], "name"))
                message = f"duplicate name `{test.name}`: it first stands in line {line}"
                yield self.document.problem((*loc, "name"), message)
            first.setdefault(test.name, index)
            yield from self.keys((*loc, "counters"), test.counters, self.limits, "limit")
            for name in self.local.intersection(test.counters):
                message = f"limit `{name}` is counted by each worker for itself, and cannot be filled: use `repeat`"
                yield self.document.problem((*loc, "counters", name), message)
            yield from self.step(loc, test)
            for number, step in enumerate(test.steps):
                yield from self.step((*loc, "steps", number), step)

    def step(self, loc: Loc, step: Step) -> Iterator[Problem]:
        yield from self.given((*loc, "given"), step.given)
        if "steps" in loc and step.given.enforced:
            said = "is for the whole test: one that has `steps` states it beside them"
            yield self.document.problem((*loc, "given", "enforced"), f"`enforced` {said}")
        expect = step.expect
        if expect is None:
            return
        below = (*loc, "expect")
        yield from self.keys((*below, "limits"), expect.limits, self.limits, "limit")
        for key, value, known in (("entry", expect.entry, self.entries), ("rule", expect.rule, self.rules)):
            if value is not None and value not in known and (key == "entry" or value not in self.parts):
                yield self.unknown((*below, key), key, value, known)
        for key, values in (("matches", expect.matches), ("shadow", expect.shadow)):
            for index, value in enumerate(values or ()):
                if value not in self.rules and value not in self.entries and value not in self.parts:
                    yield self.unknown((*below, key, index), "rule", value, [*self.rules, *self.entries])

    def given(self, loc: Loc, given: Given) -> Iterator[Problem]:
        if isinstance(given.account, str) and given.account not in self.file.accounts:
            yield self.unknown((*loc, "account"), "account", given.account, self.file.accounts)
        yield from self.keys((*loc, "verdicts"), given.verdicts, [*self.file.accounts, NOBODY_SPECIAL], "account")
        yield from self.sides(loc, given)

    def sides(self, loc: Loc, given: Given) -> Iterator[Problem]:
        """What is enforced, and on which side of that the account is."""
        yield from self.keys((*loc, "rollout"), given.rollout, self.shares, "entry or rule")
        for name in sorted(given.enforced - self.shares.keys()):
            yield self.unknown((*loc, "enforced"), "entry or rule", name, self.shares)
        for name, side in given.rollout.items():
            share = self.shares[name].share if name in self.shares else 0.5
            if name not in given.enforced and share == (0.0 if side == "inside" else 1.0):
                said = f"`{name}` is {'in shadow' if side == 'inside' else 'enforced'} for everybody: nobody is {side}"
                more = f"; `enforced: [{name}]` under `given` asks it as if it were not" if side == "inside" else ""
                yield self.document.problem_at(self.document.key_position((*loc, "rollout", name)), said + more)

    def keys(self, loc: Loc, stated: Mapping[str, Any], known: Iterable[str], word: str) -> Iterator[Problem]:
        names = list(known)
        for name in stated:
            if name not in names:
                message = self.unknown((*loc, name), word, name, names).message
                yield self.document.problem_at(self.document.key_position((*loc, name)), message)

    def unknown(self, loc: Loc, word: str, value: str, known: Iterable[str]) -> Problem:
        names = sorted(set(known))
        near = did_you_mean(value, names) or (f": there are {', '.join(names[:12])}" if names else ": there are none")
        return self.document.problem(loc, f"unknown {word} `{value}`{near}")
