"""An exchange as people write it down: the keys of `given` in tests of policies, and of `tidegate explain`'s file."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from gateway.accounts.model import ACCOUNT_ID, TIER, AccountId, Country, Feature
from gateway.policy import NetworkKind
from gateway.quantities import Count

USUAL_TIME: Final = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
"""A Monday's noon."""
NOBODY_SPECIAL: Final = "somebody"
"""The account where none is named."""
MADE_UP_KEY: Final = "rehearsed0"
"""The prefix of a key of which nothing is stated."""


class Written(BaseModel):
    """What all that is written here has in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"must be an IP address, such as 192.0.2.7 or 2001:db8::7, not {text[:40]!r}") from None


Address = Annotated[str, AfterValidator(_address)]
Tier = Annotated[str, StringConstraints(pattern=TIER)]


EvidenceKind = Literal["email", "phone", "payment", "document", "liveness", "registry", "sanctions", "console"]
FallReason = Literal["chargeback", "reversal", "detector", "analyst", "identity"]


class AccountGiven(Written):
    """What is known of an account: the keys of accounts.yaml, without its API keys."""

    id: AccountId | None = None
    """Under `accounts` it is the key; `somebody` if it is not stated."""
    organisation: AccountId | Literal[""] = ""
    """What it belongs to."""
    tier: Tier = "default"
    """Its plan."""
    suspended: bool = False
    """Refused by auth, whatever its key."""
    created: AwareDatetime | None = None
    """When it signed up, such as 2025-01-01T00:00:00Z."""
    email_domain: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}$")] | Literal[""] = ""
    """Of its owner's address."""
    signup_country: Country = ""
    """ISO 3166-1 alpha-2, in capitals."""
    billing_country: Country = ""
    """ISO 3166-1 alpha-2, in capitals."""
    verification: Annotated[int, Field(ge=0, le=9)] = 0
    """How far its owner was verified: 0 not at all."""
    evidence: dict[EvidenceKind, AwareDatetime] | tuple[EvidenceKind, ...] = ()
    """Kind -> when it was shown, such as `{document: 2026-01-01T00:00:00Z}`; or a list of kinds, all shown just now."""
    falls: tuple[FallReason, ...] = ()
    """Reasons for which it fell."""
    identity: AccountId | Literal[""] = ""
    """Accounts with the same have the same person or company behind them."""
    signup_burst: Annotated[int, Field(ge=0)] = 0
    """Accounts that signed up from the same place within a day of it."""


class KeyGiven(Written):
    """The API key that comes with the request."""

    name: str = MADE_UP_KEY
    """Its public prefix, `key.id` in conditions."""
    models: frozenset[str] = frozenset()
    """Models that it is scoped to. Empty: all."""
    features: frozenset[Feature] = frozenset()
    """Features that it is scoped to. Empty: all."""


Nats = Annotated[float, Field(ge=0, le=100)]


class VerdictGiven(Written):
    """What the detector says of an account: that it acts as one of a group, and how sure it is."""

    score: Annotated[float, Field(gt=0, le=100)]
    """In nats, as `from` of `campaigns` in risk.yaml has it."""
    families: dict[Literal["links", "content", "work", "balance", "network", "registration", "pivot"], Nats] = {}
    """Family of evidence → what it says of that, in nats; those of one or more count."""
    size: Annotated[Count, Field(ge=1)] = 1
    """Accounts in the cluster."""
    cluster: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = "c1"
    """Its id: accounts with the same share one budget."""
    most: Literal["observe", "budget", "trace", "hold", "challenge", "verify"] = "verify"
    """The highest level that the detector lets it come to: `budget` for what sits in one place."""
    since: AwareDatetime | None = None
    """When it was first said; a day before the request if it is not stated. What is shown after it counts."""


