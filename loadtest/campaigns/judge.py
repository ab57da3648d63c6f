"""The judge: what leaked, how soon it was seen, who was hurt (detection.md, section 7). Knows nothing of how.

An account is *contained* from the first verdict on by which nothing of it passes without a challenge. An honest account
counts as challenged where such a verdict was ever said of it, also where it did not ask again: it would have been.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from gateway.campaigns.verdict import Level
from loadtest.campaigns.columns import Kind
from loadtest.campaigns.runs import ALLOW, DELAYING, REFUSED_BEFORE, Run
from loadtest.campaigns.traces import DAY
from loadtest.campaigns.truth import Truth

CONTAINED: Final = int(Level.CHALLENGE)
NEVER: Final = "never"
"""Infinite, in JSON."""
CONFIRMED: Final = 10
"""Accounts of the campaign in one cluster that are contained: then it is confirmed."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was reached, since the campaign began. Infinite: never."""

    minutes: float = math.inf
    exchanges: float = math.inf
    """Distillation exchanges until then."""
    share: float = math.inf
    """Of all distillation exchanges that were attempted."""


@dataclass(frozen=True, slots=True)
class Group:
    """Honest accounts of one label. Shares of accounts, and of their requests."""

    accounts: int
    told: float
    """A verdict was said of them, at any level."""
    challenged: float
    """A verdict of that level was said of them, also where they did not ask again: the strict count."""
    verified: float
    suspended: float
    delayed: float
    refused: float
    met: float = 0.0
    """They did ask again, and met it: at least one request was held, challenged or refused, and not told to wait."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one run on one world. Shares are from 0 to 1; NaN where there was nothing to share."""

    leak: float
    leak_by_lab: dict[str, float]
    new_model_leak: float
    """In the 24 h after its release."""
    alarm: Moment
    confirmed: Moment
    half: Moment
    """Half of the campaign's accounts are contained."""
    nine_tenths: Moment
    until_contained: dict[str, float]
    """p50 and p90 over accounts: distillation exchanges until contained; infinite where they never were."""
    precision: float
    """Of contained accounts: share that is of the campaign."""
    recall: float
    purity: float
    """Of all clusters: share of members that are of the most frequent party kind."""
    benign: Group
    negatives: dict[str, Group] = field(default_factory=dict)
    burnt: float = math.nan
    """Accounts of the campaign contained, per 1,000 leaked exchanges."""
    attempts: int = 0
    accounts: int = 0

    @property
    def worst(self) -> tuple[str, float]:
        """The hard negative of which the most were challenged."""
        shares = ((name, group.challenged) for name, group in self.negatives.items())
        return max(shares, key=lambda one: one[1], default=("", math.nan))

    def plain(self) -> dict[str, Any]:
        """For JSON: infinite is "never", NaN null."""
        return _plain(asdict(self))  # type: ignore[no-any-return]

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Self:
        """What `plain` wrote."""
        found = _known(plain)
        for name in ("alarm", "confirmed", "half", "nine_tenths"):
            found[name] = Moment(**found[name])
        negatives = {name: Group(**group) for name, group in found.pop("negatives").items()}
        return cls(**found | {"benign": Group(**found["benign"]), "negatives": negatives})


def judge(truth: Truth, run: Run) -> Judgement:
    """Raises ValueError where there is nobody to judge."""
    if not truth.accounts:
        raise ValueError("a world without accounts has nothing to judge")
    labels = truth.labels()
    hostile = labels == "campaign"
    tried = (truth.kinds == Kind.DISTILLATION) & (run.decisions != REFUSED_BEFORE)
    passed = run.decisions == ALLOW
    reached = first_reached(truth, run)
    contained_at = reached[CONTAINED]
    began = float(truth.times[tried].min()) if tried.any() else truth.began
    clock = Clock(np.sort(truth.times[tried]), began)
    first_day = tried & truth.new & (truth.times >= truth.release) & (truth.times < truth.release + DAY)
    labs = np.array([account.lab for account in truth.accounts])
    of_lab = labs[truth.of]
    active = np.unique(truth.of[tried])
    in_time = np.sort(contained_at[active])
    leaked = int((tried & passed).sum())
    stopped = np.isfinite(contained_at)
    return Judgement(
        leak=_share(passed, tried),
        leak_by_lab={str(lab): _share(passed, tried & (of_lab == lab)) for lab in np.unique(labs[active])},
        new_model_leak=_share(passed, first_day),
        alarm=clock.at(float(np.min(reached[0][hostile], initial=math.inf))),
        confirmed=clock.at(confirmed(truth, run)),
        half=clock.at(_nth(in_time, 0.5)),
        nine_tenths=clock.at(_nth(in_time, 0.9)),
        until_contained=until_contained(truth, tried, active, contained_at),
        precision=_share(hostile, stopped),
        recall=_share(stopped[active], np.ones(len(active), np.bool_)),
        purity=purity(truth, run),
        benign=group(truth, run, reached, ~hostile),
        negatives={
            str(label): group(truth, run, reached, labels == label)
            for label in np.unique(labels)
            if label not in {"benign", "campaign"}
        },
        burnt=1_000.0 * float((stopped & hostile).sum()) / leaked if leaked else math.nan,
        attempts=int(tried.sum()),
        accounts=len(active),
    )


