"""The operators' port: how the fleet's detectors are, for who judges what they find."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.control.access.answers import said
from gateway.control.access.content import query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Shape
from gateway.control.operations import Operation

Detectors = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
"""How each of the fleet's is (`gateway.control.fleet.detectors`), who tells first."""


class _Shown(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class DetectorShown(_Shown):
    name: str
    leader: bool
    """It holds the lease, and tells. The others follow, and take over where it is gone."""
    time: float
    """When it said so: Unix seconds."""
    lag: float
    """Seconds that it is behind what is observed."""
    rate: float
    """Exchanges a second that it hears of."""
    events: int
    """Exchanges that it has heard of."""
    accounts: int
    """That it remembers."""
    clusters: int
    levels: dict[str, int]
    """Clusters by what the rules in force make of them."""
    kept: float = 0.0
    """When what it knows was last kept on disk: Unix seconds; 0 for never, since it began."""
    missed_seconds: float
    """Observations that Redis no longer had when it came to them."""


class DetectorsShown(_Shown):
    """Detectors that have said something of themselves in the last minute; none where Redis does not answer."""

    observed: bool
    """Whether tidegate.yaml states `detector`."""
    time: float
    detectors: list[DetectorShown]
    """Who tells first."""


class DetectorsApi:
    """`detectors` is None where nothing is observed; `wall` gives Unix time."""

    def __init__(self, detectors: Detectors | None, wall: Callable[[], float]) -> None:
        self._detectors = detectors
        self._wall = wall

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET", "/detectors", self.show, Permission.LOOK,
                "How the fleet's detectors are: who tells, how far behind it is, what it holds.", answer=DetectorsShown,
            )
        ]  # fmt: skip

    async def show(self, request: web.Request) -> web.Response:
        query(request, Shape)
        found = await self._detectors() if self._detectors is not None else ()
        shown = [one for one in map(_shown, found) if one is not None]
        answer = DetectorsShown(observed=self._detectors is not None, time=self._wall(), detectors=shown)
        return said(answer.model_dump())


def _shown(state: Mapping[str, Any]) -> DetectorShown | None:
    """None for what makes no sense: anybody may write into a Redis."""
    try:
        return DetectorShown.model_validate(state, strict=True)
    except ValidationError:
        return None
