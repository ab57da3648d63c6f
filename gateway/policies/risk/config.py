"""The YAML of a risk entry."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.quantities import Duration

Weight = Annotated[int, Field(ge=1, le=1000)]


class Refused(BaseModel):
    """A burst of refusals."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weight: Weight = 10
    """The suspicion that it adds."""
    within: Annotated[Duration, Field(gt=0)] = 60.0
    """How far back is looked."""


class RiskConfig(BaseModel):
    """What speaks against an exchange? Each part that applies adds its weight, and nothing is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    refused: Refused | None = None
    """A burst of refusals of one account."""
