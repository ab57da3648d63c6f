"""Answers of the API as the fake gives them: shapes of the real one, numbers of a busy afternoon, names that are markup."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any, Final

from tests.browser.console.fake import Fake, Feed, Writer

HOSTILE: Final = '<img src=x onerror="window.broken=1">'
NOW: Final = 1_800_000_000.0
REASONS: Final = ("quota_exceeded", "invalid_key", "country_denied", HOSTILE)
COUNTRIES: Final = ("US", "DE", "IN", "BR", "SG", "JP", "GB", "NG", "FR", "MT")
MODELS: Final = ("m-large", "m-small", HOSTILE)


def second(at: float, chance: random.Random) -> dict[str, Any]:
    """One `event: second`."""
    wave = 120 + 60 * math.sin(at / 40)
    refused = round(wave * 0.1 + chance.random() * 6)
    requests = round(wave + chance.random() * 25)
    allowed = requests - refused - 1
    counts = {reason: chance.randrange(1 + refused // (1 + place)) for place, reason in enumerate(REASONS)}
    return {
        "time": at, "requests": requests, "allowed": allowed, "refused": refused, "failed": chance.randrange(2), "left": 1,
        "malformed": 0, "tokens_input": requests * 900.0, "tokens_output": requests * 310.0, "tokens_cached": requests * 90.0,
        "dropped": 0, "active": 41, "connections": 230, "workers": 2, "wanted": 2, "store_available": 2,
        "directory_available": 2, "draining": 0, "memory": 180_000_000, "generation": 7, "revision": 42, "lag": 0.002,
        "p50": 0.21 + chance.random() / 20, "p95": 0.9 + chance.random() / 8, "p99": 1.8 + chance.random() / 3,
        "decision_p50": 0.0004, "decision_p95": 0.0011, "decision_p99": 0.002,
        "reasons": counts, "entries": {"quota": counts[REASONS[0]], "geo": counts[REASONS[2]]},
        "countries": {code: {"requests": requests // (place + 2), "refused": refused // (place + 2), "tokens": 400 * requests // (place + 2)}
                      for place, code in enumerate((*COUNTRIES, "unknown"))},
        "models": {name: {"requests": requests // (place + 2), "refused": 1, "tokens": 900} for place, name in enumerate(MODELS)},
    }  # fmt: skip


def overview(step: int, length: int, now: float) -> dict[str, Any]:
    """`GET /overview`."""
    chance = random.Random(7)
    seconds = [second(now - step * (length - place), chance) for place in range(length)]
    plain = [name for name, value in seconds[0].items() if isinstance(value, int | float) and name != "time"]

    def named(group: str) -> dict[str, list[float]]:
        return {name: [one[group].get(name, 0) for one in seconds] for name in seconds[0][group]}

    def table(group: str) -> dict[str, dict[str, int]]:
        return {
            name: {key: sum(one[group][name][key] for one in seconds) for key in ("requests", "refused", "tokens")}
            for name in seconds[0][group]
        }

    return {
        "now": seconds[-1], "step": step, "times": [one["time"] for one in seconds],
        "series": {name: [one[name] for one in seconds] for name in plain},
        "reasons": named("reasons"), "entries": named("entries"), "by_country": {}, "by_model": {},
        "countries": table("countries"), "models": table("models"),
    }  # fmt: skip


def busy() -> dict[str, Any]:
    """`GET /accounts/busy`."""
    rows = [
        {"account": name, "requests": 900 // (place + 1), "refusals": 40 // (place + 1), "tokens": 2_400_000 // (place + 1),
         "spend": 31.4 / (place + 1), "share": 0.4 / (place + 1)}
        for place, name in enumerate(["acme", HOSTILE, "globex", "initech", "umbrella"])
    ]  # fmt: skip
    return {
        "by": "tokens",
        "minutes": 5,
        "since": NOW,
        "until": NOW,
        "total": {},
        "error": 0,
        "priced": True,
        "accounts": rows,
    }


async def seconds(writer: Writer) -> None:
    """One a second, of the real time."""
    chance = random.Random(3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        await writer.event("second", second(NOW + loop.time() - began, chance))
        await asyncio.sleep(1.0)


def fill(fake: Fake) -> None:
    """Everything that the pages of this folder ask for."""
    steps = {"1": (1, 300), "10": (10, 360), "60": (60, 1440)}
    fake.answers |= {
        "/policies": {
            "name": "shipped",
            "generation": 7,
            "digest": "3f2a",
            "files": "applied",
            "shown": [],
            "refused_since": None,
        },
        "/overrides": {"revision": 42, "overrides": []},
        "/overview": lambda request: overview(*steps[request.query.get("step", "1")], NOW),
        "/accounts/busy": busy(),
    }
    fake.feeds |= {"/live/overview": seconds, "/live/decisions": decisions(1000)}


def decision(number: int, chance: random.Random) -> dict[str, Any]:
    """A row of `/live/decisions`."""
    refused = chance.random() < 0.15
    reason = chance.choice(REASONS) if refused else ""
    return {
        "exchange": f"{number:016x}", "request_id": "", "time": NOW + number / 1000, "method": "POST",
        "path": "/v1/chat/completions", "route": "chat", "dialect": "openai", "model": chance.choice(MODELS),
        "streaming": True, "client_address": "192.0.2.7", "country": chance.choice(COUNTRIES), "asn": 64500,
        "network_kinds": [], "account": f"acct-{chance.randrange(60)}", "organisation": "", "key": "tg_live_1",
        "tier": "pro", "action": "deny" if refused else "allow", "reason": reason, "entry": "quota" if refused else "",
        "rules": [], "weight": 0, "tags": [], "status": 429 if refused else 200, "seconds": chance.random() * 2,
        "decision_seconds": 0.0004, "usage_input": None if refused else 700, "usage_output": None if refused else 210,
        "aborted": False, "generation": 7, "worker": "worker-0",
    }  # fmt: skip


def decisions(rate: int) -> Feed:
    """So many a second, in 8 batches as the gateway sends them."""

    async def feed(writer: Writer) -> None:
        chance, number = random.Random(5), 0
        rows = [decision(place, chance) for place in range(2000)]
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            size = rate // 8
            batch = [rows[place % len(rows)] | {"exchange": f"{place:016x}"} for place in range(number, number + size)]
            number += size
            await writer.event("decisions", batch)
            due += 0.125
            await asyncio.sleep(max(0.0, due - loop.time()))

    return feed
