"""The operators' port: what one account did in the last hours, from the exchange log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import Field

from gateway.control.access.answers import Refused, said
from gateway.control.access.content import query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Shape
from gateway.control.exchanges import Kept, Turns
from gateway.control.live.busy import Prices, unpriced
from gateway.control.operations import Operation
from gateway.history import traffic
from gateway.history.traffic import HOUR, MOST, PLACES
from gateway.partitions import MILLION, price_of

WITHIN: Final = 8.0
"""Seconds for which the log is looked through."""
OTHER: Final = "other"


class TrafficQuery(Shape):
    hours: Annotated[int, Field(ge=1, le=168)] = 24


class TrafficApi:
    """`wall` gives Unix time, `clock` seconds."""

    def __init__(
        self,
        kept: Kept,
        turns: Turns,
        wall: Callable[[], float],
        clock: Callable[[], float],
        prices: Prices = unpriced,
    ) -> None:
        self._kept = kept
        self._turns = turns
        self._wall = wall
        self._clock = clock
        self._prices = prices

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/accounts/{id}/traffic",
                self.show,
                Permission.PEOPLE,
                "The last hours of one account: by hour, model, country, network, place and key",
                query=TrafficQuery,
                errors={404: "there is no exchange log", 503: "the exchange log cannot be read, or many look into it"},
            )
        ]

    async def show(self, request: web.Request) -> web.Response:
        wanted = query(request, TrafficQuery)
        account = request.match_info["id"]
        if self._kept.folder is None:
            raise Refused(
                404, "traffic is read from the exchange log, which is off: set `exchange_log` in tidegate.yaml"
            )
        now = self._wall()
        since = (now // HOUR - wanted.hours + 1) * HOUR
        found: traffic.Found = await self._turns.take(
            traffic.of_account, self._kept.folder, account, since, now + 1.0, self._clock, WITHIN
        )
        return said(
            {"account": account, "since": since, "until": now, "whole": found.whole, "back_to": found.back_to}
            | told(found.traffic, int(since), wanted.hours, self._prices())
        )


def told(found: traffic.Traffic, since: int, hours: int, prices: Mapping[str, Any]) -> dict[str, Any]:
    """By hour as arrays of one length, the rest as tables, the largest first."""
    times = [since + HOUR * index for index in range(hours)]
    each = [found.hours.get(time, traffic.Hour()) for time in times]
    reasons: dict[str, list[int]] = {}
    for (time, reason), count in found.reasons.items():
        if since <= time <= times[-1]:
            reasons.setdefault(reason, [0] * hours)[(time - since) // HOUR] += count
    spend: list[float] | None = None
    if prices:
        spend = [0.0] * hours
        for (time, model), tokens in found.spend.items():
            if since <= time <= times[-1]:
                spend[(time - since) // HOUR] += _spend(prices, model, tokens)
    return {
        "first_seen": found.first,
        "last_seen": found.last,
        "hours": {
            "times": times,
            "series": {
                "requests": [hour.requests for hour in each],
                "refused": [hour.refused for hour in each],
                "tokens": [hour.tokens for hour in each],
                "weight_mean": [round(hour.weight_sum / hour.requests, 3) if hour.requests else None for hour in each],
                "weight_max": [hour.weight_max if hour.requests else None for hour in each],
                **({"spend": spend} if spend is not None else {}),
            },
            "reasons": dict(sorted(reasons.items(), key=lambda item: (-sum(item[1]), item[0]))[:MOST]),
        },
        "models": [
            {"model": model, "requests": sums[0], "refused": sums[1], "tokens": sum(sums[2:])}
            | ({"spend": _spend(prices, model, sums[2:])} if prices else {})
            for model, sums in _largest(found.models)
        ],
        "countries": [_two("country", country, sums) for country, sums in _largest(found.countries)],
        "networks": [
            {"asn": asn, "kinds": kinds.split(), "requests": sums[0], "refused": sums[1]}
            for (asn, kinds), sums in sorted(found.networks.items(), key=lambda item: -item[1][0])[:MOST]
        ],
        "keys": [_two("key", key, sums) for key, sums in _largest(found.keys)],
        "places": [
            {"latitude": latitude, "longitude": longitude, "requests": count}
            for (latitude, longitude), count in sorted(found.places.items(), key=lambda item: -item[1])[:PLACES]
        ],
    }


def _two(name: str, value: str, sums: list[int]) -> dict[str, Any]:
    return {name: value, "requests": sums[0], "refused": sums[1]}


def _largest(sums: Mapping[str, list[int]]) -> list[tuple[str, list[int]]]:
    """By requests; callers choose models, so they are many: those beyond MOST are one, `other`."""
    ranked = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    if len(ranked) <= MOST:
        return ranked
    rest = [sum(values) for values in zip(*(sums for _, sums in ranked[MOST:]), strict=True)]
    return [*ranked[:MOST], (OTHER, rest)]


def _spend(prices: Mapping[str, Any], model: str, tokens: list[int]) -> float:
    """US dollars; tokens are input, output, cached, cache creation."""
    of_input, of_cached, of_creation, of_output = price_of(prices, model)
    cost = tokens[0] * of_input + tokens[1] * of_output + tokens[2] * of_cached + tokens[3] * of_creation
    return float(round(cost / MILLION, 6))
