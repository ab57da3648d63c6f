"""A decision as people see it in a list, and what filters it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from gateway.accounts.model import Country
from gateway.control.account_shapes import Shape
from gateway.history.columns import AT

Row = dict[str, Any]

AS_LOGGED: Final = (
    "exchange", "request_id", "time", "method", "path", "route", "dialect", "model", "streaming", "client_address",
    "country", "asn", "network_kinds", "account", "organisation", "key", "tier", "action", "reason", "entry", "rules",
    "weight", "tags", "status", "seconds", "decision_seconds", "usage_input", "usage_output", "aborted", "generation",
)  # fmt: skip
"""Columns of the exchange log that a row has by the same name."""
_PLACES: Final = tuple((name, AT[name]) for name in AS_LOGGED)
SEARCHED: Final = ("exchange", "request_id", "account", "organisation", "key", "model", "path", "reason", "entry")
REFUSALS: Final = frozenset({"deny", "challenge", "throttle"})

Text = Annotated[str, StringConstraints(max_length=256)]


class Filter(Shape):
    """All that is stated has to hold; empty is not stated."""

    account: Text = ""
    organisation: Text = ""
    model: Text = ""
    """`*` and `?` stand for any text and any character."""
    country: Country = ""
    reason: Text = ""
    entry: Text = ""
    action: Literal["", "allow", "deny", "challenge", "throttle", "refused"] = ""
    """`refused` is every one but allow."""
    status: Annotated[str, StringConstraints(pattern=r"^([1-5]([0-9]{2}|xx))?$")] = ""
    """Such as 429, or 5xx."""
    tier: Text = ""
    key: Text = ""
    text: Annotated[str, Field(max_length=128)] = ""
    """Is part of an id, a name, a path or a reason; capitals do not matter."""

    def test(self) -> Callable[[Mapping[str, Any]], bool]:
        """Whether a row is wanted."""
        exact = [
            (name, value)
            for name in ("account", "organisation", "country", "reason", "entry", "tier", "key")
            if (value := getattr(self, name))
        ]
        model = pattern(self.model) if self.model else None
        text, action, status = self.text.casefold(), self.action, self.status

        def wanted(row: Mapping[str, Any]) -> bool:
            if any(row[name] != value for name, value in exact):
                return False
            if model is not None and not model.fullmatch(row["model"]):
                return False
            if action and (row["action"] not in REFUSALS if action == "refused" else row["action"] != action):
                return False
            if status and not (
                row["status"] // 100 == int(status[0]) if status.endswith("xx") else row["status"] == int(status)
            ):
                return False
            return not text or any(text in row[name].casefold() for name in SEARCHED)

        return wanted


@lru_cache(maxsize=256)
def pattern(written: str) -> re.Pattern[str]:
    """`*` and `?`; all else is itself."""
    parts = [".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", written)]
    return re.compile("".join(parts), re.DOTALL)


def row_of(event: Sequence[Any], worker: str = "") -> Row:
    """`event` in the order of `columns.EVENT`."""
    row = {name: event[place] for name, place in _PLACES}
    row["worker"] = worker
    return row
