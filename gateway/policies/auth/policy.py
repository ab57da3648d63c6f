"""The shell of auth: knows a credential again, or proves it. It waits only where an issuer's keys must be fetched."""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Awaitable
from hashlib import blake2b
from typing import NamedTuple

from gateway.accounts import keys
from gateway.policies import Services
from gateway.policies.auth import rule
from gateway.policies.auth.config import AuthConfig
from gateway.policies.auth.recent import Recent
from gateway.policy import Action, Context, Decision, Principal


class Known(NamedTuple):
    """A credential that was proved."""

    decision: Decision
    until: float
    """Unix time at which it has to be proved again, `inf` for never."""
    scoped: Principal | None
    """Who it is, if scopes bind it: then every request is looked at."""


class Auth:
    """Policy of kind `auth`."""

    __slots__ = ("_config", "_directory", "_generation", "_mark_key", "_no_digest", "_no_pepper", "_recent")

    def __init__(self, config: AuthConfig, services: Services) -> None:
        self._config = config
        self._directory = services.directory
        self._generation = services.directory.generation
        self._recent: Recent[Known] = Recent(config.remember)
        self._mark_key = secrets.token_bytes(32)
        self._no_pepper = secrets.token_bytes(32)
        self._no_digest = secrets.token_bytes(keys.DIGEST_SIZE)

    def decide(self, context: Context) -> Decision | Awaitable[Decision]:
        fields = context.fields
        authorization = fields.get(b"authorization")
        credential = fields.get(b"x-api-key")
        if authorization is not None:
            plain = credential is None and authorization[:7] == b"Bearer "
            credential = authorization[7:] if plain else None
        if not credential:
            found = rule.credential(fields)
            if isinstance(found, Decision):
                return found
            credential = found
        # Keyed by a prefix: BLAKE2 needs no more (RFC 7693, section 1), and that is one block where `key=` is two.
        mark = blake2b(self._mark_key + credential).digest()
        if self._directory.generation != self._generation:
            self._forget()
        recent = self._recent
        known = recent.young.get(mark) or recent.get(mark)
        if known is None or context.now >= known.until:
            return self._prove(context, credential.strip(), mark)
        if known.scoped is not None:
            return rule.out_of_scope(known.scoped, context.ask) or known.decision
        return known.decision

    def _forget(self) -> None:
        self._generation = self._directory.generation
        self._recent.clear()

    def _prove(self, context: Context, credential: bytes, mark: bytes) -> Decision | Awaitable[Decision]:
        if self._config.api_keys and credential.startswith(b"tg_"):
            return self._prove_key(context, credential, mark)
        return rule.refuse("invalid_credentials")

    def _prove_key(self, context: Context, key: bytes, mark: bytes) -> Decision:
        prefix = keys.parse(key)
        if prefix is None:
            return rule.refuse("invalid_credentials", note="malformed key")
        record = self._directory.find(prefix)
        pepper = self._directory.pepper(record.pepper) if record else None
        # Whether the prefix exists or not, the same work is done: one digest, one comparison.
        expected = record.digest if record and pepper else self._no_digest
        proved = hmac.compare_digest(keys.digest(pepper or self._no_pepper, key), expected)
        decision = rule.judge_key(record, proved and pepper is not None, context.now)
        if record is None or decision.action is not Action.ALLOW:
            return decision if decision.note else decision._replace(note=f"key {prefix}")
        return self._remember(context, mark, record.principal, decision, record.expires)

    def _remember(
        self, context: Context, mark: bytes, principal: Principal, decision: Decision, until: float | None
    ) -> Decision:
        scoped = principal if principal.models or principal.features else None
        self._recent.put(mark, Known(decision, math.inf if until is None else until, scoped))
        return (rule.out_of_scope(principal, context.ask) if scoped else None) or decision