class Given(Written):
    """One exchange. What is not stated is ordinary: a chat completion of a known account of the tier `default`."""

    account: Annotated[str, StringConstraints(pattern=ACCOUNT_ID)] | AccountGiven | None = None
    """Who asks: one of `accounts`, or an account that is described here."""
    tier: Tier | None = None
    """In place of the account's own."""
    key: Literal["valid", "token", "none", "invalid", "expired", "revoked"] | KeyGiven = "valid"
    """Its credential: an API key, or a token (so is `valid` beside `claims`), which has no `key.id`; `none` makes it a
    stranger; or the key's scopes.
    """
    claims: dict[str, Any] = {}
    """Claims of its token that auth keeps."""
    rollout: dict[str, Literal["inside", "outside"]] = {}
    """Name of an entry or a rule with a `rollout` -> on which side the account is. It gets an id that is there."""
    enforced: frozenset[str] = frozenset()
    """Entries and rules that are enforced for everybody in this test, whatever their `mode` and `rollout`: so it holds
    in shadow, for a part and for all. One that states a side of its `rollout` is judged by that.
    """
    time: AwareDatetime = USUAL_TIME
    """When the request comes. 2026-01-05T12:00:00Z, a Monday, if it is not stated."""

    address: Address = "192.0.2.7"
    """The caller's. Where no key below says where that is, the databases do."""
    country: Country | None = None
    """ISO 3166-1 alpha-2, in capitals; empty for unknown. This and the next keys stand in place of the databases."""
    asn: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    """Number of the autonomous system."""
    network_kinds: frozenset[NetworkKind] | None = None
    """What the address belongs to."""
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Degrees."""
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Degrees."""
    radius: Annotated[float, Field(ge=0)] | None = None
    """Kilometres around it."""
    private: bool | None = None
    """Not an address of the public internet."""
    ja4: str = ""
    """The caller's TLS fingerprint, as a trusted hop states it."""

    method: Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,20}$")] = "POST"
    """Of the request."""
    path: Annotated[str, StringConstraints(pattern=r"^/")] = "/v1/chat/completions"
    """Of the request; what follows `?` is left out. It says which dialect is spoken."""
    fields: dict[str, str] = {}
    """Request fields."""
    body: dict[str, Any] | str | None = None
    """The request's content, as an object or as text, read as in production. The next keys override what it says."""
    model: str | None = None
    """What is asked; `m-large` where there is no body either."""
    features: frozenset[Feature] | None = None
    """Features it uses."""
    input_tokens: Count | None = None
    """Estimated tokens of the input; 10 where there is no body either."""
    output_cap: Count | None = None
    """The most output tokens that the request allows."""
    streaming: bool | None = None
    """Whether an event stream is asked for."""
    items: Annotated[int, Field(ge=1)] | None = None
    """Requests in a batch."""

    captcha: bool = False
    """The caller has passed a challenge before."""
    weight: int = 0
    """Suspicion that was added before the first entry."""
    tags: frozenset[str] = frozenset()
    """Tags that were set before the first entry."""
    verdicts: dict[AccountId, VerdictGiven] = {}
    """Account → what the detector says of it; of others it says nothing. `somebody` asks where no account is stated."""
    store: Literal["there", "away"] = "there"
    """`away`: Redis does not answer, so that each entry's `on_failure` decides."""

    @model_validator(mode="after")
    def _laws(self) -> Given:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("needs both `latitude` and `longitude`, or neither")
        if self.tier is not None and isinstance(self.account, AccountGiven) and "tier" in self.account.model_fields_set:
            raise ValueError("states a `tier` twice: beside the account and in it")
        if self.key == "none" and self.rollout:
            raise ValueError("has a `rollout` and `key: none`: sides are told by account")
        both = self.enforced & {name for name, side in self.rollout.items() if side == "outside"}
        if both:
            raise ValueError(f"has `{min(both)}` enforced for everybody, and outside of its rollout")
        if self.key == "none" and self.account is not None:
            raise ValueError("has an account and `key: none`: who sends no key is nobody")
        return self

    def over(self, below: Given) -> Given:
        """These keys over others: what is not stated here is as it is there.

        Who states a side of a rollout wants that rule as it is written.
        """
        stated = {name: getattr(self, name) for name in self.model_fields_set}
        if "enforced" not in stated:
            stated["enforced"] = below.enforced - self.rollout.keys()
        return below.model_copy(update=stated)

    @property
    def placed(self) -> bool:
        """Whether it says where it comes from, and the databases are not asked."""
        return any(
            value is not None for value in (self.country, self.asn, self.network_kinds, self.latitude, self.private)
        )
