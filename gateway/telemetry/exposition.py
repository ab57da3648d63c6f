"""Snapshots of all workers, added up and written as Prometheus reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Exemplar

from gateway.telemetry.counters import DECISION_BOUNDS, LATENCY_BOUNDS
from gateway.telemetry.detection import detection

Snapshot = dict[str, Any]
OVERRIDE: Final = "override"
"""What rules that operators have set live are called here, all of them."""
KINDS: Final = ("set", "scale", "freeze", "unlimited", "shadow")
"""Of overrides (`gateway.overrides.override.Kind`)."""
NO_EXEMPLARS: Final[Mapping[int, Exemplar]] = {}


class _Sum(Collector):
    """The metrics of some workers at one moment."""

    def __init__(
        self,
        snapshots: Sequence[Snapshot],
        restarts: int,
        rules: Mapping[str, Any] | None,
        detectors: Sequence[Mapping[str, Any]] | None,
    ) -> None:
        self._snapshots = snapshots
        self._restarts = restarts
        self._rules = rules
        self._detectors = detectors

    def collect(self) -> Iterator[Metric]:
        yield from _exchanges(self._snapshots)
        yield from _labelled(self._snapshots)
        yield from _challenges(self._snapshots)
        yield from _plain(self._snapshots, self._restarts)
        yield from _rules(self._snapshots)
        yield from _overrides(self._snapshots)
        yield from _feeds(self._snapshots, self._rules["lists"] if self._rules is not None else ())
        if self._rules is not None:
            yield from _changes(self._rules)
        if self._detectors is not None:
            yield from detection(self._detectors, self._snapshots)


def _exchanges(snapshots: Sequence[Snapshot]) -> Iterator[Metric]:
    yield _family(
        "tidegate_exchanges",
        "Exchanges that ended. The reason is empty for those passed on.",
        ["dialect", "route", "status", "reason"],
        _listed(snapshots, "exchanges"),
    )


def _labelled(snapshots: Sequence[Snapshot]) -> Iterator[Metric]:
    yield _histogram(
        "tidegate_exchange_seconds",
        "From the whole request to the end of the answer.",
        "duration",
        LATENCY_BOUNDS,
        snapshots,
        _exemplars(snapshots),
    )
    yield _histogram(
        "tidegate_decision_seconds",
        "From the whole request to the chain's answer.",
        "decision",
        DECISION_BOUNDS,
        snapshots,
    )
    yield _family("tidegate_tokens", "Tokens used, as upstreams state them.", ["kind"], _mapped(snapshots, "tokens"))
    yield _family(
        "tidegate_malformed",
        "Requests refused before any policy was asked.",
        ["reason"],
        _mapped(snapshots, "malformed"),
    )
    yield _family(
        "tidegate_policy_failures",
        "Policies that raised instead of deciding.",
        ["policy", "what"],
        _listed(snapshots, "policy_failures"),
    )
    yield _family(
        "tidegate_upstream_events",
        "What happened to connections to upstreams.",
        ["upstream", "event"],
        _listed(snapshots, "upstream"),
    )
    yield _family(
        "tidegate_store_events",
        "Takes and settles that did not go as planned.",
        ["event"],
        _mapped(snapshots, "store"),
    )
    yield _family(
        "tidegate_sightings",
        "Where accounts were seen: told to other workers, learnt from them, or lost.",
        ["event"],
        _mapped(snapshots, "sightings"),
    )
    yield _family(
        "tidegate_directory_events",
        "Lookups in the directory's database, and changes of accounts that were followed.",
        ["event"],
        _mapped(snapshots, "directory"),
    )
    yield _family(
        "tidegate_webhooks",
        "What providers of verifications told us, by what came of it.",
        ["provider", "outcome"],
        _listed(snapshots, "webhooks"),
    )


def _challenges(snapshots: Sequence[Snapshot]) -> Iterator[Metric]:
    yield _family(
        "tidegate_networks",
        "From which networks keys were used: asked of the fleet, told to it, or lost.",
        ["event"],
        _mapped(snapshots, "networks"),
    )
    yield _family(
        "tidegate_refusals",
        "How often accounts were refused: told to the fleet, heard of it, or lost.",
        ["event"],
        _mapped(snapshots, "refusals"),
    )
    yield _family(
        "tidegate_challenges",
        "What happened to accounts, by the rule that challenges.",
        ["rule", "event"],
        _listed(snapshots, "challenges"),
    )
    yield _family(
        "tidegate_challenge_answers",
        "Answers to challenges, by what came of them.",
        ["provider", "outcome"],
        _listed(snapshots, "challenge_answers"),
    )
    yield _family(
        "tidegate_challenge_events",
        "Changes of what is held of accounts, through Redis; and notices of it.",
        ["event"],
        _mapped(snapshots, "challenge_events"),
    )


def _plain(snapshots: Sequence[Snapshot], restarts: int) -> Iterator[Metric]:
    for name, text in (
        ("aborted", "Exchanges that the caller left."),
        ("usage_missing", "Answers that stated no usage: charged by estimate."),
        ("cut", "Streams ended because a quota was used up."),
        ("log_lines_dropped", "Access lines that the log could not take."),
        ("events_dropped", "Events that the exchange log could not take."),
        ("observations_noted", "Exchanges that the sketcher was told of, for the detector."),
        ("observations_dropped", "Exchanges that it was not told of: it was away, or slow."),
        ("traces_dropped", "Traced exchanges that their collector did not take."),
    ):
        yield _family(f"tidegate_{name}", text, [], Counter({(): sum(s[name] for s in snapshots)}))
    for name, text in (
        ("connections", "Client connections open."),
        ("active", "Exchanges under way."),
        ("body_bytes", "Bytes of request bodies held."),
        ("store_available", "Workers whose store answers."),
        ("directory_available", "Workers whose database of accounts answers, or that have none."),
        ("directory_accounts", "Accounts of the database that are in memory."),
        ("draining", "Workers that take no more connections."),
    ):
        yield GaugeMetricFamily(f"tidegate_{name}", text, value=sum(s[name] for s in snapshots))
    yield GaugeMetricFamily("tidegate_workers", "Workers that answer.", value=len(snapshots))
    yield CounterMetricFamily("tidegate_worker_restarts", "Workers that died and were started again.", value=restarts)


def _rules(snapshots: Sequence[Snapshot]) -> Iterator[Metric]:
    ruleset = GaugeMetricFamily("tidegate_ruleset", "Workers by the rules in force.", labels=["digest", "generation"])
    for (digest, generation), count in Counter((s["digest"], str(s["generation"])) for s in snapshots).items():
        ruleset.add_metric([digest, generation], count)
    yield ruleset
    matched: Counter[tuple[str, ...]] = Counter()
    for snapshot in snapshots:
        for entry, rule, action, reason, enforced, count in snapshot["matched"]:
            # Every override has a number of its own, and there is no end to them.
            named = OVERRIDE if rule.startswith(f"{OVERRIDE} ") else rule
            matched[entry, named, action, reason, "enforce" if enforced else "shadow"] += count
    labels = ["entry", "rule", "action", "reason", "mode"]
    yield _family("tidegate_rule_matches", "Exchanges that a rule applied to, or would have.", labels, matched)


def _overrides(snapshots: Sequence[Snapshot]) -> Iterator[Metric]:
    held = [snapshot["overrides"] for snapshot in snapshots]
    kinds = GaugeMetricFamily("tidegate_overrides", "Overrides of limits that hold.", labels=["kind"])
    for kind in KINDS:
        kinds.add_metric([kind], max((one["kinds"].get(kind, 0) for one in held), default=0))
    yield kinds
    yield GaugeMetricFamily(
        "tidegate_override_revision",
        "Up to which change of overrides every worker is.",
        value=min((one["revision"] for one in held), default=0),
    )


def _feeds(snapshots: Sequence[Snapshot], lists: Sequence[tuple[str, float, bool]]) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "tidegate_feed_age_seconds", "Since a database was built, or a list fetched or changed.", labels=["feed"]
    )
    stale = GaugeMetricFamily("tidegate_feed_stale", "1 where that is longer than it may be.", labels=["feed"])
    # All workers map the same files: the oldest, should one be behind.
    oldest = {name: (seconds, is_stale) for name, seconds, is_stale in lists}
    for snapshot in snapshots:
        for name, seconds, is_stale in snapshot["feeds"]:
            oldest[name] = max(oldest.get(name, (0.0, False)), (seconds, is_stale))
    for name, (seconds, is_stale) in sorted(oldest.items()):
        age.add_metric([name], seconds)
        stale.add_metric([name], float(is_stale))
    yield age
    yield stale


def _changes(rules: Mapping[str, Any]) -> Iterator[Metric]:
    reloads: Counter[tuple[str, ...]] = Counter({(outcome,): count for outcome, count in rules["reloads"].items()})
    yield _family("tidegate_ruleset_reloads", "Changes of rules by what came of them.", ["outcome"], reloads)
    yield GaugeMetricFamily(
        "tidegate_ruleset_last_success_timestamp_seconds",
        "When rules last came into force.",
        value=rules["last_success"],
    )
    for name, text in (
        ("refused", "1 while the files on disk are refused."),
        ("set_aside", "1 while the files on disk are set aside by a rollback."),
    ):
        yield GaugeMetricFamily(f"tidegate_ruleset_{name}", text, value=float(rules["files"] == name))


def _mapped(snapshots: Iterable[Snapshot], key: str) -> Counter[tuple[str, ...]]:
    total: Counter[tuple[str, ...]] = Counter()
    for snapshot in snapshots:
        for label, count in snapshot[key].items():
            total[label,] += count
    return total


def _listed(snapshots: Iterable[Snapshot], key: str) -> Counter[tuple[str, ...]]:
    total: Counter[tuple[str, ...]] = Counter()
    for snapshot in snapshots:
        for *labels, count in snapshot[key]:
            total[tuple(str(label) for label in labels)] += count
    return total


def _family(name: str, text: str, labels: list[str], total: Counter[tuple[str, ...]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in sorted(total.items()):
        family.add_metric(list(values), count)
    return family


def _exemplars(snapshots: Sequence[Snapshot]) -> dict[int, Exemplar]:
    """Bucket -> the last exchange in it that was traced."""
    found: dict[int, Exemplar] = {}
    for snapshot in snapshots:
        for bucket, trace, value, at in snapshot["exemplars"]:
            known = found.get(bucket)
            if known is None or (known.timestamp or 0.0) < at:
                found[bucket] = Exemplar({"trace_id": trace}, value, at)
    return found


def _histogram(
    name: str,
    text: str,
    key: str,
    bounds: tuple[float, ...],
    snapshots: Sequence[Snapshot],
    exemplars: Mapping[int, Exemplar] = NO_EXEMPLARS,
) -> HistogramMetricFamily:
    counts = [sum(each) for each in zip(*(s[key][0] for s in snapshots), strict=True)] or [0] * (len(bounds) + 1)
    buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
    running = 0
    for index, (bound, count) in enumerate(zip([*map(str, bounds), "+Inf"], counts, strict=True)):
        running += count
        exemplar = exemplars.get(index)
        buckets.append((bound, float(running)) if exemplar is None else (bound, float(running), exemplar))
    family = HistogramMetricFamily(name, text)
    family.add_metric([], buckets, sum(s[key][1] for s in snapshots))
    return family


def render(
    snapshots: Sequence[Snapshot],
    restarts: int = 0,
    rules: Mapping[str, Any] | None = None,
    *,
    openmetrics: bool = False,
    detectors: Sequence[Mapping[str, Any]] | None = None,
) -> bytes:
    """Text exposition format 0.0.4, or OpenMetrics 1.0.0, which has exemplars. `rules` is the supervisor's word on the
    rules: gateway.control.rulesets. `detectors` is how each is: gateway.control.fleet; None where there are none.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sum(snapshots, restarts, rules, detectors))
    generate: Callable[[CollectorRegistry], bytes] = generate_openmetrics if openmetrics else generate_latest
    return generate(registry)
