"""The whole page of docs/benchmarks.md, and the tables of the terminal, from the samples alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from loadtest import payloads, prose
from loadtest.goals import GOALS, Goal, added_p99
from loadtest.results import Results, divided
from loadtest.scenarios import DIRECT, SCENARIOS, Scenario
from loadtest.targets import TARGETS

COLUMNS = ("CPU µs/request", "req/s", "p50 ms", "p99 ms", "RSS MiB", "cores", "Redis µs", "× nginx", "× Envoy")
GOAL_COLUMNS = ("Goal", "Must", "Aim", "Found", "Quietest rounds", "Verdict")
NOTHING = "–"
QUIET = 0.2
"""Cores that strangers may use during a sample of a machine that is called quiet."""

Part = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A title, the heads of a table, its rows."""


def title_of(name: str) -> str:
    """What people call a target."""
    return TARGETS[name].title if name in TARGETS else "the upstream itself"


def number(value: float | None, digits: int = 1) -> str:
    """As a table shows it: three figures are enough of anything measured here."""
    if value is None:
        return NOTHING
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")  # a narrow space parts thousands
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def ratio(value: float | None) -> str:
    """2.1x; 1/42 where it is small."""
    if value is None:
        return NOTHING
    if 0 < value < 0.2:
        return f"1/{1 / value:.0f}"
    return f"{value:.2f}x"


def spread(results: Results, scenario: str, target: str, name: str, digits: int = 1) -> str:
    """Median (least to most)."""
    median = results.median(scenario, target, name)
    if median is None:
        return NOTHING
    least, most = results.least(scenario, target, name), results.most(scenario, target, name)
    return f"{number(median, digits)} ({number(least, digits)} to {number(most, digits)})"


def rows(results: Results, scenario: str) -> Iterator[tuple[str, ...]]:
    """One row a target, in the order of the table of targets."""
    present = results.targets(scenario)
    for name in (*TARGETS, DIRECT):
        if name not in present:
            continue
        median = {
            key: results.median(scenario, name, key)
            for key in ("rps", "p50_ms", "p99_ms", "rss_mib", "busy", "redis_us")
        }
        yield (
            title_of(name),
            spread(results, scenario, name, "cpu_us"),
            number(median["rps"], 0),
            number(median["p50_ms"], 2),
            number(median["p99_ms"], 2),
            number(median["rss_mib"], 0),
            number(median["busy"], 2),
            number(median["redis_us"]),
            *(ratio(results.ratio(scenario, name, other)) if name != other else "1" for other in ("nginx", "envoy")),
        )


def goal_row(goal: Goal, results: Results) -> tuple[str, ...]:
    """What was promised, what was found, and in the quietest rounds."""

    def shown(figure: float | None) -> str:
        return ratio(figure) if goal.unit == "x" or figure is None else f"{number(figure)} {goal.unit}"

    found, quietest = goal.read(results, False), goal.read(results, True)
    return (
        goal.name,
        f"≤ {shown(goal.must)}",
        f"≤ {shown(goal.aim)}",
        shown(found),
        shown(quietest),
        goal.verdict(results),
    )


def markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the figures to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in body]
    return "\n".join(lines)


def show(results: Results, console: Console) -> None:
    """All tables, for a terminal."""
    for scenario in _measured(results):
        table = Table(title=scenario.title, title_justify="left", header_style="bold")
        heads = ("target", *COLUMNS) if scenario.kind != "idle" else ("target", "KiB/stream", "streams")
        for index, head in enumerate(heads):
            table.add_column(head, justify="right" if index else "left", no_wrap=True)
        for row in rows(results, scenario.name) if scenario.kind != "idle" else _idle_rows(results, scenario):
            table.add_row(*row)
        console.print(table)
    for title, columns, body in _measures(results):
        table = Table(*columns, title=title, title_justify="left")
        for cells in body:
            table.add_row(*cells)
        console.print(table)
    table = Table("goal", "must", "aim", "found", "quietest", "", title="Targets", title_justify="left")
    for goal in GOALS:
        table.add_row(*goal_row(goal, results))
    console.print(table)
    for problem in results.problems:
        console.print(f"! {problem}", style="yellow", markup=False)