@dataclass(frozen=True, slots=True)
class Clock:
    """Turns moments into what was attempted until then."""

    attempts: npt.NDArray[np.float64]
    began: float

    def at(self, time: float) -> Moment:
        if not math.isfinite(time) or not len(self.attempts):
            return Moment()
        before = int(np.searchsorted(self.attempts, time))
        return Moment(max(0.0, (time - self.began) / 60.0), float(before), before / len(self.attempts))


def first_reached(truth: Truth, run: Run) -> dict[int, npt.NDArray[np.float64]]:
    """Level -> for each account when a verdict of this level or above was first said; infinite for never."""
    numbers = {account.account: number for number, account in enumerate(truth.accounts)}
    reached = {int(level): np.full(len(numbers), math.inf) for level in Level}
    for word in run.verdicts:
        if word.score <= 0.0:
            continue
        number = numbers[word.account]
        for level in range(word.level + 1):
            reached[level][number] = min(reached[level][number], word.time)
    return reached


def confirmed(truth: Truth, run: Run) -> float:
    """When a cluster first had so many contained accounts, nearly all of them of the campaign."""
    of = {account.account: account.label == "campaign" for account in truth.accounts}
    members: defaultdict[str, set[str]] = defaultdict(set)
    for word in run.verdicts:
        if word.level >= CONTAINED and word.score > 0.0:
            mine = members[word.cluster]
            mine.add(word.account)
            if len(mine) >= CONFIRMED and of[word.account]:
                guilty = sum(of[account] for account in mine)
                if guilty >= CONFIRMED and guilty >= 0.95 * len(mine):
                    return word.time
    return math.inf


def until_contained(
    truth: Truth, tried: Flags, active: npt.NDArray[np.int32], contained_at: npt.NDArray[np.float64]
) -> dict[str, float]:
    before = tried & (truth.times < contained_at[truth.of])
    counts = np.bincount(truth.of[before], minlength=len(truth.accounts))[active].astype(float)
    counts[~np.isfinite(contained_at[active])] = math.inf
    return {"p50": _nth(np.sort(counts), 0.5), "p90": _nth(np.sort(counts), 0.9)}


def purity(truth: Truth, run: Run) -> float:
    label = {account.account: account.label for account in truth.accounts}
    members = [Counter(label[account] for account in accounts) for accounts in run.members.values() if accounts]
    total = sum(counts.total() for counts in members)
    return sum(counts.most_common(1)[0][1] for counts in members) / total if total else math.nan


def group(truth: Truth, run: Run, reached: dict[int, npt.NDArray[np.float64]], mine: Flags) -> Group:
    requests = mine[truth.of] & (run.decisions != REFUSED_BEFORE)
    said = run.decisions[requests]
    delayed = np.isin(said, list(DELAYING))
    count = max(1, int(requests.sum()))
    known = {level: float(np.isfinite(times[mine]).mean()) if mine.any() else 0.0 for level, times in reached.items()}
    return Group(
        accounts=int(mine.sum()),
        told=known[int(Level.OBSERVE)],
        challenged=known[int(Level.CHALLENGE)],
        verified=known[int(Level.VERIFY)],
        suspended=known[int(Level.SUSPEND)],
        delayed=float(delayed.sum()) / count,
        refused=float(((said != ALLOW) & ~delayed).sum()) / count,
        met=len(np.unique(truth.of[requests][(said != ALLOW) & ~delayed])) / max(1, int(mine.sum())),
    )


def _share(of: Flags, among: Flags) -> float:
    return float(of[among].mean()) if among.any() else math.nan


def _nth(ordered: npt.NDArray[np.float64], share: float) -> float:
    """The value by which `share` of them is reached."""
    return float(ordered[max(0, math.ceil(share * len(ordered)) - 1)]) if len(ordered) else math.inf


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None if math.isnan(value) else NEVER
    return value


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(member) for key, member in value.items()}
    return math.nan if value is None else math.inf if value == NEVER else value
