"""What rules cost: `python -m loadtest.rules [ITEMS]`, 1,000,000 in the list if not stated.

One rule against a hundred with lists of that many accounts and of as many networks, in one run: µs of CPU a decision,
warm (values seen before) and cold (never seen), and the ratio. Prints one JSON object.
"""

from __future__ import annotations

import gc
import ipaddress
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.accounts.live_directory import LiveDirectory
from gateway.feeds.kinds import ListKind
from gateway.feeds.lists import compile_list, open_list
from gateway.policies import Services
from gateway.policies.rules import KIND
from gateway.policies.rules.config import RulesConfig
from gateway.policy import Context, Decision, Facts, Location, Principal, note_facts, place
from gateway.testing import context

RULES: Final = 100
GROUP: Final = 16
REPEAT: Final = 300
COLD: Final = 16_000
"""Exchanges of values never seen: less than what is remembered."""
KINDS: Final = {
    "accounts": ListKind.ACCOUNTS,
    "networks": ListKind.NETWORKS,
    "countries": ListKind.COUNTRIES,
}

Decide = Callable[[Context], Decision]

LISTED: Final = {
    "name": "listed",
    "when": "account.id in lists.accounts || client.address in lists.networks",
    "action": "deny",
}


def written(count: int) -> list[dict[str, Any]]:
    """So many rules, none of which ends the entry for the callers below: the list, and what people compare."""
    sorts: list[Callable[[int], str]] = [
        lambda n: f'account.tier == "tier-{n}"',
        lambda n: f'request.model == "model-{n}" && account.verification < 2',
        lambda n: f"client.asn == {64_512 + n}",
        lambda n: f'"vision" in request.features && account.tier == "tier-{n}"',
        lambda n: f'client.country in lists.countries && request.path == "/v1/path-{n}"',
    ]
    rules = [{"name": f"rule-{n}", "when": sorts[n % len(sorts)](n), "action": "deny"} for n in range(count - 1)]
    return [*rules, LISTED]


def built(rules: list[dict[str, Any]], lists: Mapping[str, Container[object]]) -> Decide:
    config = RulesConfig.model_validate({"rules": rules}, context={"lists": KINDS})
    services = Services(now=time.time, directory=LiveDirectory(), prices={}, lists=lists)
    decide: Decide = KIND.build(config, services).decide  # type: ignore[assignment]
    return decide


def callers(count: int, name: str) -> list[Context]:
    """Exchanges of so many accounts, from as many addresses, that no rule ends."""
    found = []
    for number in range(count):
        made = context(model=f"m-{number % 8}", client_address=f"198.51.{number >> 8 & 255}.{number & 255}")
        note_facts(made, Facts(principal=Principal(f"{name}-{number}", tier="pro")))
        place(made, Location("DE", 64_496 + number % 10))
        found.append(made)
    return found


def _per_exchange(decide: Decide, group: Sequence[Context]) -> float:
    began = time.process_time()
    for one in group:
        decide(one)
    return (time.process_time() - began) / len(group) * 1e6


def warm(decides: Mapping[str, Decide], group: Sequence[Context]) -> dict[str, float]:
    """µs of a decision whose values were seen before: the best of many, by turns, since noise only ever adds."""
    best = dict.fromkeys(decides, float("inf"))
    for _ in range(REPEAT):
        for name, decide in decides.items():
            best[name] = min(best[name], _per_exchange(decide, group))
    return best


def cold(decides: Mapping[str, Decide]) -> dict[str, float]:
    """µs of a decision whose values were never seen: the median of groups."""
    found: dict[str, list[float]] = {name: [] for name in decides}
    everybody = callers(COLD, "cold")
    for first in range(0, COLD, GROUP):
        for name, decide in decides.items():
            found[name].append(_per_exchange(decide, everybody[first : first + GROUP]))
    return {name: sorted(times)[len(times) // 2] for name, times in found.items()}


def compiled(folder: Path, items: int) -> dict[str, Container[object]]:
    """The lists, as a worker maps them: half a million /28 of IPv4 and the rest /64 of IPv6."""
    small = min(items, 500_000)
    networks = [str(ipaddress.ip_network((0x0B00_0000 + number * 32, 28))) for number in range(small)]
    networks += [
        str(ipaddress.ip_network(((0x2001_0DB8 << 96) + (number << 65), 64))) for number in range(items - small)
    ]
    lines = {
        "accounts": [f"listed-{number}" for number in range(items)],
        "networks": networks,
        "countries": ["KP", "CU"],
    }
    found: dict[str, Container[object]] = {}
    for name, kind in KINDS.items():
        compile_list(kind, lines[name], folder / name)
        found[name] = open_list(folder / name)
    return found


def measure(items: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return _measure(items, compiled(Path(folder), items))


def _measure(items: int, lists: Mapping[str, Container[object]]) -> dict[str, Any]:
    volatile = {"name": "large", "when": "request.input_tokens > 100000", "action": "deny"}
    decides = {
        "one rule": built([{"name": "r", "when": 'account.tier == "free"', "action": "deny"}], lists),
        "one rule, two lists": built([LISTED], lists),
        f"{RULES} rules, two lists": built(written(RULES), lists),
        f"{RULES} rules, two lists, one on tokens": built([*written(RULES - 1), volatile], lists),
    }
    gc.collect()
    gc.freeze()
    gc.disable()
    colds = cold(decides)
    warms = warm(decides, callers(GROUP, "warm"))
    first = next(iter(decides))
    return {
        "items": items,
        "warm_us": warms,
        "cold_us": colds,
        "warm_ratio": {name: warms[name] / warms[first] for name in itertools.islice(decides, 1, None)},
    }


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000), indent=1) + "\n")