def page(results: Results, plot: str = "") -> str:
    """The Markdown page. `plot` is the path of the chart from where the page is, if there is one."""
    parts = [
        "# Benchmarks",
        prose.WRITTEN,
        _where(results),
        "## Targets\n\n" + markdown_table(GOAL_COLUMNS, [goal_row(g, results) for g in GOALS]),
        _read_with_care(results),
        f"![CPU of a request]({plot})" if plot else "",
        "## Results\n\n" + prose.COLUMNS,
        *(_section(results, scenario) for scenario in _measured(results)),
        *(f"### {title}\n\n" + markdown_table(head, body) for title, head, body in _measures(results)),
        "## Method\n\n" + prose.method(str(results.options.get("generator", "wrk"))),
        "## Who does what\n\n" + _who(results),
        "## Limits of this page\n\n" + prose.LIMITS,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _measured(results: Results) -> list[Scenario]:
    present = results.scenarios()
    return [scenario for scenario in SCENARIOS if scenario.name in present]


def _section(results: Results, scenario: Scenario) -> str:
    if scenario.kind == "idle":
        body = _idle_rows(results, scenario)
        return f"### {scenario.title}\n\n" + markdown_table(("Target", "KiB a stream", "Streams held"), body)
    text = f"### {scenario.title}\n\n" + markdown_table(("Target", *COLUMNS), list(rows(results, scenario.name)))
    if scenario.kind == "sse":
        chunks = [
            (title_of(name), spread(results, scenario.name, name, "chunk_us", 2))
            for name in results.targets(scenario.name)
        ]
        text += "\n\n" + markdown_table(("Target", "CPU µs/chunk"), chunks)
        text += f"\n\nThe pacing of a stream alone takes {(payloads.CHUNKS - 1) * payloads.CHUNK_EVERY * 1000:.0f} ms."
    if scenario.kind == "paced":
        added = [
            (title_of(name), number(_added_p50(results, name), 2), number(added_p99(results, name), 2))
            for name in results.targets(scenario.name)
            if name != DIRECT
        ]
        text += "\n\n" + markdown_table(("Target", "added p50 ms", "added p99 ms"), added)
        text += "\n\n" + prose.HALF_LOAD
    return text


def _added_p50(results: Results, target: str) -> float | None:
    through, direct = (results.median("half-load", name, "p50_ms") for name in (target, DIRECT))
    return None if through is None or direct is None else through - direct


def _idle_rows(results: Results, scenario: Scenario) -> list[tuple[str, ...]]:
    return [
        (
            title_of(name),
            spread(results, scenario.name, name, "stream_kib"),
            number(results.median(scenario.name, name, "held"), 0),
        )
        for name in results.targets(scenario.name)
    ]


def _measures(results: Results) -> Iterator[Part]:
    chain = next((sample.values for sample in results.samples if sample.scenario == "chain"), None)
    shares = list(_shares(results, chain or {}))
    if shares:
        yield "Where the microseconds of an exchange are", ("CPU, JSON with 64 connections", "µs"), shares
    if chain:
        pieces = [(name, number(us, 2)) for name, us in chain.items() if name != "chain_us"]
        whole = ("**the whole chain: ask all, settle all**", number(chain["chain_us"], 2))
        yield "The policy chain in process", ("Part, each timed alone", "µs"), [whole, *pieces]
    if results.values("redis", "take", "redis_us"):
        halves = [(what, spread(results, "redis", half, "redis_us")) for half, what in _HALVES]
        yield "CPU of Redis for one exchange", ("Script", "µs"), halves
    many = next((s.values for s in results.samples if s.scenario == "accounts" and s.target == "many"), None)
    one = next((s.values for s in results.samples if s.scenario == "accounts" and s.target == "one"), None)
    if one and many:
        head = ("", "1 account", f"{many['count']:,.0f} accounts".replace(",", " "), "ratio")
        body = [
            ("CPU of the chain and the store's client, µs an exchange", *_pair(one, many, "cpu_us")),
            ("CPU of Redis, µs an exchange", *_pair(one, many, "redis_us")),
            ("bytes of Redis an account", NOTHING, number(many["redis_bytes"], 0), NOTHING),
            ("bytes of a worker an account, with one key", NOTHING, number(many["worker_bytes"], 0), NOTHING),
        ]
        yield "One account and many", head, body


def _shares(results: Results, chain: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """By subtraction, and by what the chain costs alone: parts of one figure that were measured in different ways."""
    whole, auth, nginx = (results.least("json-64", name, "cpu_us") for name in ("tidegate", "tidegate-auth", "nginx"))
    if whole is None or auth is None:
        return
    yield "Tidegate, the quietest round", number(whole)
    yield (
        "of it quotas, by subtraction of `auth only`: buckets, lease, settling, and the protocol of Redis",
        number(whole - auth),
    )
    yield "all else: HTTP twice, sockets, reading, auth, access log, metrics", number(auth)
    if nginx is not None:
        yield "for comparison nginx: HTTP twice and sockets in C", number(nginx)
    if chain:
        reading = sum(us for name, us in chain.items() if name.startswith("beside the chain"))
        yield "in process: the whole policy chain, without I/O", number(chain["chain_us"])
        yield "in process: reading the request and the answer's usage, making a Context", number(reading)


_HALVES = (("take", "take: four buckets and a lease"), ("settle", "settle: four corrections, and the lease's release"))


def _pair(one: dict[str, float], many: dict[str, float], key: str) -> tuple[str, str, str]:
    return number(one[key]), number(many[key]), ratio(divided(many[key], one[key]))


def _where(results: Results) -> str:
    machine, options = results.machine, results.options
    dirty = ", **with changes that are not committed**" if results.dirty else ""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results.versions.items()))
    lines = [
        f"Measured {results.date} at commit `{results.commit}`{dirty}.",
        "",
        f"- Machine: {machine.get('cores')} cores of {machine.get('cpu')}, {machine.get('memory_gib')} GiB"
        f"{', a virtual machine that shares its host' if machine.get('virtual') else ''}; "
        f"{machine.get('system')}, {machine.get('kernel')}; {machine.get('open_files')} open files.",
        f"- Versions: {versions}.",
        f"- Rounds: {options.get('rounds')}; a sample: {options.get('seconds'):g} s; generator: "
        f"{options.get('generator')}.",
        *(f"- Not measured: {title}: {why}." for title, why in results.absent.items()),
    ]
    return "\n".join(lines)


