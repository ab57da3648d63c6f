"""All of limits on the operators' port.

api = LimitsApi(steering, usages, jobs, log=folder, data=folder, models_of=models_of)
operations = api.operations()
"""

from __future__ import annotations

from pathlib import Path

from gateway.control.jobs import Jobs
from gateway.control.limits.limits_api import AccountsLimits, ModelsOf, no_models
from gateway.control.limits.overrides_api import OverridesApi, Steering
from gateway.control.limits.preview_api import PreviewApi
from gateway.control.operations import Operation
from gateway.stores.redis.usage import Usages


class LimitsApi:
    """What the rules state and what holds; overrides; previews. Jobs have operations of their own."""

    def __init__(
        self,
        steering: Steering,
        usages: Usages,
        jobs: Jobs,
        *,
        log: Path | None,
        data: Path,
        models_of: ModelsOf = no_models,
    ) -> None:
        """`log` is the exchange log's folder, None where nothing is kept; `data` where fetched lists are."""
        self._limits = AccountsLimits(steering, usages, models_of)
        self._overrides = OverridesApi(steering)
        self._preview = PreviewApi(steering, jobs, log, data)

    def operations(self) -> list[Operation]:
        # The preview first: its path is one that an id could have.
        return [*self._limits.operations(), *self._preview.operations(), *self._overrides.operations()]
