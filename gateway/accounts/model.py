"""The shape of `accounts.yaml`: who may ask, and with which keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.accounts.keys import MAX_PEPPER
from gateway.quantities import Secret

ACCOUNT_ID = r"^[!-+\-.-<>-z|~]{1,128}$"
"""Printable ASCII without space, comma, equals sign and braces: those part a bucket's name in the store."""

TIER = r"^[a-z][a-z0-9_-]{0,47}$"

AccountId = Annotated[str, StringConstraints(pattern=ACCOUNT_ID)]
Prefix = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{8,12}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Country = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2})?$")]
"""ISO 3166-1 alpha-2; empty for unknown."""
Feature = Literal["tools", "vision", "audio", "reasoning", "structured_output", "batch", "web_search"]

MIN_PEPPER = 16
"""Bytes. A pepper is a key: 16 random bytes are the least that deserves the name."""


class KeyEntry(BaseModel):
    """One key of an account: never the key itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=128)
    """For people."""
    prefix: Prefix
    """The public part: what stands between the first two underscores."""
    digest: Digest
    """Keyed BLAKE2b-256 of the whole key, in hex."""
    pepper: str
    """Which of `peppers` made the digest."""
    expires: AwareDatetime | None = None
    """Such as 2027-01-31T00:00:00Z."""
    models: frozenset[str] = frozenset()
    """Models it may ask. Empty: all."""
    features: frozenset[Feature] = frozenset()
    """Features it may use. Empty: all."""
    revoked: bool = False
    """Refused from now on."""


class AccountEntry(BaseModel):
    """One account."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: AccountId
    """Stable: its buckets are counted by it."""
    organisation: AccountId | Literal[""] = ""
    """What it belongs to."""
    tier: Annotated[str, StringConstraints(pattern=TIER)] = "default"
    """Its plan."""
    suspended: bool = False
    """Refused, whatever its key."""
    created: AwareDatetime | None = None
    """When it signed up."""
    email_domain: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}$")] | Literal[""] = ""
    """Of its owner's address."""
    signup_country: Country = ""
    """Where it was made: ISO 3166-1 alpha-2, in capitals."""
    billing_country: Country = ""
    """Where it pays from: ISO 3166-1 alpha-2, in capitals."""
    verification: Annotated[int, Field(ge=0, le=9)] = 0
    """How far its owner was verified: 0 not at all."""
    keys: tuple[KeyEntry, ...] = ()
    """As `tidegate key mint` prints them."""


class AccountsFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    peppers: dict[str, Secret] = Field(default_factory=dict)
    """Id -> secret of 16 to 64 bytes. A key keeps the pepper it was made with: add a new one, replace none."""
    accounts: tuple[AccountEntry, ...]
    """All of them."""

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        errors = [*self._bad_peppers(), *self._bad_accounts()]
        if errors:
            raise ValidationError.from_exception_data("AccountsFile", errors)
        return self

    def _bad_peppers(self) -> Iterator[InitErrorDetails]:
        for name, secret in self.peppers.items():
            if not MIN_PEPPER <= len(secret.get_secret_value().encode()) <= MAX_PEPPER:
                yield _error(("peppers", name), f"must have {MIN_PEPPER} to {MAX_PEPPER} bytes")

    def _bad_accounts(self) -> Iterator[InitErrorDetails]:
        accounts: set[str] = set()
        prefixes: set[str] = set()
        for index, account in enumerate(self.accounts):
            if account.id in accounts:
                yield _error(("accounts", index, "id"), f"is a duplicate: another account is `{account.id}`")
            accounts.add(account.id)
            for number, key in enumerate(account.keys):
                loc = ("accounts", index, "keys", number)
                if key.prefix in prefixes:
                    yield _error((*loc, "prefix"), f"is a duplicate: another key has `{key.prefix}`")
                prefixes.add(key.prefix)
                if key.pepper not in self.peppers:
                    yield _error((*loc, "pepper"), f"names no pepper of this file: `{key.pepper}`")


def _error(loc: tuple[str | int, ...], message: str) -> InitErrorDetails:
    # The message goes in as a value: pydantic reads braces in a template.
    return InitErrorDetails(type=PydanticCustomError("accounts", "{said}", {"said": message}), loc=loc, input=None)
