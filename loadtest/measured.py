"""What rules cost, and what a change of them does: `python -m loadtest.measured [--write docs/policies/measured.md]`.

Runs loadtest.rules, loadtest.live, and `tidegate replay` over a synthetic log of loadtest.history, one after the other,
some four minutes in all; prints the page that it makes of them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from loadtest.machine import ROOT, where

PAGE: Final = """\
# Measured

What rules cost, what callers notice when they change, and how fast the past is replayed. Written by
`python -m loadtest.measured --write docs/policies/measured.md`, at commit `{commit}`{dirty}, {date}.

- {cores} cores of {cpu}, {memory} GiB{virtual}; {system}; Python {python}.
- Load of the machine when it began: {load}. Figures of another machine, or another day, are not to be compared with
  these: what means something is a ratio within one run.

## What rules cost

µs of CPU a decision of one entry of kind `rules`, with lists of {items:,} accounts and of as many networks, compiled
and mapped as in a worker. Warm: values that were seen before. Cold: each account and each address for the first time.
`python -m loadtest.rules`.

| | warm | to one rule | cold |
|---|---|---|---|
{rules}

The aim is 10 µs a request warm for 100 rules.

## What callers notice of a change

{rate:g} requests a second on {workers} workers, each request due by the clock. A list of {entries:,} networks is
replaced; somebody saves a broken file; the rules go back by one. `python -m loadtest.live`.

| | requests | errors | p50 ms | p99 ms | to quiet | longest ms | s to all workers |
|---|---|---|---|---|---|---|---|
{live}

To all workers: from the save (of a list: with its compiling) to the moment when the last worker decides by it; for the
broken file, until it is refused.

## Replay

`tidegate replay` of {replayed:,} synthetic exchanges of {accounts:,} accounts (`python -m loadtest.history`), reading
Parquet included.

| chain | exchanges a second of CPU | CPU s |
|---|---|---|
{replay}

The law is 20,000 and the aim 100,000: with quotas it is not met.
"""
CHAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "auth, rules": ("auth", "rules"),
    "auth, rules, quota (five limits a tier)": ("auth", "rules", "quota"),
}
RULES: Final = """\
rules:
  - name: no-servers-for-free
    when: account.tier == "free" && "hosting" in client.network_kinds
    action: deny
"""
ENDED: Final = 1_767_225_600.0
"""Unix time of the end of the synthetic log."""


def said(command: Sequence[str]) -> tuple[str, float]:
    """(what it prints, its CPU seconds in user mode, children included)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    ended = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return ended.stdout, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def replayed(rows: int) -> tuple[list[tuple[str, float]], int, int]:
    """((chain, CPU seconds), exchanges, accounts)."""
    found: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="tidegate-measured-") as name:
        folder = Path(name)
        made, _ = said(["loadtest.history", str(folder / "log"), "--rows", str(rows), "--until", str(ENDED)])
        count, accounts = int(made.split()[0]), int(made.split(" of ")[1].split()[0])
        for chain, kinds in CHAINS.items():
            policies = folder / f"policies-{len(found)}"
            policies.mkdir()
            for shipped in ("auth.yaml", "quota.yaml", "prices.yaml"):
                # The log's accounts are of one tier more, which would be refused whatever it asks.
                text = (
                    (ROOT / "policies" / shipped)
                    .read_text()
                    .replace("tiers: [unlimited]", "tiers: [unlimited, enterprise]")
                )
                (policies / shipped).write_text(text)
            entries = [f"  - {{name: {kind}, kind: {kind}, on_failure: deny}}" for kind in kinds]
            (policies / "chain.yaml").write_text("\n".join(["chain:", *entries, ""]))
            (policies / "rules.yaml").write_text(RULES)
            period = ["--since", _moment(ENDED - 86_400), "--until", _moment(ENDED)]
            command = ["gateway", "replay", str(policies), "--log", str(folder / "log"), *period, "--json"]
            found.append((chain, said(command)[1]))
    return found, count, accounts


def _moment(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def page(
    rules: Mapping[str, Any], live: Mapping[str, Any], replay: tuple[list[tuple[str, float]], int, int], load: float
) -> str:
    runs, count, accounts = replay
    ratios = {next(iter(rules["warm_us"])): 1.0, **rules["warm_ratio"]}
    shown = ("quiet", "list", "broken", "rollback", "quiet_again")
    return PAGE.format(
        **where(),
        load=f"{load:.1f}",
        items=rules["items"],
        rules="\n".join(
            f"| {name} | {warm:.2f} | {ratios[name]:.1f}x | {rules['cold_us'][name]:.1f} |"
            for name, warm in rules["warm_us"].items()
        ),
        rate=live["rate"],
        workers=live["workers"],
        entries=live["entries"],
        live="\n".join(_row(name.replace("_", " "), live[name]) for name in shown),
        replayed=count,
        accounts=accounts,
        replay="\n".join(f"| {chain} | {count / seconds:,.0f} | {seconds:.1f} |" for chain, seconds in runs),
    )


def _row(name: str, one: Mapping[str, Any]) -> str:
    ratio = f"{one['p99_to_quiet']:.2f}x" if "p99_to_quiet" in one else ""
    changed = ", ".join(f"{seconds:.2f}" for seconds in one.get("seconds_to_all_workers", []))
    numbers = [one["requests"], one["errors"], one["p50_ms"], one["p99_ms"], ratio, one["longest_ms"], changed]
    return f"| {name} | {' | '.join(str(number) for number in numbers)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="where the page goes")
    parser.add_argument("--rows", type=int, default=1_000_000, help="exchanges to replay")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    rules = json.loads(said(["loadtest.rules"])[0])
    live = json.loads(said(["loadtest.live"])[0].splitlines()[-1])
    text = page(rules, live, replayed(chosen.rows), load)
    print(text)
    if chosen.write is not None:
        chosen.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
