"""The shape of `tidegate.yaml`: where the gateway listens, what stands behind it, and how long things may take."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from gateway.accounts.evidence import KINDS
from gateway.challenges.providers import vendors
from gateway.feeds.signing_keys import unsafe_address
from gateway.quantities import Count, Duration, Name, Percentage, Secret, Size
from gateway.rules.problems import did_you_mean
from gateway.verification.providers import contract

SHORTEST_TOKEN = 16
"""Bytes: what cannot be guessed."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _listen_address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not text.startswith("unix:/") and (not colon or not host or not port.isdigit() or int(port) > 65535):
        raise ValueError("must be HOST:PORT, such as 0.0.0.0:8080, or unix:/path")
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"must be a network, such as 10.0.0.0/8: {error}") from error


def _origin_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise ValueError("must be http://host:port or https://host, maybe with a path before it all")
    return text.rstrip("/")


def _issuer(url: str) -> str:
    """To the letter, also with a slash at its end: it is compared with what tokens say."""
    if unsafe := unsafe_address(url):
        raise ValueError(unsafe)
    return url


ListenAddress = Annotated[str, AfterValidator(_listen_address)]
NetworkText = Annotated[str, AfterValidator(_network)]
OriginUrl = Annotated[str, AfterValidator(_origin_url)]


class TlsFile(Strict):
    """PEM files."""

    certificate: str
    """The certificate with its chain."""
    key: str


class UpstreamFile(Strict):
    """One origin server of the inference API."""

    name: Name = "inference"
    url: OriginUrl
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    bearer: Secret | None = None
    """The upstream's own credential, sent as `Authorization: Bearer`."""
    api_key: Secret | None = None
    """The same as `x-api-key`."""
    health: str = ""
    """A path that is asked now and then; 2xx means well."""
    ca: str = ""
    """A PEM file to trust instead of the system's."""
    max_connections: Annotated[Count, Field(ge=1)] = 4096


class RouteFile(Strict):
    """The upstreams of some paths."""

    name: Name
    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    """Beginnings of paths, such as /v1/messages."""
    upstreams: Annotated[tuple[UpstreamFile, ...], Field(min_length=1)]


class TimeoutsFile(Strict):
    """How long what may take."""

    head: Duration = 10.0
    """A request's head, from its first byte."""
    body: Duration = 30.0
    """A request's content, beyond what its length needs on a slow line."""
    keep_alive: Duration = 75.0
    connect: Duration = 5.0
    first_byte: Duration = 300.0
    idle: Duration = 120.0
    """Between two pieces of an answer."""
    upstream_keep_alive: Duration = 4.0
    """How long an idle connection to an upstream is kept: less than the upstream keeps it."""
    drain: Duration = 30.0
    """What runs may go on for so long after SIGTERM."""
    store: Duration = 0.02
    """The longest that a request waits for Redis."""


class SizesFile(Strict):
    """How large what may be."""

    head: Size = 16 * 1024
    body: Size = 32 * 1024 * 1024
    bodies: Size = 512 * 1024 * 1024
    """Content of requests that one worker holds at once."""
    connections: Annotated[Count, Field(ge=1)] = 16_384


class ExchangeLogFile(Strict):
    """What happened, one event an exchange, for replays and reports."""

    folder: Annotated[str, StringConstraints(min_length=1)] = "exchanges"
    """Where it is written; each machine has its own."""
    keep: Annotated[Duration, Field(ge=86400)] = 30 * 86400.0
    """How long days are kept."""
    rotate: Annotated[Duration, Field(ge=1, le=86400)] = 60.0
    """How long a worker writes one file of the spool."""
    addresses: Literal["full", "network", "none"] = "full"
    """What is kept of callers' addresses."""


class DirectoryFile(Strict):
    """The durable directory of accounts."""

    url: Secret = SecretStr("sqlite:///directory.db")
    """sqlite:///PATH (relative to this file) or postgresql://USER:PASSWORD@HOST/NAME."""
    secrets: dict[Name, Secret] = Field(default_factory=dict)
    """Id -> secret of at least 32 bytes, the newest first: they make keyed hashes, keys' digests and one-time links.
    Without any, one is made and kept beside the SQLite file; PostgreSQL needs them stated."""
    remember: Annotated[Count, Field(ge=100, le=10_000_000)] = 100_000
    """Accounts that a worker holds in memory."""


