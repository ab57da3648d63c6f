"""The YAML of a risk entry."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.feeds import refusals
from gateway.feeds.networks import NETWORKS_AT_MOST, REFRESHED, REMEMBERED
from gateway.policies.risk.levels import BUCKET, CAMPAIGNS, CampaignsConfig
from gateway.quantities import Duration

Breadth = Literal["network", "asn", "country"]
"""What counts as one network: a /24 or /56, an autonomous system, a country."""
Weight = Annotated[int, Field(ge=1, le=1000)]
Tier = Annotated[str, Field(min_length=1, max_length=64)]

LEAST: Final = 2 * REFRESHED
"""Seconds. A last use is known to half of that."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)


class NewNetwork(Strict):
    """A key in a network that is new for it, while it is in use elsewhere."""

    weight: Weight = 15
    """The suspicion that it adds."""
    settles: Annotated[Duration, Field(ge=LEAST, le=REMEMBERED)] = 86_400.0
    """For so long a network is new, and for so long a new key may come from anywhere."""
    remember: Annotated[Duration, Field(ge=LEAST, le=REMEMBERED)] = REMEMBERED
    """A network that was not used for so long is new again; a key that was not used at all for so long, too."""
    moves: Annotated[Duration, Field(ge=LEAST, le=REMEMBERED)] = 7200.0
    """A key that was silent elsewhere for so long has moved with its owner, and the network is not held against it
    until it is used elsewhere again. With the same time as `remember` a key never moves."""
    within: Breadth = "asn"
    """What counts as one network."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        for key in ("settles", "moves"):
            if getattr(self, key) > self.remember:
                _refuse("NewNetwork", key, "is longer than `remember`")
        return self


class KeyShared(Strict):
    """One key in many networks at once."""

    networks: Annotated[int, Field(ge=3, le=NETWORKS_AT_MOST)] = 8
    """From so many on, this one among them."""
    within: Annotated[Duration, Field(ge=LEAST, le=86_400.0)] = 3600.0
    """How far back is looked."""
    weight: Weight = 25
    """The suspicion that it adds."""
    of: Breadth | None = None
    """What counts as one network; as for `new_network`, or an autonomous system."""


class Refused(Strict):
    """A burst of refusals of one account: throttled or denied, but not for suspicion or by a fault of ours."""

    at_least: int = Field(default=20, ge=2, le=1_000_000, alias="from")
    """So many of them."""
    within: Annotated[Duration, Field(ge=2 * refusals.SLOT, le=refusals.REMEMBERED)] = 60.0
    """How far back is looked."""
    weight: Weight = 10
    """The suspicion that it adds."""
    except_tiers: tuple[Tier, ...] = ()
    """Not of accounts of these tiers: who is trusted is not suspected for its volume."""


class RiskConfig(Strict):
    """What speaks against an exchange? Each part that applies adds its weight; only `campaigns` refuses."""

    new_network: NewNetwork | None = None
    """A key in a network that is new for it."""
    key_shared: KeyShared | None = None
    """A key in many networks at once."""
    refused: Refused | None = None
    """A burst of refusals."""
    campaigns: CampaignsConfig | None = None
    """Groups of accounts that act as one; the detector of tidegate.yaml finds them."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        if (self.new_network, self.key_shared, self.refused, self.campaigns) == (None, None, None, None):
            raise ValueError("looks at nothing: state one of campaigns, key_shared, new_network, refused")
        new, shared = self.new_network, self.key_shared
        if new is not None and shared is not None and shared.of not in {None, new.within}:
            said = f"must be {new.within}, as `within` of `new_network`: use two entries where they are to differ"
            _refuse("RiskConfig", ("key_shared", "of"), said)
        return self

    @property
    def breadth(self) -> Breadth:
        """What counts as one network."""
        if self.new_network is not None:
            return self.new_network.within
        return (self.key_shared.of if self.key_shared is not None else None) or "asn"

    def shared_names(self) -> dict[str, tuple[str | int, ...]]:
        """Names of buckets, with their places: they must be this entry's alone."""
        stated = self.campaigns is not None and self.campaigns.budget is not None
        return {BUCKET: (CAMPAIGNS, "budget")} if stated else {}

    @property
    def reads(self) -> frozenset[str]:
        """The variables without which it says nothing of networks: they are empty without a geo database."""
        if (self.new_network is None and self.key_shared is None) or self.breadth == "network":
            return frozenset()
        return frozenset({f"client.{self.breadth}"})


def _refuse(model: str, loc: str | tuple[str, ...], said: str) -> None:
    """Raises ValidationError, at that place."""
    error = PydanticCustomError("risk", "{said}", {"said": said})
    place = (loc,) if isinstance(loc, str) else loc
    raise ValidationError.from_exception_data(model, [InitErrorDetails(type=error, loc=place, input=None)])
