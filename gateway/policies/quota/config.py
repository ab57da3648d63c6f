"""The YAML of a quota entry."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.partitions import Dimension
from gateway.policy import Limit, Measure, OnExhausted
from gateway.quantities import Amount, Count, Duration, Name


class LimitConfig(BaseModel):
    """One token bucket for each partition that `per` makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    """Stable, shown to callers, and the bucket's name in the store: a renamed limit starts afresh."""
    measure: Literal["requests", "input_tokens", "output_tokens", "total_tokens", "spend", "concurrency"]
    """What is counted. `spend` is US dollars by `prices.yaml`; `concurrency` is exchanges at once."""
    per: Annotated[tuple[Dimension, ...], Field(min_length=1)]
    """What has a bucket of its own: one dimension, or a combination."""
    capacity: Amount
    """What a full bucket holds. 0 refuses everything: a freeze."""
    refill: Annotated[Amount, Field(gt=0)] | None = None
    """What comes back every `every`; the capacity if not stated. Not for concurrency."""
    every: Annotated[Duration, Field(gt=0)] = 60.0
    """The time in which `refill` comes back, evenly."""
    tiers: tuple[str, ...] = ()
    """Only for accounts of these tiers; empty means all."""
    models: tuple[str, ...] = ()
    """Only for models that match one of these patterns (`*` and `?`); empty means all."""
    on_exhausted: Literal["finish", "cut"] = "finish"
    """What becomes of a running stream that outgrows its bucket: it finishes on debt, or is cut with an error event."""
    cached_weight: Annotated[float, Field(ge=0, le=1)] = 0.0
    """What a cached input token counts in input_tokens and total_tokens: 0 nothing, 1 as any other."""

    @model_validator(mode="after")
    def _laws(self) -> LimitConfig:
        if self.measure == "concurrency" and self.refill is not None:
            raise ValueError("a concurrency limit has no `refill`: slots come back when exchanges end")
        if self.on_exhausted == "cut" and self.measure not in ("output_tokens", "total_tokens", "spend"):
            raise ValueError("`on_exhausted: cut` is for output_tokens, total_tokens and spend")
        if self.measure != "spend" and not (self.capacity.is_integer() and (self.refill or 0.0).is_integer()):
            raise ValueError("`capacity` and `refill` are whole numbers, but for spend")
        if len(set(self.per)) != len(self.per):
            raise ValueError("`per` names a dimension twice")
        return self

    def limit(self) -> Limit:
        """The value that travels with takes."""
        measure = Measure(self.measure)
        refill = 0.0 if measure is Measure.CONCURRENCY else self.refill or self.capacity
        return Limit(self.name, measure, self.capacity, refill, self.every, OnExhausted(self.on_exhausted))


class QuotaConfig(BaseModel):
    """Token buckets, many a request: all are taken from, or none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limits: tuple[LimitConfig, ...]
    """The buckets. Every one that matches an exchange must have room for it."""
    store: Literal["shared", "local"] = "shared"
    """`shared`: exact in Redis, for the whole fleet. `local`: in each worker, without a round trip: a flood guard
    before auth. A local bucket counts attempts, whatever later entries say of them."""
    unmatched: Literal["deny", "allow"] = "deny"
    """What becomes of an exchange that no limit matches: nothing is unlimited by oversight."""
    assumed_output: Annotated[Count, Field(gt=0)] = 1024
    """Output tokens reserved where the caller states no cap and the account has no history with the model."""

    def shared_names(self) -> dict[str, tuple[str | int, ...]]:
        """Names that must be this entry's alone, with their places: two entries would count in one bucket."""
        if self.store == "local":
            return {}
        return {limit.name: ("limits", index, "name") for index, limit in enumerate(self.limits)}

    def needs_prices(self) -> tuple[str | int, ...] | None:
        """Where the file first asks for a price; None where it does not. The ruleset sees that there are prices."""
        for index, limit in enumerate(self.limits):
            if limit.measure == "spend":
                return ("limits", index, "measure")
        return None

    @model_validator(mode="after")
    def _laws(self) -> QuotaConfig:
        # Said here and not by the type: there pydantic would say it beside each limit that is wrong.
        if not self.limits:
            raise ValueError("`limits` is empty: state at least one")
        names = [limit.name for limit in self.limits]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two limits are named {name}")
        if self.store == "local":
            for limit in self.limits:
                if limit.measure == "concurrency":
                    raise ValueError("concurrency needs `store: shared`")
        return self
