"""All of it, for the composition root."""

from __future__ import annotations

from gateway.control.cases.decisions_api import DecisionsApi
from gateway.control.cases.judging import Judging
from gateway.control.cases.looking_api import LookingApi
from gateway.control.operations import Operation


class CasesApi:
    """`operations` are for the port."""

    def __init__(self, judging: Judging) -> None:
        self._parts = (LookingApi(judging), DecisionsApi(judging))

    def operations(self) -> list[Operation]:
        return [operation for part in self._parts for operation in part.operations()]
