"""The YAML of an entry of rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.expressions.expression import Expression
from gateway.partitions import Dimension
from gateway.policy import Limit, Measure
from gateway.quantities import Count, Duration, Name, Percentage

RuleAction = Literal["allow", "deny", "challenge", "throttle", "weigh", "tag"]

TERMINAL: Final = frozenset({"allow", "deny", "challenge"})
"""Actions that end the entry where they are enforced."""

LONGEST_WAIT: Final = 30 * 86_400.0
"""Seconds."""

OTHERWISE: Final = "otherwise"
"""Stands as the rule's name where no rule has ended the entry and that is a refusal."""

KEYS_OF: Final[dict[str, tuple[RuleAction, ...]]] = {
    "status": ("deny",),
    "retry_after": ("deny",),
    "weight": ("weigh",),
    "limit": ("throttle",),
    "tags": ("tag",),
    "message": ("deny", "challenge", "throttle"),
    "link": ("deny", "challenge", "throttle"),
}
"""Key -> the actions that it belongs to. The others belong to all."""

NEEDED: Final[dict[RuleAction, str]] = {"weigh": "weight", "throttle": "limit", "tag": "tags"}
"""Action -> the key without which it does nothing."""


def _conditions() -> list[JsonValue]:
    """The two tables above in the words of JSON Schema, so that editors know them, too."""

    def where(actions: tuple[RuleAction, ...]) -> dict[str, JsonValue]:
        return {"properties": {"action": {"enum": list(actions)}}}

    needed: list[JsonValue] = [{"if": where((action,)), "then": {"required": [key]}} for action, key in NEEDED.items()]
    misplaced: list[JsonValue] = [
        {"if": {"required": [key]}, "then": where(actions)} for key, actions in KEYS_OF.items()
    ]
    return needed + misplaced


def _https(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be an https link, such as https://docs.example.com/embargo")
    return text


Link = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_https)]
ReasonCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*([_.-][a-z0-9]+)*$", max_length=64)]
Message = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]


class ThrottleConfig(BaseModel):
    """A token bucket of the rule's own, on requests."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    requests: Annotated[Count, Field(gt=0)]
    """What a full bucket holds, and what comes back every `every`. A batch counts as many as it has items."""
    every: Annotated[Duration, Field(gt=0)] = 60.0
    """The time in which it comes back, evenly."""
    per: Annotated[tuple[Dimension, ...], Field(min_length=1)]
    """What has a bucket of its own: one dimension, or a combination."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        if len(set(self.per)) != len(self.per):
            raise ValueError("`per` names a dimension twice")
        return self


class RuleConfig(BaseModel):
    """One rule: when, and what then."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, json_schema_extra={"allOf": _conditions()}
    )

    name: Name
    """Unique in the file, stable: it stands in metrics and logs. A throttle's bucket has this name in the store."""
    when: Expression
    """The condition, in CEL."""
    action: RuleAction
    """`allow`, `deny` and `challenge` end this entry; after `throttle`, `weigh` and `tag` the next rule is asked."""
    reason: ReasonCode | None = None
    """The code that callers and logs see. Default: `rule_denied`, `challenge_required`, `rule_throttled`, or none."""
    message: Message | None = None
    """What callers are told. Default: a sentence for the action. For deny, challenge and throttle."""
    link: Link | None = None
    """Where callers can read more. For deny, challenge and throttle."""
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    """For deny; 403 if not stated. 451 is for what a law forbids (RFC 7725), 503 for a maintenance window."""
    retry_after: Annotated[Duration, Field(gt=0, le=LONGEST_WAIT)] | None = None
    """For deny: callers are told to try again after this time, at most 30d. Default: they are told not to."""
    weight: Annotated[int, Field(ge=1, le=1000)] | None = None
    """For weigh: the suspicion that it adds."""
    limit: ThrottleConfig | None = None
    """For throttle."""
    tags: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """For tag."""
    mode: Literal["enforce", "shadow"] = "enforce"
    """`shadow`: it is asked and counted, and changes nothing."""
    rollout: Percentage = 1.0
    """Enforced for this part of the accounts, always the same ones; in shadow for the rest."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        errors = list(self._misplaced())
        if errors:
            raise ValidationError.from_exception_data("RuleConfig", errors)
        return self

    def _misplaced(self) -> Iterator[InitErrorDetails]:
        if self.name == OTHERWISE:
            yield _error(("name",), "is taken: it stands for the file's own `otherwise`")
        for key, actions in KEYS_OF.items():
            if getattr(self, key) is not None and self.action not in actions:
                yield _error((key,), f"is for {' and '.join(f'`action: {action}`' for action in actions)}")
        needed = NEEDED.get(self.action)
        if needed is not None and getattr(self, needed) is None:
            yield _error(("action",), f"`{self.action}` needs `{needed}`")
        if self.mode == "shadow" and self.rollout < 1.0:
            said = "`mode: shadow` is for everybody: leave `rollout` out, or enforce it for a part"
            yield _error(("rollout",), said)

    @property
    def share(self) -> float:
        """The share of accounts for whom it is enforced."""
        return 0.0 if self.mode == "shadow" else self.rollout

    def bucket_limit(self) -> Limit | None:
        """The value that travels with takes; None where it throttles nothing."""
        if self.limit is None:
            return None
        requests = float(self.limit.requests)
        return Limit(self.name, Measure.REQUESTS, requests, requests, self.limit.every)


class RulesConfig(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    rules: tuple[RuleConfig, ...]
    """Asked in order, until one ends the entry."""
    otherwise: Literal["allow", "deny"] = "allow"
    """What becomes of an exchange for which no enforced rule ended the entry."""

    def shared_names(self) -> dict[str, tuple[str | int, ...]]:
        """Names of limits, with their places: they must be this entry's alone."""
        return {rule.name: ("rules", index, "name") for index, rule in enumerate(self.rules) if rule.limit is not None}

    @model_validator(mode="after")
    def _laws(self) -> Self:
        if not self.rules:
            raise ValueError("`rules` is empty: state at least one")
        errors = []
        first: dict[str, int] = {}
        for index, rule in enumerate(self.rules):
            if first.setdefault(rule.name, index) != index:
                errors.append(_error(("rules", index, "name"), f"is a duplicate: another rule is `{rule.name}`"))
        if errors:
            raise ValidationError.from_exception_data("RulesConfig", errors)
        return self


def _error(loc: tuple[str | int, ...], message: str) -> InitErrorDetails:
    # The message goes in as a value: pydantic reads braces in a template.
    return InitErrorDetails(type=PydanticCustomError("rules", "{said}", {"said": message}), loc=loc, input=None)
