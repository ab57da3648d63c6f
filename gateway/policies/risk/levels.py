"""The YAML of `campaigns`: from which evidence on a group of accounts that act as one comes to which level."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.campaigns.verdict import Level
from gateway.policy import Limit, Measure
from gateway.quantities import Count, Duration, Percentage

BUCKET: Final = "cluster-budget"
"""The name of the shared bucket's limit: part of the API, and of what is kept."""
CAMPAIGNS: Final = "campaigns"
"""The key in the file, and what the names of its rules begin with."""

Feature = Literal["tools", "vision", "audio", "reasoning", "structured_output", "batch", "web_search"]
"""Of `gateway.accounts.model.Feature`."""
Kind = Literal["email", "phone", "payment", "document", "liveness", "registry", "sanctions", "console"]
"""Of `gateway.accounts.evidence.KINDS`."""
Word = Literal["observe", "budget", "trace", "hold", "challenge", "verify"]
"""Of `gateway.campaigns.verdict.Level`: `suspend` is a person's word alone."""
Passed = Literal["observe", "budget", "trace", "hold"]
Nats = Annotated[float, Field(gt=0, le=100)]
Tier = Annotated[str, Field(min_length=1, max_length=64)]
Model = Annotated[str, Field(min_length=1, max_length=200)]

FAMILIES: Final = 7
"""Of `gateway.campaigns.verdict.Family`, trust apart: as many may speak against an account."""


class LevelConfig(BaseModel):
    """What all levels have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    LEVEL: ClassVar[Level]

    at_least: Nats = Field(default=5.0, alias="from")
    """The score from which on it is reached, in nats: how much more likely a campaign is than chance (`e` to its
    power). Levels must not begin below one that is milder."""
    families: Annotated[int, Field(ge=1, le=FAMILIES)] = 1
    """So many families of evidence must say a nat or more, each by itself."""
    weight: Annotated[int, Field(ge=0, le=1000)] = 0
    """The suspicion (`risk.score`) that the highest level reached adds, for later entries to act on."""


class BudgetConfig(LevelConfig):
    """One bucket for the whole cluster: it grows with the logarithm of the accounts, and not with the accounts."""

    LEVEL = Level.BUDGET

    requests: Annotated[Count, Field(gt=0)] = 500
    """What one account would have. A cluster of n accounts has 1 + log2 n times as much together, n rounded to a power
    of the root of two. A batch counts as many as it has items."""
    every: Annotated[Duration, Field(gt=0, le=31 * 86_400.0)] = 86_400.0
    """The time in which it comes back, evenly."""

    def limit(self, halves: int) -> Limit:
        """For a cluster of about 2 to the power of `halves` / 2 accounts."""
        requests = float(max(1, round(self.requests * (1.0 + halves / 2))))
        return Limit(BUCKET, Measure.REQUESTS, requests, requests, self.every)


class TraceConfig(LevelConfig):
    """A few requests are told to come again in some seconds. SDKs do; a relay shows its next account."""

    LEVEL = Level.TRACE

    share: Annotated[Percentage, Field(gt=0, le=0.2)] = 0.02
    """Of an account's requests; never two of one account within a minute, as far as one worker sees."""
    wait: tuple[Annotated[Duration, Field(ge=1, le=60)], Annotated[Duration, Field(ge=1, le=60)]] = (2.0, 10.0)
    """Callers are told to try again after the first to the second of these."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        if self.wait[1] < self.wait[0]:
            raise ValueError("`wait` must be the shortest and then the longest, such as [2s, 10s]")
        return self


class HoldConfig(LevelConfig):
    """Some features and models are withheld."""

    LEVEL = Level.HOLD

    at_least: Nats = Field(default=7.0, alias="from")
    """The score from which on it is reached, in nats."""
    families: Annotated[int, Field(ge=1, le=FAMILIES)] = 2
    """So many families of evidence must say a nat or more, each by itself."""
    features: tuple[Feature, ...] = ()
    """Requests that use one of them are refused."""
    models: tuple[Model, ...] = ()
    """Requests for one of them are refused; `*` and `?` stand for letters."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        if not self.features and not self.models:
            raise ValueError("withholds nothing: state `features`, `models`, or both")
        return self


class ChallengeConfig(LevelConfig):
    """A challenge has to be passed, as an entry of kind `captcha` makes it."""

    LEVEL = Level.CHALLENGE

    at_least: Nats = Field(default=9.2, alias="from")
    """The score from which on it is reached, in nats; 9.2 is one in ten thousand."""
    families: Annotated[int, Field(ge=2, le=FAMILIES)] = 2
    """So many families of evidence must say a nat or more, each by itself: none convicts alone, so two at the least."""
    passed: Passed = "budget"
    """What whoever has passed comes to at the most, for as long as that is worth something."""


class VerifyConfig(LevelConfig):
    """The account's owner has to show who they are."""

    LEVEL = Level.VERIFY

    at_least: Nats = Field(default=12.0, alias="from")
    """The score from which on it is reached, in nats."""
    families: Annotated[int, Field(ge=2, le=FAMILIES)] = 2
    """So many families of evidence must say a nat or more, each by itself: none convicts alone, so two at the least."""
    evidence: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("document", "liveness")
    """What is to be shown, all of it, after the account was first found to act so."""
    passed: Passed = "budget"
    """What an account that has shown it comes to at the most."""


class CampaignsConfig(BaseModel):
    """What follows for groups of accounts that act as one. A level that is not stated is left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    budget: BudgetConfig | None = None
    """One bucket for the whole cluster."""
    trace: TraceConfig | None = None
    """A few requests are told to come again."""
    hold: HoldConfig | None = None
    """Some features and models are withheld."""
    challenge: ChallengeConfig | None = None
    """A challenge has to be passed."""
    verify: VerifyConfig | None = None
    """The owner has to show who they are."""
    tiers: dict[Tier, Word] = {}
    """Tier → the most that an account of it comes to; `verify` for a tier that is not named."""

    @property
    def levels(self) -> tuple[LevelConfig, ...]:
        """Those that are stated, rising."""
        stated = (self.budget, self.trace, self.hold, self.challenge, self.verify)
        return tuple(one for one in stated if one is not None)

    @property
    def most(self) -> Mapping[str, Level]:
        """Tier -> the highest level of its accounts."""
        return {tier: Level[word.upper()] for tier, word in self.tiers.items()}

    @model_validator(mode="after")
    def _laws(self) -> Self:
        if not self.levels:
            raise ValueError("has no level: state one of budget, trace, hold, challenge, verify")
        errors = list(self._falling())
        if errors:
            raise ValidationError.from_exception_data("CampaignsConfig", errors)
        return self

    def _falling(self) -> Iterator[InitErrorDetails]:
        """A level that is reached where a milder one is not: nobody would understand what follows."""
        for below, level in itertools.pairwise(self.levels):
            for key, alias in (("at_least", "from"), ("families", "families")):
                least, own = getattr(below, key), getattr(level, key)
                if own < least:
                    said = f"must not be less than at `{below.LEVEL.word}`, where it is {least:g}"
                    error = PydanticCustomError("campaigns", "{said}", {"said": said})
                    yield InitErrorDetails(type=error, loc=(level.LEVEL.word, alias), input=None)
