"""The shape of `policies/prices.yaml`: what tokens cost, for limits on spend."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, RootModel, model_validator

from gateway.quantities import Money


class Price(BaseModel):
    """US dollars per million tokens of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Money
    """Input tokens."""
    output: Money
    """Output tokens, reasoning included."""
    cached_input: Money | None = None
    """Input tokens read from a cache; as `input` if not stated."""
    cache_creation: Money | None = None
    """Input tokens written to a cache; as `input` if not stated."""


class PricesFile(RootModel[dict[str, Price]]):
    """Model -> price. `default` is for every model that is not named, so that none is free by oversight."""

    @model_validator(mode="after")
    def has_default(self) -> Self:
        if "default" not in self.root:
            raise ValueError("missing key `default`: the price of every model that is not named")
        return self

    def table(self) -> dict[str, tuple[float, float, float, float]]:
        """As `gateway.policies.Services.prices`."""
        return {
            model: (
                price.input,
                price.input if price.cached_input is None else price.cached_input,
                price.input if price.cache_creation is None else price.cache_creation,
                price.output,
            )
            for model, price in self.root.items()
        }
