"""`tidegate status`: whether the gateway serves, by which rules and overrides, and what it refuses."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gateway.app.clocks import wall
from gateway.cli.admin_port import AdminOption, AdminPort, Door, JsonOption, Refused, readable, why
from gateway.cli.columns import aligned, indented, lasting, second, size
from gateway.cli.configured import ConfigOption, fail

CONFIG: Final = Path("tidegate.yaml")
MINUTE: Final = 60
ORDER: Final = {"shadow": 0, "freeze": 1}
"""Kinds of overrides that are told first."""
PARTS: Final = {
    "policies": "/policies", "health": "/health", "overview": "/overview", "lists": "/lists", "overrides": "/overrides",
}  # fmt: skip
"""What is looked at, beside whether it is ready. One that this token may not see, or that is not there, is left out."""


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every other second, until Ctrl-C.")] = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """How the gateway is: workers, Redis, directory, rules, lists, refusals. Status 1 where it is not ready."""
    port = AdminPort(config, admin)
    if not watch:
        try:
            seen = look(port)
        except Refused as refused:
            fail(str(refused))
        typer.echo(json.dumps(seen, ensure_ascii=False) if as_json else text(seen, port.door, wall()))
        if not seen["ready"]:
            raise typer.Exit(1)
        return
    if as_json or not sys.stdout.isatty():
        for seen in _again(port):
            typer.echo(json.dumps(seen, ensure_ascii=False) if as_json else text(seen, port.door, wall()) + "\n")
        return
    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        for seen in _again(port):
            live.update(Text(text(seen, port.door, wall())), refresh=True)


def look(port: AdminPort) -> dict[str, Any]:
    """Everything at once. Raises Refused where nobody answers, or the token is not taken."""
    answer = port.whatever("GET", "/readyz")
    if not isinstance(answer.content, dict) or "status" not in answer.content:
        raise Refused(why(port.door, answer))
    found: dict[str, Any] = {"ready": answer.status == 200, "readyz": answer.content}
    for name, path in PARTS.items():
        try:
            found[name] = port.ask("GET", path).content
        except Refused as refused:
            if refused.status in (0, 401):
                raise
            found[name] = None
    return found


def _again(port: AdminPort) -> Iterator[dict[str, Any]]:
    """Until somebody stops it; one that goes away may come back."""
    while True:
        try:
            yield look(port)
        except Refused as refused:
            yield {"ready": False, "problem": str(refused)}
        except KeyboardInterrupt:
            return
        try:
            time.sleep(2.0)
        except KeyboardInterrupt:
            return


def text(seen: Mapping[str, Any], door: Door, now: float) -> str:
    """For people."""
    if "problem" in seen:
        return readable(f"not ready: {seen['problem']}")
    ready, policies, overview = seen["readyz"], seen["policies"], seen["overview"]
    health = seen["health"] or {}
    latest = (overview or {}).get("now") or {}
    facts = {
        "gateway": f"{'ready' if seen['ready'] else 'NOT READY'} at {door.address}",
        "workers": f"{ready.get('workers', 0)} of {ready.get('wanted', 0)}"
        + (f", {ready['draining']} draining" if ready.get("draining") else ""),
        "redis": _reach(ready.get("store_available"), ready.get("workers")),
        "directory": _reach(latest.get("directory_available"), latest.get("workers")) if latest else "",
        "rules": _rules(policies, now),
        "on disk": _disk(policies),
        "overrides": _overrides(seen.get("overrides"), latest.get("revision")),
        "requests": f"{latest['requests']:g}/s, {latest['refused']:g}/s refused" if latest else "",
    }
    width = max(len(name) for name in facts)
    parts = ["\n".join(f"{name.ljust(width)}  {value}" for name, value in facts.items() if value)]
    parts += _block("workers", _workers(health, policies))
    parts += _block("lists that are stale, or broken", _lists(seen["lists"]))
    parts += _block("refusals of the last minute", _refusals(overview))
    return readable("\n\n".join(parts))


def _overrides(found: Mapping[str, Any] | None, revision: Any) -> str:
    """How many of which kind hold: whoever looks in the night must not miss a freeze, or that nobody is refused."""
    kinds = Counter(one["change"]["kind"] for one in (found or {}).get("overrides", ()) if one["state"] == "in force")
    parts = [f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda item: ORDER.get(item[0], 9))]
    if "shadow" in kinds:
        parts[0] = "EVERYTHING IN SHADOW: nobody is refused"
    if revision:
        parts.append(f"revision {revision}")
    return ", ".join(parts)


def _reach(count: Any, of: Any) -> str:
    if count is None or not of:
        return ""
    return "reached by all workers" if count >= of else f"NOT reached by {of - count} of {of} workers"


def _rules(policies: Mapping[str, Any] | None, now: float) -> str:
    if policies is None:
        return ""
    return f"{policies['name']}, for {lasting(now - policies['since'])}, by {policies['who']} ({policies['action']})"


def _disk(policies: Mapping[str, Any] | None) -> str:
    if policies is None or policies["files"] == "in_force":
        return ""
    if policies["files"] == "refused":
        return f"REFUSED since {second(policies['refused_since'])}: `tidegate rules status` says why"
    return "set aside by a rollback: `tidegate rules reload` applies them"


def _workers(health: Mapping[str, Any], policies: Mapping[str, Any] | None) -> str:
    """As far as health tells; else the generation of each."""
    columns: dict[str, Callable[[Mapping[str, Any]], object]] = {
        "worker": lambda one: one.get("worker", ""),
        "pid": lambda one: one.get("pid", ""),
        "up": lambda one: lasting(one.get("uptime")),
        "memory": lambda one: size(one["memory"]) if one.get("memory") else "",
        "connections": lambda one: one.get("connections", ""),
        "lag": lambda one: f"{one['lag'] * 1000:.0f} ms" if one.get("lag") is not None else "",
        "generation": lambda one: one.get("generation", ""),
        "revision": lambda one: one.get("revision", ""),
    }
    rows: Sequence[Mapping[str, Any]] = health.get("workers") or ()
    if not isinstance(rows, list) or not rows:
        known = (policies or {}).get("workers") or {}
        rows = [{"worker": name, "generation": one["generation"]} for name, one in sorted(known.items())]
    cells = [[str(shown(row)) for shown in columns.values()] for row in rows]
    there = [place for place in range(len(columns)) if any(line[place] for line in cells)]
    names = list(columns)
    return (
        aligned([names[place] for place in there], [[line[place] for place in there] for line in cells]) if rows else ""
    )


def _lists(lists: Mapping[str, Any] | None) -> str:
    rows = [
        (row["name"], lasting(row["age"]), row["problem"] or row.get("error") or "stale")
        for row in (lists or {}).get("lists", ())
        if row["stale"] or row["problem"] or row.get("error")
    ]
    return aligned(("name", "age", "what"), rows) if rows else ""


def _refusals(overview: Mapping[str, Any] | None) -> str:
    """By reason, the most frequent first."""
    if overview is None:
        return ""
    step = overview.get("step", 1)
    slots = max(1, MINUTE // step)
    sums = {name: sum(rates[-slots:]) * step for name, rates in overview.get("reasons", {}).items()}
    rows = [(name, f"{count:,.0f}") for name, count in sorted(sums.items(), key=lambda item: -item[1]) if count > 0]
    return aligned(("reason", "times"), rows) if rows else ""


def _block(title: str, table: str) -> list[str]:
    return [f"{title}\n{indented(table)}"] if table else []