class ProviderFile(Strict):
    """One provider of verifications. What its `key`, `secret` and `flow` are: docs/providers.md"""

    name: Name
    """What ladders and addresses of webhooks call it."""
    kind: Literal["stripe", "persona", "onfido", "sumsub", "didit", "veriff", "manual"]
    url: OriginUrl | None = None
    """Of its API; the provider's own if not stated."""
    key: Secret | None = None
    """The credential for its API."""
    secret: Secret | None = None
    """With which requests to its API are signed, where it wants that."""
    webhook_secrets: Annotated[tuple[Secret, ...], Field(max_length=2)] = ()
    """With which its webhooks are signed: two while one takes over from the other."""
    flow: str = ""
    """Its name of what is asked of a person: template, workflow, level."""
    gives: Annotated[tuple[str, ...], Field(min_length=1)] = ("document", "liveness")
    """Kinds of evidence that its approval is."""

    @field_validator("url")
    @classmethod
    def _safe(cls, url: str | None) -> str | None:
        return contract.check_base(url) if url else url

    @field_validator("gives")
    @classmethod
    def _known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for kind in kinds:
            if kind not in KINDS:
                raise ValueError(f"`{kind}` is no kind of evidence{did_you_mean(kind, KINDS)}")
        return kinds

    @model_validator(mode="after")
    def _whole(self) -> ProviderFile:
        if problem := contract.complaint(self):
            raise ValueError(problem)
        return self


class CaptchaFile(Strict):
    """One provider of challenges for people. What it wants beside its keys: docs/challenges.md"""

    name: Name
    """As captcha.yaml calls it."""
    kind: Literal["turnstile", "hcaptcha", "recaptcha", "recaptcha_enterprise", "friendly"]
    site_key: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """What browsers are given."""
    secret: Secret
    """What we validate answers with: the secret, or the API key."""
    project: str = ""
    """For recaptcha_enterprise: the Google Cloud project."""
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    """The least that counts as a person, by a provider that scores (1 is a person)."""
    hostnames: tuple[str, ...] = ()
    """Hosts under which answers may have been given; that of `public_url` if not stated: one of both there must be."""
    url: str | None = None
    """Where it validates; the provider's own address if not stated."""
    timeout: Annotated[Duration, Field(gt=0, le=30)] = 3.0
    """The longest that it is waited for."""

    @model_validator(mode="after")
    def _whole(self) -> CaptchaFile:
        if problem := vendors.complaint(self):
            raise ValueError(problem)
        return self


class NoticesFile(Strict):
    """Where the operator is told of challenges, so that the owner of an account can be asked."""

    url: OriginUrl
    """Gets a POST for each."""
    secret: Secret
    """Signs it (Standard Webhooks, `whsec_…` or any text of at least 16 bytes)."""


class MailFile(Strict):
    """How one-time links are sent to owners."""

    smtp: Secret
    """smtp://USER:PASSWORD@HOST:587 (STARTTLS) or smtps://…:465; smtp to loopback without either."""
    sender: str
    """The From address."""


class TracesFile(Strict):
    """OpenTelemetry traces of some exchanges. Needs `tidegate[traces]`."""

    endpoint: OriginUrl
    """The collector's address for OTLP over HTTP, such as http://127.0.0.1:4318"""
    sample: Annotated[Percentage, Field(gt=0)] = 0.01
    """The share of exchanges that is traced. Where a trusted hop states a trace, its decision holds instead."""
    headers: dict[Name, Secret] = Field(default_factory=dict)
    """Sent to the collector, such as a credential."""
    service: str = "tidegate"
    """What we are called there."""


class DetectorFile(Strict):
    """`detector`: exchanges are observed, and a process looks for accounts that act as one."""

    retention: Annotated[Duration, Field(ge=60.0, le=86_400.0)] = 900.0
    """How long observations stay in Redis: for so long a detector may be away and loses nothing."""
    events_at_most: Annotated[int, Field(ge=1000)] = 2_000_000
    """Observations that Redis holds at most, whatever their age: some 600 bytes each."""
    look: Annotated[Duration, Field(ge=0.1, le=30.0)] = 10.0
    """Between two looks for what has changed: a campaign is told of, and a ruling is heeded, at the next one."""
    minted_ids: bool = True
    """Ids of tool calls are marked with the account for which they were made, so that it shows where they wander."""


class OidcFile(Strict):
    """An identity provider by which people sign in to the console (OpenID Connect)."""

    issuer: Annotated[str, AfterValidator(_issuer)]
    """What it calls itself, such as https://login.example.com: found by its /.well-known/openid-configuration."""
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    client_secret: Secret | None = None
    """Not for a public client: what came back is proved by PKCE anyway."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    claim: Annotated[str, StringConstraints(pattern=r"^[^\s.]+(\.[^\s.]+)*$")] = "groups"
    """What in the ID token says what somebody is; dots lead into objects, as in realm_access.roles."""
    roles: Annotated[
        dict[Literal["viewer", "operator", "author", "analyst", "admin"], tuple[str, ...]], Field(min_length=1)
    ]
    """Role -> values of the claim that earn it. Whoever has none is not let in."""


class OperatorsFile(Strict):
    """Who uses the operators' port, and how they sign in."""

    url: OriginUrl | Literal[""] = ""
    """Where browsers find the console, such as https://tidegate.example.com, where that is not an address or a name
    without a dot. https here says that a proxy in front does TLS."""
    oidc: OidcFile | None = None
    """Beside tokens."""

    @model_validator(mode="after")
    def _whole(self) -> OperatorsFile:
        if self.oidc is not None and not self.url:
            raise ValueError("`oidc` needs `url`: the provider is told where to send people back")
        if urlsplit(self.url).path:
            raise ValueError("`url` must have no path: the console is at /console/")
        return self


