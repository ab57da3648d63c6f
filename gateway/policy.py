"""The contract of a policy: all that a policy author imports.

A policy has one required method, `decide(context)`; `settle`, `refuse` and `close` are optional abilities, found
by their presence. A refusal is a value; an exception means that something is broken, and the chain
then does what the entry's `on_failure` says.

What is made once an exchange is a NamedTuple: a frozen dataclass costs more than twice as much to make.

Units: tokens and requests are counted as such, `spend` in US dollars, time in seconds; `now` is Unix time.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, Protocol, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel


class Action(enum.Enum):
    """What a policy says of an exchange."""

    ALLOW = "allow"
    CHALLENGE = "challenge"
    THROTTLE = "throttle"
    DENY = "deny"


class Measure(enum.Enum):
    """What a limit counts."""

    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    TOTAL_TOKENS = "total_tokens"
    SPEND = "spend"
    CONCURRENCY = "concurrency"


class OnExhausted(enum.Enum):
    """What becomes of a running stream when its bucket is empty: it may finish on debt, or it is cut."""

    FINISH = "finish"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket as the YAML states it: `capacity` units, `refill` units back every `every` seconds.

    For `Measure.CONCURRENCY` only `capacity` counts: so many exchanges at once, held as leases.
    `name` is part of the API: it stands in RateLimit fields and in refusals, and is the bucket's name in the store,
    so a changed number keeps its usage.
    """

    name: str
    measure: Measure
    capacity: float
    refill: float = 0.0
    every: float = 1.0
    on_exhausted: OnExhausted = OnExhausted.FINISH

    @property
    def rate(self) -> float:
        """Units that come back per second."""
        return self.refill / self.every

    @property
    def window(self) -> float:
        """Seconds from empty to full: the `w` of draft-ietf-httpapi-ratelimit-headers-10."""
        return self.capacity / self.rate if self.rate else 0.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit for one partition, such as requests per minute for one account.

    `tag` is what must live together in the store (the hash tag of a Redis Cluster, such as `account=acme`);
    `partition` is the whole key, which begins with the tag (`account=acme,model=m-large`).
    """

    tag: str
    partition: str
    limit: Limit


class Take(NamedTuple):
    """What must be taken from one bucket for this exchange to go on. For concurrency the cost is 1."""

    bucket: Bucket
    cost: float


class Taken(NamedTuple):
    """The store's answer to some takes. `remaining` has one number a take, in order, after this exchange.

    When not granted nothing was taken; `short` is the index of the take with the longest wait, `wait` the seconds until
    everything would fit (`inf` if it never does), and `remaining` is what is there.
    """

    granted: bool
    remaining: tuple[float, ...]
    short: int = -1
    wait: float = 0.0


class Evidence(NamedTuple):
    """Something that an account has shown of its owner, by kind (`gateway.accounts.evidence`); never what it says."""

    kind: str
    obtained: float
    """Unix time."""
    expires: float = math.inf
    """Unix time at which it ends by itself, whatever a ladder says of how long it lasts."""


class Fall(NamedTuple):
    """A reason for which an account may not stand as high as its evidence says."""

    reason: str
    """Of `gateway.accounts.evidence.FALLS`."""
    until: float = math.inf


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of an account beyond its name. Empty and 0 mean unknown."""

    created: float = 0.0
    """Unix time."""
    email_domain: str = ""
    """Of the owner's address, in lower case."""
    signup_country: str = ""
    billing_country: str = ""
    verification: int = 0
    """How far its owner was verified: 0 not at all; each step of the ladder is one more."""
    evidence: tuple[Evidence, ...] = ()
    """What holds, or held. Several of a kind where neither is both later and ends later."""
    falls: tuple[Fall, ...] = ()
    identity: str = ""
    """Accounts that one person or company stands behind have the same; empty where the account has its own."""
    signup_burst: int = 0
    """How many accounts signed up from the same place, or with the same e-mail domain, within a day of this one."""
    assigned: str = ""
    """The tier that it came with, where a ladder has found another; empty where none has."""


NO_PROFILE = Profile()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, as far as a credential proved it."""

    account: str
    organisation: str = ""
    key: str = ""
    tier: str = "default"
    models: frozenset[str] = frozenset()
    """Models the key is scoped to; empty means all."""
    features: frozenset[str] = frozenset()
    """Features the key is scoped to; empty means all."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    profile: Profile = NO_PROFILE


class NetworkKind(enum.StrEnum):
    """What an address belongs to, where that matters. One may be several; none of them is an ordinary access line."""

    HOSTING = "hosting"
    VPN = "vpn"
    TOR = "tor"
    RESIDENTIAL_PROXY = "residential_proxy"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Location:
    """From where, as the geo databases say. Country is ISO 3166-1 alpha-2. Empty, 0 and None mean unknown."""

    country: str = ""
    asn: int = 0
    network_kinds: frozenset[str] = frozenset()
    """Of NetworkKind."""
    latitude: float | None = None
    longitude: float | None = None
    radius: float = 0.0
    """Kilometres around it in which the place may be; 0 where that is not stated."""
    private: bool = False
    """Not an address of the public internet: no database knows it, and it is no stranger either."""


