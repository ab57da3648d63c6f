"""What each kind of provider needs to be told, as data; `tidegate.yaml` is checked against the same table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from pydantic import SecretStr

from gateway.wire.untrusted import check_base

__all__ = ("NEEDS", "OPTIONAL", "SHORTEST_SECRET", "Entry", "Needs", "check_base", "complaint", "stated")

SHORTEST_SECRET: Final = 8
"""Bytes: an empty secret signs for everybody."""


class Needs(NamedTuple):
    """Keys of an entry under `providers`: which a kind cannot do without, and which it may have."""

    base: str
    """Of its API."""
    needed: frozenset[str]
    allowed: frozenset[str] = frozenset()


NEEDS: Final[Mapping[str, Needs]] = {
    "stripe": Needs("https://api.stripe.com", frozenset({"key", "webhook_secrets"}), frozenset({"flow"})),
    "persona": Needs("https://api.withpersona.com", frozenset({"key", "webhook_secrets", "flow"})),
    "onfido": Needs("https://api.eu.onfido.com", frozenset({"key", "webhook_secrets", "flow"})),
    "sumsub": Needs("https://api.sumsub.com", frozenset({"key", "secret", "webhook_secrets", "flow"})),
    "didit": Needs("https://verification.didit.me", frozenset({"key", "webhook_secrets", "flow"})),
    # Its webhooks are signed with the shared secret that requests are signed with.
    "veriff": Needs("https://stationapi.veriff.com", frozenset({"key", "secret"}), frozenset({"webhook_secrets"})),
    "manual": Needs("", frozenset()),
}
"""Kind -> what it needs. `name`, `kind` and `gives` are for all; `url` for all that have an API."""

OPTIONAL: Final = ("url", "key", "secret", "webhook_secrets", "flow")
"""The keys of an entry that not every kind has."""


class Entry(Protocol):
    """An entry under `providers` of tidegate.yaml (`gateway.rules.gateway_file.ProviderFile`)."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str | None: ...
    @property
    def key(self) -> SecretStr | None: ...
    @property
    def secret(self) -> SecretStr | None: ...
    @property
    def webhook_secrets(self) -> Sequence[SecretStr]: ...
    @property
    def flow(self) -> str: ...
    @property
    def gives(self) -> Sequence[str]: ...


def stated(entry: Entry) -> frozenset[str]:
    """Of OPTIONAL, what the entry has."""
    return frozenset(key for key in OPTIONAL if getattr(entry, key))


def complaint(entry: Entry) -> str:
    """What is wrong with the entry for its kind, with the name of the key; empty where nothing is."""
    needs = NEEDS[entry.kind]
    given = stated(entry)
    for key in OPTIONAL:
        if key in needs.needed and key not in given:
            return f"`{key}` is missing: a provider of kind `{entry.kind}` needs it"
    allowed = needs.needed | needs.allowed | ({"url"} if needs.base else frozenset())
    for key in OPTIONAL:
        if key in given and key not in allowed:
            return f"`{key}` has no meaning for a provider of kind `{entry.kind}`"
    secrets = {"key": [entry.key], "secret": [entry.secret], "webhook_secrets": entry.webhook_secrets}
    for key, values in secrets.items():
        for value in values:
            if value is not None and len(value.get_secret_value().encode()) < SHORTEST_SECRET:
                return f"`{key}` must have at least {SHORTEST_SECRET} bytes"
    return ""
