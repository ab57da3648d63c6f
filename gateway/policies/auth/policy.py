"""The shell of auth: knows a credential again, or proves it. It waits only where an issuer's keys must be fetched."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable
from hashlib import blake2b
from typing import NamedTuple

from gateway.accounts import keys
from gateway.accounts.directory import AccountRecord, Cell, DirectoryUnavailable, KeyRecord, NotLoaded
from gateway.accounts.recent import Recent
from gateway.feeds.signing_keys import SigningKey
from gateway.policies import Services
from gateway.policies.auth import rule, tokens
from gateway.policies.auth.config import AuthConfig
from gateway.policies.auth.tokens import Claimed, Verified
from gateway.policy import Action, Context, Decision, Principal


class Known(NamedTuple):
    """A credential that was proved."""

    decision: Decision
    until: float
    """Unix time at which it has to be proved again, `inf` for never."""
    scoped: Principal | None
    """Who it is, if scopes bind it: then every request is looked at."""
    cell: Cell
    """Whether its account is still as it was then."""


class Auth:
    """Policy of kind `auth`."""

    __slots__ = (
        "_config",
        "_directory",
        "_generation",
        "_mark_key",
        "_no_digest",
        "_no_pepper",
        "_recent",
        "_trusted",
        "_verified",
    )

    def __init__(self, config: AuthConfig, services: Services) -> None:
        self._config = config
        self._directory = services.directory
        self._generation = services.directory.generation
        self._recent: Recent[bytes, Known] = Recent(config.remember)
        self._trusted = tokens.trust(config.jwt, services.now)
        self._verified: Recent[bytes, Verified] = Recent(config.remember)
        """Tokens, apart from what the directory says of their accounts: to verify one again costs 100 µs and more."""
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
        if known is None or context.now >= known.until or not known.cell.current:
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
        if self._trusted and credential.count(b".") == 2:
            return self._prove_token(context, credential, mark)
        return rule.refuse("invalid_credentials")

    def _prove_key(self, context: Context, key: bytes, mark: bytes) -> Decision | Awaitable[Decision]:
        prefix = keys.parse(key)
        if prefix is None:
            return rule.refuse("invalid_credentials", note="malformed key")
        record = self._directory.find(prefix)
        if isinstance(record, NotLoaded):
            return self._wait_for_record(context, key, prefix, mark)
        return self._judge_key(context, key, prefix, record, mark)

    async def _wait_for_record(self, context: Context, key: bytes, prefix: str, mark: bytes) -> Decision:
        try:
            record = await self._directory.load(prefix)
        except DirectoryUnavailable as error:
            return rule.unavailable(f"key {prefix}: {error}")
        return self._judge_key(context, key, prefix, record, mark)

    def _judge_key(self, context: Context, key: bytes, prefix: str, record: KeyRecord | None, mark: bytes) -> Decision:
        pepper = self._directory.pepper(record.pepper) if record else None
        # Whether the prefix exists or not, the same work is done: one digest, one comparison.
        expected = record.digest if record and pepper else self._no_digest
        proved = hmac.compare_digest(keys.digest(pepper or self._no_pepper, key), expected)
        decision = rule.judge_key(record, proved and pepper is not None, context.now)
        if record is None or decision.action is not Action.ALLOW:
            return decision if decision.note else decision._replace(note=f"key {prefix}")
        until = record.until if record.expires is None else min(record.expires, record.until)
        return self._remember(context, mark, record.principal, decision, until, record.cell)

    def _prove_token(self, context: Context, token: bytes, mark: bytes) -> Decision | Awaitable[Decision]:
        verified = self._verified.get(mark)
        if verified is not None and context.now < verified.until:
            return self._admit_token(context, verified, mark)
        claimed = tokens.read(token, self._trusted)
        if isinstance(claimed, Decision):
            return claimed
        source = claimed.issuer.keys
        key = source.get(claimed.kid)
        if key is None and source.worth_fetching():
            return self._wait_for_key(context, claimed, mark)
        return self._judge_token(context, claimed, key, mark)

    async def _wait_for_key(self, context: Context, claimed: Claimed, mark: bytes) -> Decision:
        key = await claimed.issuer.keys.fetch(claimed.kid)
        decision = self._judge_token(context, claimed, key, mark)
        return decision if isinstance(decision, Decision) else await decision

    def _judge_token(
        self, context: Context, claimed: Claimed, key: SigningKey | None, mark: bytes
    ) -> Decision | Awaitable[Decision]:
        verified = tokens.verify(claimed, key, context.now)
        if isinstance(verified, Decision):
            return verified
        self._verified.put(mark, verified)
        return self._admit_token(context, verified, mark)

    def _admit_token(self, context: Context, verified: Verified, mark: bytes) -> Decision | Awaitable[Decision]:
        account = rule.account_of(verified.claims, verified.issuer)
        if isinstance(account, Decision):
            return account
        known = self._directory.account(account)
        if isinstance(known, NotLoaded):
            return self._wait_for_account(context, verified, account, mark)
        return self._judge_account(context, verified, account, known, mark)

    async def _wait_for_account(self, context: Context, verified: Verified, account: str, mark: bytes) -> Decision:
        try:
            known = await self._directory.load_account(account)
        except DirectoryUnavailable as error:
            return rule.unavailable(f"account {account}: {error}")
        return self._judge_account(context, verified, account, known, mark)

    def _judge_account(
        self, context: Context, verified: Verified, account: str, known: AccountRecord, mark: bytes
    ) -> Decision:
        decision = rule.judge_token(verified.claims, verified.issuer, account, known.principal, known.suspended)
        if decision.facts is None or decision.facts.principal is None:
            return decision
        until = min(verified.until, known.until)
        return self._remember(context, mark, decision.facts.principal, decision, until, known.cell)

    async def close(self) -> None:
        for issuer in self._trusted.values():
            await issuer.keys.close()

    def _remember(
        self, context: Context, mark: bytes, principal: Principal, decision: Decision, until: float, cell: Cell
    ) -> Decision:
        if self._directory.generation != self._generation:
            self._forget()
        scoped = principal if principal.models or principal.features else None
        self._recent.put(mark, Known(decision, until, scoped, cell))
        return (rule.out_of_scope(principal, context.ask) if scoped else None) or decision
