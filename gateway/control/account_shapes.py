"""What is said to change an account: by systems in JSON, by commands in options. Checked once, here, all at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from gateway.accounts.evidence import FALLS, KINDS, LINKS
from gateway.accounts.model import ACCOUNT_ID, TIER, AccountId, Country, Feature
from gateway.control import mail
from gateway.quantities import Duration

DAY: Final = 86400.0
ONE_LINE: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
"""Nothing that steers a terminal, or turns around what is read."""
REFERENCE: Final = r"^[A-Za-z0-9_.:-]{0,64}$"
DOMAIN: Final = r"^[a-z0-9.-]{0,253}$"
MODEL: Final = r"^[!-~]{1,128}$"
S = TypeVar("S", bound="Shape")

OneLine = Annotated[str, StringConstraints(strip_whitespace=True, max_length=256, pattern=ONE_LINE)]
"""Text for people."""
Reason = Annotated[OneLine, Field(min_length=1)]
"""Why: it stands in the audit for good, so it names a ticket rather than a person."""
Tier = Annotated[str, StringConstraints(pattern=TIER)] | Literal[""]
Reference = Annotated[str, StringConstraints(pattern=REFERENCE)]
"""An id of another system: too narrow for an address of mail."""
Model = Annotated[str, StringConstraints(pattern=MODEL)]
Lasting = Annotated[Duration, Field(gt=0)]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class KeyShape(Shape):
    """A key to be made."""

    name: Annotated[OneLine, Field(min_length=1)] = "first"
    models: frozenset[Model] = frozenset()
    """Empty: all."""
    features: frozenset[Feature] = frozenset()
    """Empty: all."""
    expires: AwareDatetime | None = None


class LinkShape(Shape):
    """What identifies: it is hashed at once, and never shown."""

    kind: Literal[tuple(LINKS)]  # type: ignore[valid-type]
    value: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512)] = Field(repr=False)


class AccountShape(Shape):
    """An account to be made."""

    id: AccountId
    organisation: AccountId | Literal[""] = ""
    name: OneLine = ""
    tier: Tier = ""
    """Assigned; empty where evidence decides."""
    created: AwareDatetime | None = None
    email_domain: Annotated[str, StringConstraints(pattern=DOMAIN)] = ""
    signup_country: Country = ""
    billing_country: Country = ""
    key: KeyShape | None = None
    """Its first key, made in the same transaction."""
    links: Annotated[tuple[LinkShape, ...], Field(max_length=64)] = ()
    """Known of it from the start, such as the network from which it signed up."""
    source: Reference = ""
    """Which system says so."""


class WhyShape(Shape):
    reason: Reason


class MoveShape(Shape):
    """To another tier, or another organisation, or both."""

    tier: Tier | None = None
    """Assigned; empty for what evidence earns."""
    lasts: Lasting | None = None
    """The tier is an override, and ends after that."""
    organisation: AccountId | Literal[""] | None = None
    reason: Reason

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.tier is None and self.organisation is None:
            raise ValueError("needs a tier or an organisation")
        if self.lasts is not None and not self.tier:
            raise ValueError("what lasts for a while needs a tier")
        return self


class RotateShape(Shape):
    overlap: Duration = DAY
    """How long the old key holds on."""


class EvidenceShape(Shape):
    """What another system has seen shown."""

    kind: Literal[tuple(KINDS)]  # type: ignore[valid-type]
    obtained: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    reference: Reference = ""
    reason: Reason


class FallWhyShape(Shape):
    """Of a fall that is named elsewhere."""

    reason: OneLine = ""
    lasts: Lasting | None = None
    """Until it is cleared, if not stated."""


class FallShape(FallWhyShape):
    fall: Literal[tuple(FALLS)]  # type: ignore[valid-type]


class LinksShape(Shape):
    links: Annotated[tuple[LinkShape, ...], Field(min_length=1, max_length=64)]
    source: Reference = ""
    """Which system says so."""


class MemberShape(Shape):
    """Who may sign in: whoever answers from an address, of which a keyed hash is kept."""

    address: Annotated[str, AfterValidator(mail.address)] = Field(repr=False)


class SignInShape(Shape):
    lasts: Annotated[Duration, Field(ge=1, le=7 * DAY)] = 900.0


class PageShape(Shape):
    """Which accounts are listed."""

    tier: Tier | None = None
    """Assigned; empty for those to whom none is."""
    organisation: AccountId | None = None
    suspended: bool | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    after: AccountId | Literal[""] = ""
    """The last id of the page before."""


class Wrong(Exception):
    """Some fields are wrong. `fields` has each with what is wrong with it."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {said}" if field else said for field, said in fields.items()))
        self.fields = fields


def checked(shape: type[S], values: object) -> S:
    """Durations and times are text, as in files. Raises Wrong with every wrong field; its text holds no value."""
    try:
        return shape.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        fields: dict[str, str] = {}
        for one in error.errors(include_url=False, include_input=False):
            fields.setdefault(_path(one["loc"]), _said(one))
        # A list of which a part is wrong is said to be too short as well: an echo.
        whole = {above for path in fields for above in _above(path)}
        raise Wrong({path: said for path, said in fields.items() if path not in whole}) from None


_WORDS: Final = {
    "missing": "is needed",
    "extra_forbidden": "is unknown",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "model_type": "must be an object",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "timezone_aware": "must have a zone, such as 2027-01-31T12:00:00Z",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must not hold line breaks or other characters that steer",
}
_PATTERNS: Final = {
    ACCOUNT_ID: "must be 1 to 128 printable ASCII characters without space, comma, `=`, `{` and `}`",
    TIER: "must be a name: lower-case letters, digits, `_` and `-`, a letter first, 48 at most",
    r"^([A-Z]{2})?$": "must be a country's two capital letters (ISO 3166-1 alpha-2), such as NO",
    REFERENCE: "must be an id: letters, digits, `_`, `.`, `:` and `-`, 64 at most",
    DOMAIN: "must be a domain in lower case, such as example.com",
    MODEL: "must be the name of a model",
}


def _said(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "string_pattern_mismatch" and context.get("pattern") in _PATTERNS:
        return _PATTERNS[context["pattern"]]
    if kind.startswith("datetime"):
        return "must be a time with its zone, such as 2027-01-31T12:00:00Z"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    said = _WORDS.get(kind) or error["msg"].removeprefix("Value error, ")
    return said.replace("Input should be", "must be").replace("String should have", "must have")


def _above(path: str) -> Iterator[str]:
    """`a.b.c` is a part of `a.b` and of `a`. A name that a caller made up may have any number of dots; no shape has."""
    steps = path.split(".", 8)
    return (".".join(steps[:length]) for length in range(1, len(steps)))


def _path(steps: tuple[str | int, ...]) -> str:
    """Without what pydantic puts in for a branch of a union, such as `constrained-str`."""
    return ".".join(str(step) for at, step in enumerate(steps) if at == 0 or str(step).replace("_", "").isalnum())