def _read_with_care(results: Results) -> str:
    steal = [sample.values["steal"] for sample in results.samples if "steal" in sample.values]
    lines = ["Peers do not do the same work: read every ratio beside [who does what](#who-does-what)."]
    missing = [kind for kind, asked in results.kinds.items() if not asked]
    if results.kinds:
        asked = [kind for kind, there in results.kinds.items() if there]
        lines.append(
            f"The chain asked {', '.join(asked)}"
            + (f"; not in it: {', '.join(missing)}." if missing else ": every kind that is installed.")
        )
    wide = [
        (s.name, t) for s in _measured(results) for t in results.targets(s.name) if _noise(results, s.name, t) > 1.3
    ]
    if wide:
        named = ", ".join(f"{title_of(target)} in {scenario}" for scenario, target in wide[:8])
        lines.append(
            f"Noisy, with a worst round over 1.3 times the best: {named}{' and more' if len(wide) > 8 else ''}."
        )
    others = sorted(sample.values["others"] for sample in results.samples if "others" in sample.values)
    if others:
        lines.append(
            f"Other programs of the machine used {others[len(others) // 2]:.2f} cores during a sample (median; at most "
            f"{others[-1]:.2f}): "
            + ("it was quiet." if others[-1] < QUIET else "**it was not quiet**, figures are high.")
        )
    if steal:
        lines.append(f"The hypervisor took up to {max(steal):.1%} of the machine during a sample.")
    if results.problems:
        lines.append("What went wrong in this run:")
        lines += [f"`{problem[:300]}`" for problem in results.problems]
    return "\n".join(f"- {line}" for line in lines)


def _noise(results: Results, scenario: str, target: str) -> float:
    return divided(results.most(scenario, target, "cpu_us"), results.least(scenario, target, "cpu_us")) or 1.0


def _who(results: Results) -> str:
    present = {target for scenario in results.scenarios() for target in results.targets(scenario)}
    return markdown_table(
        ("Target", "For each request"), [(t.title, t.does) for t in TARGETS.values() if t.name in present]
    ).replace("--:", "---")
