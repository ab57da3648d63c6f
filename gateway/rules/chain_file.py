"""The shape of `policies/chain.yaml`: which policies are asked, in which order, and what happens when one is broken."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from gateway.chain.entry import OnFailure
from gateway.quantities import Name


class ChainEntry(BaseModel):
    """One entry. `when`, `mode` and `rollout` are kept free for later; until then they are unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    """Unique, stable: it stands in refusals, metrics and logs."""
    kind: Name
    """The room that answers, by its entry point's name."""
    on_failure: OnFailure
    """What happens when the policy, or the store it takes from, is broken. No default: nobody has to guess it."""
    file: str | None = None
    """Its config, below the folder. Default: `<name>.yaml`, or `<kind>.yaml` where that is not there."""


class ChainFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chain: tuple[ChainEntry, ...]
    """In the order of asking. The first refusal ends it."""
