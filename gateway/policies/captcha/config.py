"""The YAML of a captcha entry: from which suspicion on what is asked, and what a passed challenge is good for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.challenges.ladder import Answers, Ladder, Step
from gateway.challenges.scopes import Breadth
from gateway.challenges.terms import Terms, Worth
from gateway.expressions.expression import Expression
from gateway.policy import Limit, Measure, challenged_by
from gateway.quantities import Count, Duration, Name

Kind = Literal["email", "phone", "payment", "document", "liveness", "registry", "sanctions", "console"]
"""Of `gateway.accounts.evidence.KINDS`."""
Threshold = Annotated[float, Field(gt=0, le=1_000_000)]
Points = Annotated[float, Field(ge=0, le=1_000_000)]

FIRST_USE: Final = "first_use"
"""The rule by which new accounts are challenged: no ladder is called so."""
BUILT_IN: Final = "altcha"
MET_LASTS: Final = 7 * 86_400.0
"""Seconds for which it is remembered that somebody passed, at the least."""
DEMANDS: Final[Mapping[str, Step]] = {"work": Step.WORK, "captcha": Step.CAPTCHA}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Steps(Strict):
    """The suspicion (`risk.score`) from which on a step is asked for, rising. What is not stated is left out."""

    slow: Threshold | None = None
    """So many requests in so much time, as `slow` states."""
    work: Threshold | None = None
    """A proof of work, which a program can give."""
    captcha: Threshold | None = None
    """A challenge that a person passes."""
    verify: Threshold | None = None
    """Evidence of who owns the account. Only of accounts that were asked for less before."""
    review: Threshold | None = None
    """Refused, until somebody has looked at it. Only accounts that were asked to verify."""

    def thresholds(self) -> dict[Step, float]:
        """Those that are stated, from the lowest step."""
        stated = ((step, getattr(self, step.name.lower())) for step in Step if step is not Step.OBSERVE)
        return {step: at for step, at in stated if at is not None}

    @model_validator(mode="after")
    def _laws(self) -> Self:
        found = list(self.thresholds().items())
        if not found:
            raise ValueError("needs one step or more: nothing would ever be asked")
        errors = [
            _error((step.name.lower(),), f"must be more than `{below.name.lower()}`, which is {least:g}")
            for (below, least), (step, at) in itertools.pairwise(found)
            if at <= least
        ]
        if errors:
            raise ValidationError.from_exception_data("Steps", errors)
        return self


class LadderConfig(Strict):
    """One way up, for those for whom its condition holds."""

    name: Name
    """Unique in the file, stable: it stands in metrics and logs, and is the name under which the fleet remembers."""
    when: Expression | None = None
    """For whom, in CEL; for everybody if not stated. The first ladder that holds counts, and only that one."""
    steps: Steps
    """Suspicion → step."""

    def bucket(self, slow: SlowConfig) -> Limit:
        """Of the step `slow`: one for each account."""
        requests = float(slow.requests)
        return Limit(f"{self.name}-slow", Measure.REQUESTS, requests, requests, slow.every)


class SlowConfig(Strict):
    """The token bucket of an account at the step `slow`."""

    requests: Annotated[Count, Field(gt=0)] = 30
    """What a full bucket holds, and what comes back every `every`."""
    every: Annotated[Duration, Field(gt=0)] = 60.0
    """The time in which it comes back, evenly."""


class AnswersConfig(Strict):
    """What answers do to the suspicion, in its units."""

    wrong: Points = Answers().wrong
    """A wrong answer adds this."""
    ignored: Points = Answers().ignored
    """A challenge that ended unanswered although calls went on adds this."""
    at_most: Points = Answers().at_most
    """What both add together, at most."""
    passed: Points = Answers().passed
    """A passed challenge takes this away."""
    relief_at_most: Points = Answers().relief_at_most
    """What all passed ones take away, at most."""


class ReviewConfig(Strict):
    """The step `review`."""

    lasts: Annotated[Duration, Field(gt=0)] = 86_400.0
    """It is not left earlier by itself; a person of yours can end it at once."""
    after: Annotated[Duration, Field(ge=0)] = 21_600.0
    """So long `verify` must have been asked for, suspicion going on: papers take a person some time."""


class WorthConfig(Strict):
    """What a passed challenge is good for."""

    lasts: Annotated[Duration, Field(ge=1)]
    """For how long."""
    exchanges: Annotated[Count, Field(ge=0)]
    """For how many exchanges in the whole fleet; 0 for any number."""


class ClearanceConfig(Strict):
    """What whoever passed a challenge has, and who may use it."""

    of: Literal["account", "key"] = "account"
    """`account`: passed once for all of its keys. `key`: for the key that was challenged."""
    within: Breadth = "network"
    """From where it may be used: the address that was challenged, its network (/24 or /56), its autonomous system, its
    country, or anywhere."""
    work: WorthConfig = WorthConfig(lasts=3600.0, exchanges=2000)
    """After a proof of work."""
    captcha: WorthConfig = WorthConfig(lasts=86_400.0, exchanges=20_000)
    """After a challenge that a person passed."""


class FirstUseConfig(Strict):
    """New accounts are challenged once, whatever their suspicion."""

    step: Literal["work", "captcha"] = "work"
    """What is asked for."""
    younger: Annotated[Duration, Field(gt=0)] = 7 * 86_400.0
    """Accounts are new for so long. One of which nobody knows when it was created is not new."""
    tiers: tuple[Name, ...] = ()
    """Only accounts of these tiers; all if not stated."""


class FarmingConfig(Strict):
    """One solver for many accounts."""

    accounts: Annotated[Count, Field(ge=1)] = 10
    """For so many one solver may pass."""
    within: Annotated[Duration, Field(gt=0)] = 86_400.0
    """In so much time."""


class VerifyConfig(Strict):
    """The step `verify`."""

    evidence: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("document", "liveness")
    """What is to be shown, all of it, after the step began."""
    after: Annotated[Duration, Field(ge=0)] = 1800.0
    """So long after a challenge was passed nobody is asked to verify: what passed it may go on first."""
    lasts: Annotated[Duration, Field(gt=0)] = 30 * 86_400.0
    """So long nobody who has shown it is asked again, or put under review."""


class CaptchaConfig(Strict):
    """The whole file."""

    ladders: tuple[LadderConfig, ...]
    """The first whose condition holds counts. Where none does, nothing is asked."""
    slow: SlowConfig = SlowConfig()
    """How slow the step `slow` is."""
    margin: Points = 5.0
    """So far below its beginning a step is left, so that nobody flaps; half of its beginning where that is nearer."""
    half_life: Annotated[Duration, Field(ge=1)] = 1800.0
    """The time in which suspicion is forgotten by half."""
    answers: AnswersConfig = AnswersConfig()
    """What answers do to the suspicion."""
    review: ReviewConfig = ReviewConfig()
    """The step `review`."""
    verify: VerifyConfig = VerifyConfig()
    """The step `verify`."""
    clearance: ClearanceConfig = ClearanceConfig()
    """What a passed challenge is good for, and for whom."""
    first_use: FirstUseConfig | None = None
    """New accounts are challenged once; nobody is if not stated."""
    demanded: Literal["work", "captcha"] = "captcha"
    """What is asked for where a rule of another entry says `challenge`."""
    providers: Annotated[tuple[Name, ...], Field(min_length=1)] = (BUILT_IN,)
    """Who asks people, in order: the next one where one is away. As `captchas` of tidegate.yaml name them; `altcha` is
    built in, and never away."""
    expires: Annotated[Duration, Field(ge=60, le=86_400)] = 1800.0
    """For how long a challenge can be answered."""
    farming: FarmingConfig = FarmingConfig()
    """Beyond this an answer is worth nothing, and counts as a wrong one."""

    def shared_names(self) -> dict[str, tuple[str | int, ...]]:
        """Names of buckets, with their places: they must be this entry's alone."""
        return {
            ladder.bucket(self.slow).name: ("ladders", index, "name")
            for index, ladder in enumerate(self.ladders)
            if ladder.steps.slow is not None
        }

    def rule_names(self) -> dict[str, tuple[str | int, ...]]:
        """What metrics, logs and tests call the rules of this file, with their places."""
        names: dict[str, tuple[str | int, ...]] = {
            f"{ladder.name}.{step.name.lower()}": ("ladders", index, "steps", step.name.lower())
            for index, ladder in enumerate(self.ladders)
            for step in ladder.steps.thresholds()
        }
        if self.first_use is not None:
            names[f"{FIRST_USE}.{self.first_use.step}"] = (FIRST_USE,)
        return names

    def has(self, name: str) -> bool:
        """Whether a rule of its own is called so: a ladder that was renamed is there no more."""
        return name in {*(ladder.name for ladder in self.ladders), *([FIRST_USE] if self.first_use is not None else [])}

    def terms(self, entry: str, rule: str) -> Terms:
        """Of a challenge by `rule` (`gateway.policy.challenged_by`), where the entry with this config is called so."""
        worth = {
            Step.WORK: Worth(self.clearance.work.lasts, self.clearance.work.exchanges),
            Step.CAPTCHA: Worth(self.clearance.captcha.lasts, self.clearance.captcha.exchanges),
        }
        farming = self.farming
        return Terms(self._ladder(entry, rule), worth, self.providers, farming.accounts, farming.within)

    def _ladder(self, entry: str, rule: str) -> Ladder:
        own = next((one for one in self.ladders if challenged_by(entry, one.name) == rule), None)
        fixed = Step.OBSERVE
        if own is None:
            first = self.first_use is not None and rule == challenged_by(entry, FIRST_USE)
            fixed = DEMANDS[self.first_use.step if first and self.first_use is not None else self.demanded]
        younger = self.first_use.younger if self.first_use is not None else 0.0
        return Ladder(
            own.steps.thresholds() if own is not None else {},
            margin=self.margin,
            half_life=self.half_life,
            answers=Answers(**self.answers.model_dump()),
            review_lasts=self.review.lasts,
            fixed=fixed,
            verify_after=self.verify.after,
            review_after=self.review.after,
            shown_lasts=self.verify.lasts,
            met_lasts=max(MET_LASTS, younger),
        )

    @model_validator(mode="after")
    def _laws(self) -> Self:
        errors = list(self._wrong())
        if errors:
            raise ValidationError.from_exception_data("CaptchaConfig", errors)
        return self

    def _wrong(self) -> Iterator[InitErrorDetails]:
        # Said here and not by the type: there pydantic would say it beside each ladder that is wrong.
        if not self.ladders:
            yield _error(("ladders",), "is empty: state at least one")
        first: dict[str, int] = {}
        for index, ladder in enumerate(self.ladders):
            if ladder.name == FIRST_USE:
                yield _error(("ladders", index, "name"), "is taken: it stands for the file's own `first_use`")
            if first.setdefault(ladder.name, index) != index:
                yield _error(("ladders", index, "name"), f"is a duplicate: another ladder is `{ladder.name}`")
        if len(set(self.providers)) != len(self.providers):
            yield _error(("providers",), "names one twice")


def _error(loc: tuple[str | int, ...], message: str) -> InitErrorDetails:
    # The message goes in as a value: pydantic reads braces in a template.
    return InitErrorDetails(type=PydanticCustomError("captcha", "{said}", {"said": message}), loc=loc, input=None)