class GatewayFile(Strict):
    """The whole file."""

    listen: ListenAddress = "127.0.0.1:8080"
    """Where callers come in."""
    tls: TlsFile | None = None
    admin: ListenAddress = "127.0.0.1:8081"
    """Health, metrics, the console and its API. Not for the public."""
    admin_token: Secret | None = None
    """Whoever bears it may do everything on the admin port; at least 16 bytes."""
    operators: OperatorsFile = OperatorsFile()
    """Who else may, and how people sign in."""
    audit_log: str = ""
    """A file to which each change of rules appends a line; the gateway's own log if not stated."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    redis: Secret
    """redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://."""
    policies: str = "policies"
    """The folder with chain.yaml. Paths are relative to this file."""
    data: str = "data"
    """The folder where `tidegate feeds update` puts lists and databases."""
    accounts: str = "accounts.yaml"
    """Accounts beside those of the directory, in a file. It need not be there unless it is named."""
    directory: DirectoryFile = DirectoryFile()
    """Where accounts, keys and evidence are kept."""
    providers: tuple[ProviderFile, ...] = ()
    """Who verifies people."""
    captchas: tuple[CaptchaFile, ...] = ()
    """Who tells people from programs, beside what is built in (`altcha`)."""
    notices: NoticesFile | None = None
    """Who is told of challenges and reviews."""
    mail: MailFile | None = None
    """Without it no links are sent, and owners come by a link that an operator makes."""
    public_url: str = ""
    """Where callers reach the gateway, for the links in its answers; from their Host field if not stated."""
    trusted_hops: tuple[NetworkText, ...] = ()
    """Proxies in front of us whose X-Forwarded-For is believed."""
    ruleset_field: bool = False
    """Say in `Tidegate-Ruleset` by which rules an answer was decided."""
    ja4_field: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")] | Literal[""] = ""
    """The request field in which a trusted hop states the caller's TLS fingerprint (JA4), such as x-ja4."""
    upstreams: Annotated[tuple[UpstreamFile, ...], Field(min_length=1)]
    """Who serves what no route serves."""
    routes: tuple[RouteFile, ...] = ()
    timeouts: TimeoutsFile = TimeoutsFile()
    sizes: SizesFile = SizesFile()
    access_log: Literal["stdout", "off"] | str = "stdout"  # noqa: PYI051 - the words are for the reference
    """`stdout`, `off`, or a file that is appended to."""
    exchange_log: ExchangeLogFile | None = None
    """What replays and reports are made of; nothing is kept if not stated."""
    detector: DetectorFile | None = None
    """Whether campaigns are looked for; nothing is observed if not stated."""
    traces: TracesFile | None = None
    """Where some exchanges are told step by step; nowhere if not stated."""
    process_log: Literal["text", "json"] = "text"
    """How the gateway's own log (stderr) is written: lines for people, or one JSON object a line."""

    @field_validator("admin_token")
    @classmethod
    def _long(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value().encode()) < SHORTEST_TOKEN:
            raise ValueError(f"must have at least {SHORTEST_TOKEN} bytes")
        return token

    @model_validator(mode="after")
    def _laws(self) -> GatewayFile:
        for upstreams in (self.upstreams, *(route.upstreams for route in self.routes)):
            names = [upstream.name for upstream in upstreams]
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"two upstreams of one route are named {', '.join(sorted(twice))}")
        providers = [provider.name for provider in self.providers]
        if twice := {name for name in providers if providers.count(name) > 1}:
            raise ValueError(f"two providers are named {', '.join(sorted(twice))}")
        captchas = [captcha.name for captcha in self.captchas]
        if twice := {name for name in captchas if captchas.count(name) > 1 or name == "altcha"}:
            raise ValueError(f"two captchas are named {', '.join(sorted(twice))} (altcha is built in)")
        if not self.public_url and (bare := [one.name for one in self.captchas if not one.hostnames]):
            raise ValueError(
                f"captcha {bare[0]} needs `hostnames`, or the file `public_url`: else whoever answers says by the Host "
                "field under which host that may have been"
            )
        if self.notices is not None and not self.public_url:
            raise ValueError(
                "`notices` needs `public_url`: the links in them must not follow the Host field of a request"
            )
        if self.mail is not None and not self.public_url:
            raise ValueError("`mail` needs `public_url`: a link in a mail must not follow the Host field of a request")
        return self