class Ask(NamedTuple):
    """What an exchange asks for, as its dialect read it from the request."""

    dialect: str
    route: str
    """The dialect's name of the route, such as `chat.completions`; `other` for one that it does not know."""
    model: str = ""
    streaming: bool = False
    features: frozenset[str] = frozenset()
    """Any of tools, vision, audio, reasoning, structured_output, batch, web_search."""
    input_tokens: int = 0
    """Estimated."""
    output_cap: int | None = None
    """The most output tokens that the answer can have (every field that caps it, times `n`); None if not capped."""
    items: int = 1
    """Requests in it: more than one for a batch."""
    generates: bool = True
    """False where no tokens are made or charged (count_tokens, GET, DELETE)."""
    inject_usage: bool = False
    """True where the stream was not asked for usage, so that we ask for it and take that chunk out again."""


class Usage(NamedTuple):
    """Tokens really used, apart. `input` excludes cached and cache-creation tokens; `output` includes reasoning."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_creation: int = 0
    reasoning: int = 0


class Outcome(NamedTuple):
    """How an exchange ended.

    `status` is the upstream's, 0 if there was no answer. `usage` is None where none was stated; then `delivered` output
    tokens are an estimate from what was passed on. `reached` says whether a byte of the request may have come to an
    upstream.
    """

    status: int
    usage: Usage | None = None
    delivered: int = 0
    aborted: bool = False
    reached: bool = True
    refused: Action | None = None
    """What the chain said where that was no: ALLOW never, None where it let the exchange pass."""
    reason: str = ""
    """Of that, in the words of `Decision`."""


NOWHERE = Location()
NO_TAGS: frozenset[str] = frozenset()


class Facts(NamedTuple):
    """What a policy found out, for later policies. None leaves the principal as it is; weight and tags are added."""

    principal: Principal | None = None
    weight: int = 0
    tags: frozenset[str] = frozenset()
    captcha: bool = False
    """The caller has passed a challenge: those of `passed`, and every one where that names none."""
    share: float = 1.0
    """Of each quota of the account, how much this exchange may draw on: less than 1 while a model is new."""
    passed: frozenset[str] = frozenset()
    """By whom it was challenged: names as `challenged_by` makes them. Without `captcha`: nobody has passed those, and
    they stop this exchange no more all the same, for they could not be put (`on_failure: allow`)."""


class Context:
    """What is known of an exchange: frozen for policies; the chain alone fills the last seven slots."""

    __slots__ = (
        "ask",
        "captcha",
        "client_address",
        "exchange",
        "fields",
        "ja4",
        "location",
        "method",
        "now",
        "passed",
        "path",
        "principal",
        "share",
        "tags",
        "weight",
    )

    exchange: str
    """Our own id of the exchange: unique in the fleet, never chosen by a caller."""
    now: float
    """Unix time at which the request was complete."""
    method: str
    path: str
    """Without the query."""
    fields: Mapping[bytes, bytes]
    """Request fields by lower-case name; several of one name are joined by a comma."""
    client_address: str
    ask: Ask
    ja4: str
    """The TLS fingerprint of the caller, as a trusted hop states it; empty if none does."""
    location: Location
    """Where `client_address` is, by the geo databases: one object for one address while they do not change."""
    principal: Principal | None
    weight: int
    """Suspicion: what policies have added so far."""
    tags: frozenset[str]
    captcha: bool
    share: float
    """The smallest that a policy named; 1 if none did."""
    passed: frozenset[str]
    """As in Facts; see `has_passed`."""

    def __init__(
        self,
        exchange: str,
        now: float,
        method: str,
        path: str,
        fields: Mapping[bytes, bytes],
        client_address: str,
        ask: Ask,
        ja4: str = "",
    ) -> None:
        _set_exchange(self, exchange)
        _set_now(self, now)
        _set_method(self, method)
        _set_path(self, path)
        _set_fields(self, fields)
        _set_client_address(self, client_address)
        _set_ask(self, ask)
        _set_ja4(self, ja4)
        _set_location(self, NOWHERE)
        _set_principal(self, None)
        _set_weight(self, 0)
        _set_tags(self, NO_TAGS)
        _set_captcha(self, False)
        _set_share(self, 1.0)
        _set_passed(self, NO_TAGS)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Context is read-only: return Facts to change {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Context is read-only")

    def __repr__(self) -> str:
        return f"<Context {self.exchange} {self.method} {self.path} from {self.client_address} {self.ask.model}>"


def _slot(name: str) -> Callable[[Context, Any], None]:
    """Passes by `__setattr__`: what the chain uses, at the price of a plain assignment."""
    setter: Callable[[Context, Any], None] = vars(Context)[name].__set__
    return setter


_set_exchange = _slot("exchange")
_set_now = _slot("now")
_set_passed = _slot("passed")
_set_method = _slot("method")
_set_path = _slot("path")
_set_fields = _slot("fields")
_set_client_address = _slot("client_address")
_set_ask = _slot("ask")
_set_ja4 = _slot("ja4")
_set_location = _slot("location")
_set_principal = _slot("principal")
_set_weight = _slot("weight")
_set_tags = _slot("tags")
_set_captcha = _slot("captcha")
_set_share = _slot("share")

place = _set_location
"""`place(context, location)`: where the caller is. For the chain alone."""


def note_facts(context: Context, facts: Facts) -> None:
    """Write what a policy found into the context. For the chain alone."""
    principal, weight, tags, captcha, share, passed = facts
    if principal is not None:
        _set_principal(context, principal)
    if weight:
        _set_weight(context, context.weight + weight)
    if tags:
        _set_tags(context, context.tags | tags)
    if captcha:
        _set_captcha(context, True)
        _set_passed(context, context.passed | passed if context.passed else passed)
    elif passed:
        _set_passed(context, context.passed | passed)
    if share < 1.0 and share < context.share:
        _set_share(context, share)


def challenged_by(entry: str, rule: str) -> str:
    """The name of a rule that challenges: a clearance for it is worth nothing for another one."""
    return f"{entry}/{rule}"


def has_passed(context: Context, by: str) -> bool:
    """Whether the challenge of that name (`challenged_by`) stops this exchange no more: the caller has passed it."""
    return by in context.passed or (context.captcha and not context.passed)


class Match(NamedTuple):
    """A rule of a policy that applied to an exchange. One that is not enforced changed nothing: it is in shadow."""

    rule: str
    """Its name, unique in its entry; empty where the policy has no rules of its own."""
    action: str
    """What it does, in the words of its YAML, such as deny or weigh."""
    reason: str = ""
    enforced: bool = True


NO_MEMBERS: Mapping[str, str | Sequence[str]] = MappingProxyType({})


class Decision(NamedTuple):
    """A policy's answer.

    `reason` is a stable code and part of the API; `detail` is safe to show to the caller, `note` is for the log alone.
    `status` 0 means the usual one of the action (deny and challenge 403, throttle 429). `retry_after` None means that
    waiting does not help, and then callers are told not to retry.
    """

    action: Action
    reason: str = ""
    detail: str = ""
    note: str = ""
    status: int = 0
    retry_after: float | None = None
    facts: Facts | None = None
    takes: tuple[Take, ...] = ()
    matches: tuple[Match, ...] = ()
    """The rules that applied, in order. They are counted, logged, and shown to whoever asks why."""
    link: str = ""
    """Where the caller can read more; the page of the reason if not stated. One that begins with `/` is on this
    gateway's own pages.
    """
    members: Mapping[str, str | Sequence[str]] = NO_MEMBERS
    """More members of the error, safe to show, such as what is missing. A `…_url` is made whole as `link` is."""


ALLOW = Decision(Action.ALLOW)
"""The plain yes: most decisions are this one object."""


class Policy(Protocol):
    """One method. Return a Decision on the warm path; an awaitable of one only where I/O is needed."""

    def decide(self, context: Context) -> Decision | Awaitable[Decision]: ...


class Settles(Protocol):
    """Optional: told in reverse order how the exchange ended, whatever happened, if it was asked.

    Returns what each of its own takes really cost, in the order of its Decision's `takes`; () for nothing to settle.
    """

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]: ...


class Refuses(Protocol):
    """Optional, required of a policy that takes: words for the refusal when one of its buckets is short."""

    def refuse(self, context: Context, take: Take, taken: Taken) -> Decision: ...


class Challenges(Protocol):
    """Optional: makes what another entry of the chain challenges something that a caller can pass.

    `by` is `challenged_by` of the entry and the rule that challenge, `decision` what they said. Returns ALLOW with
    `facts.passed` where the caller has passed it: then the entry is asked again, and lets it pass.
    """

    def challenge(self, context: Context, by: str, decision: Decision) -> Decision | Awaitable[Decision]: ...


class Finding(NamedTuple):
    """One thing that a policy looked at, for a person who asks why."""

    rule: str
    """Its name in the YAML."""
    applies: bool
    read: Mapping[str, Any]
    """Variable -> value."""
    note: str = ""


class Explains(Protocol):
    """Optional: everything it looks at, in the order of looking. Off the hot path, and it changes nothing."""

    def explain(self, context: Context) -> tuple[Finding, ...]: ...


class Closes(Protocol):
    """Optional: told when the policy is retired."""

    async def close(self) -> None: ...


ConfigT = TypeVar("ConfigT", bound="BaseModel")


@dataclass(frozen=True, slots=True)
class PolicyKind(Generic[ConfigT]):
    """What a room exports as KIND: its name, the pydantic model of its YAML, and its constructor."""

    name: str
    config: type[ConfigT]
    build: Callable[[ConfigT, Any], Policy]
    """Called with the checked config and the Services of this gateway (`gateway.policies.Services`)."""
    identifies: bool = False
    """It finds out who is asking, by secrets that nobody keeps: where an exchange of the past is judged again, what it
    found then is taken."""
