"""Answers of the API as the fake gives them: shapes of the real one, a busy afternoon, names that are markup."""

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


def shared(names: tuple[str, ...], requests: int, refused: int) -> dict[str, dict[str, int]]:
    """The first has half of all, the next a third, and so on."""
    return {
        name: {"requests": requests // part, "refused": refused // part, "tokens": 400 * requests // part}
        for part, name in enumerate(names, 2)
    }


def second(at: float, chance: random.Random) -> dict[str, Any]:
    """One `event: second`."""
    wave = 120 + 60 * math.sin(at / 40)
    refused = round(wave * 0.1 + chance.random() * 6)
    requests = round(wave + chance.random() * 25)
    allowed = requests - refused - 1
    counts = {reason: chance.randrange(1 + refused // (1 + place)) for place, reason in enumerate(REASONS)}
    return {
        "time": at, "requests": requests, "allowed": allowed, "refused": refused, "left": 1,
        "failed": chance.randrange(2), "malformed": 0, "dropped": 0, "tokens_cached": requests * 90.0,
        "tokens_input": requests * 900.0, "tokens_output": requests * 310.0,
        "active": 41, "connections": 230, "workers": 2, "wanted": 2, "store_available": 2,
        "directory_available": 2, "draining": 0, "memory": 180_000_000, "generation": 7, "revision": 42, "lag": 0.002,
        "p50": 0.21 + chance.random() / 20, "p95": 0.9 + chance.random() / 8, "p99": 1.8 + chance.random() / 3,
        "decision_p50": 0.0004, "decision_p95": 0.0011, "decision_p99": 0.002,
        "reasons": counts, "entries": {"quota": counts[REASONS[0]], "geo": counts[REASONS[2]]},
        "countries": shared((*COUNTRIES, "unknown"), requests, refused), "models": shared(MODELS, requests, refused),
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
        {"account": name, "requests": 900 // part, "refusals": 40 // part, "tokens": 2_400_000 // part,
         "spend": 31.4 / part, "share": 0.4 / part}
        for part, name in enumerate(["acme", HOSTILE, "globex", "initech", "umbrella"], 1)
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


async def silence(_: Writer) -> None:
    """A feed in which nothing happens."""
    await asyncio.sleep(3600)


def fill(fake: Fake) -> None:
    """Everything that the pages of this folder ask for."""
    steps = {"1": (1, 300), "10": (10, 360), "60": (60, 1440)}
    fake.answers |= {
        "/policies": {"name": "shipped", "generation": 7, "digest": "3f2a", "files": "applied", "shown": []},
        "/exchanges": {"exchanges": [decision(number, random.Random(number)) for number in range(400)]},
        "/exchanges/0000000000000007": trail(),
        "/health": health(),
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


def trail() -> dict[str, Any]:
    """`GET /exchanges/{id}` of a refusal."""
    shadow = {"rule": "free-long-prompts", "action": "deny", "reason": "prompt_too_long", "enforced": False}
    quota = {
        "rule": "free-requests",
        "action": "deny",
        "reason": "quota_exceeded",
        "enforced": True,
        "mode": "enforced",
    }
    said = ("nothing applied", "applied", "nothing applied", "nothing applied", "in shadow: changed nothing")
    steps: list[dict[str, Any]] = [
        {"entry": entry, "said": word, "rules": []}
        for entry, word in zip(("flood", "auth", "risk", "tiers", "rules"), said, strict=True)
    ]
    steps[4]["rules"] = [shadow | {"mode": "shadow"}]
    steps += [{"entry": "quota", "said": "denied", "rules": [quota | {"mode": "enforced"}]}]
    steps += [{"entry": "after", "said": "not reached", "rules": []}]
    return {
        "exchange": "0000000000000007", "request_id": HOSTILE, "time": NOW, "worker": "worker-1",
        "in_words": f"POST /v1/chat/completions ({HOSTILE}) of account acme was refused by quota/free-requests.",
        "who": {"account": "acme", "organisation": HOSTILE, "key": "tg_live_1", "tier": "free", "assigned": "",
                "verification": 1, "created": NOW - 1e6, "email_domain": "", "signup_country": "DE",
                "billing_country": "", "evidence": ["email"], "falls": [], "identity": "", "signup_burst": 0},
        "from": {"client_address": "192.0.2.7", "country": "DE", "asn": 64500, "network_kinds": ["hosting"],
                 "latitude": 52.5, "longitude": 13.4, "radius": 20, "private": False, "ja4": ""},
        "asked": {"method": "POST", "path": "/v1/chat/completions", "route": "chat", "dialect": "openai",
                  "model": HOSTILE, "streaming": True, "features": [], "input_tokens": 812, "output_cap": None,
                  "items": 0, "generates": True},
        "decision": {"refused": True, "action": "deny", "entry": "quota", "reason": "quota_exceeded",
                     "meaning": "A quota is used up for the moment. Nothing was charged.",
                     "remedy": "Wait until Retry-After, or raise the limit.", "page": ""},
        "trail": steps, "added": {"weight": 0, "tags": [], "captcha": False},
        "answer": {"status": 429, "seconds": 0.004, "decision_seconds": 0.0011, "delivered": 0, "aborted": False,
                   "reached": False},
        "tokens": {"input": None, "output": None, "cached": None, "cache_creation": None, "reasoning": None},
        "rules": {"generation": 7, "digest": "3f2a5b6c7d8e9f00", "known": True},
    }  # fmt: skip


def health() -> dict[str, Any]:
    """`GET /health`, of a gateway with two workers, all of it well."""
    worker = {
        "process": "w", "revision": 42, "uptime": 86_400.0 * 3, "memory": 91_000_000, "lag": 0.002, "connections": 115,
        "active": 20, "body_bytes": 0, "store_available": True, "directory_available": True, "generation": 7,
        "digest": "3f2a5b6c7d8e9f00", "draining": False, "events_dropped": 0,
    }  # fmt: skip
    redis = {
        "available": True, "latency": 0.00021, "version": "9.1.2", "role": "master", "memory": 81_000_000,
        "memory_limit": 512_000_000, "policy": "noeviction", "evicted": 0, "clients": 11, "uptime": 1e6,
    }  # fmt: skip
    directory = {"kind": "sqlite", "available": True, "latency": 0.0008, "version": 812, "schema": "0003", "size": 9e6}
    kinds = {"worker": [4100, 4101], "recorder": [4102], "clerk": [4103]}
    return {
        "time": NOW, "workers": [worker | {"name": f"worker-{at}", "pid": 4100 + at} for at in range(2)],
        "processes": [{"name": n, "wanted": len(pids), "pids": pids, "restarts": 0} for n, pids in kinds.items()],
        "redis": redis, "directory": directory,
        "rules": {"generation": 7, "digest": "3f2a5b6c7d8e9f00", "since": NOW - 9e4, "who": HOSTILE, "problems": []},
        "feeds": [{"name": "country", "age": 259_200.0, "stale": False}, {"name": "tor", "age": 900.0, "stale": False}],
        "exchange_log": {"on": True, "keep": 2_592_000.0}, "well": True, "warnings": [],
    }  # fmt: skip


def unwell() -> dict[str, Any]:
    """The same while Redis is away and a worker goes by older rules."""
    made = health()
    made["workers"][1] |= {"digest": "00ff00ff00ff00ff", "generation": 6, "revision": 41, "store_available": False}
    made["redis"] = {"available": False, "error": f"ConnectionError: {HOSTILE}"}
    away = {"what": "Redis does not answer: ConnectionError", "do": "see whether it runs", "grave": True}
    differ = {"what": "workers go by different rules", "do": "a change is under way", "grave": False}
    return made | {"well": False, "warnings": [away, differ]}
