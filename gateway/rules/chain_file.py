"""The shape of `policies/chain.yaml`: which policies are asked, in which order, and what happens when one is broken."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from gateway.chain.entry import OnFailure
from gateway.expressions.expression import Expression
from gateway.quantities import Name, Percentage


class ChainEntry(BaseModel):
    """One entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    """Unique, stable: it stands in refusals, metrics and logs."""
    kind: Name
    """The room that answers, by its entry point's name."""
    on_failure: OnFailure
    """What happens when the policy, or the store it takes from, is broken. No default: nobody has to guess it."""
    file: str | None = None
    """Its config, below the folder. Default: `<name>.yaml`; where that is not there `<kind>.yaml`, unless another entry
    reads it."""
    when: Expression | None = None
    """Asked only where this holds."""
    mode: Literal["enforce", "shadow"] = "enforce"
    """`shadow`: it is asked, counted and logged, and what it says changes nothing."""
    rollout: Percentage = 1.0
    """Enforced for this part of the accounts, always the same ones; in shadow for the rest."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        if self.mode == "shadow" and self.rollout < 1.0:
            raise ValueError("`mode: shadow` is for everybody: leave `rollout` out, or enforce it for a part")
        return self

    @property
    def share(self) -> float:
        """The share of accounts for whom it is enforced."""
        return 0.0 if self.mode == "shadow" else self.rollout


class ChainFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chain: tuple[ChainEntry, ...]
    """In the order of asking. The first refusal ends it."""
