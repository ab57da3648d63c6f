"""The shape of `policies/feeds.yaml`: knowledge from elsewhere that rules lean on. Geo databases, and lists."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from gateway.feeds.kinds import ListKind
from gateway.quantities import Duration, Name

ListName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
"""It stands in conditions: no hyphen."""


class DatabaseFile(BaseModel):
    """One geo database of the MaxMind format; what it knows is found out from its schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    path: str
    """Relative to the folder of this file."""
    stale_after: Duration = 45 * 86400.0
    """How old the data may be before that is an alarm."""


class ListFile(BaseModel):
    """One list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ListKind
    items: tuple[str, ...] | None = None
    """Written here, for a few."""
    path: str | None = None
    """A text file, a line an item, `#` begins a comment. Relative to the folder of this file."""


class FeedsFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    databases: tuple[DatabaseFile, ...] = ()
    """Where two know an address, the first that states a fact counts."""
    lists: dict[ListName, ListFile] = {}
    """Name -> list. In conditions it is `lists.<name>`."""
