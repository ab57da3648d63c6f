"""Auth over accounts in a real database: who is cold waits once, a change is heard at once, an outage is no refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sql

from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys, standing
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import Database
from gateway.accounts.stored import StoredAccounts
from gateway.policies import Services
from gateway.policies.auth.config import AuthConfig
from gateway.policies.auth.policy import Auth
from gateway.policy import Action, Ask, Context, Decision
from tests import schema
from tests.feeds.jwks_server import jwk
from tests.policies.auth.test_tokens import AUD, CLAIMS, ISS, NOW, sign

SECRETS = Secrets({"s1": b"1" * 32})
ASK = Ask("openai", "chat.completions", "m-small")


class World:
    """The policy, over a directory that hears of changes when we say so."""

    def __init__(self, folder: Path, who: str = "any") -> None:
        self.now = NOW
        self.database = Database(f"sqlite:///{folder}/directory.db", lambda: self.now)
        schema.lay(self.database)
        self.directory = LiveDirectory(stored=StoredAccounts(self.database, SECRETS, lambda: self.now))
        (folder / "keys.json").write_bytes(orjson.dumps({"keys": [jwk("one")]}))
        entry = {"issuer": ISS, "audience": AUD, "keys_file": str(folder / "keys.json"), "accounts": who}
        config = AuthConfig.model_validate({"jwt": [entry]})
        self.auth = Auth(config, Services(lambda: self.now, self.directory, {}))
        self.questions = 0

    def count(self, *_: object) -> None:
        self.questions += 1

    def account(self, name: str, **values: Any) -> bytes:
        """Its key."""
        self.database.write("test", lambda w: accounts.create(w, NewAccount(name, **values)))
        return self.database.write("test", lambda w: keys.create(w, SECRETS, name, "ci")).key.encode()

    def at_once(self, credential: bytes) -> Decision:
        """The answer of somebody who is known: it waits for nothing."""
        answer = self.auth.decide(self.context(credential))
        assert isinstance(answer, Decision)
        return answer

    async def ask(self, credential: bytes) -> Decision:
        answer = self.auth.decide(self.context(credential))
        return answer if isinstance(answer, Decision) else await answer

    def context(self, credential: bytes) -> Context:
        fields = {b"authorization": b"Bearer " + credential}
        return Context("x", self.now, "POST", "/v1", fields, "192.0.2.1", ASK)

    def cut(self) -> None:
        """The database is away."""
        path = Path(str(self.database.url.database))
        self.database.engine.dispose()
        path.rename(path.with_suffix(".away"))
        path.mkdir()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.auth.close()
    made.database.close()


def tier(decision: Decision) -> str:
    assert decision.facts is not None
    assert decision.facts.principal is not None
    return decision.facts.principal.tier


async def test_a_cold_key_waits_once(world: World) -> None:
    """Then it is known, and its next request is answered without a pause."""
    key = world.account("acme", tier="gold")
    first = await world.ask(key)

    assert (first.action, tier(first)) == (Action.ALLOW, "gold")
    assert world.at_once(key) is first


async def test_a_storm_for_one_cold_key(world: World) -> None:
    """A thousand requests at once: one lookup, and everybody is let in."""
    key = world.account("acme")
    answers = [world.auth.decide(world.context(key)) for _ in range(1000)]
    sql.event.listen(world.database.engine, "checkout", world.count)

    decisions = await asyncio.gather(*(answer for answer in answers if not isinstance(answer, Decision)))

    assert len(decisions) == 1000
    assert {decision.action for decision in decisions} == {Action.ALLOW}
    assert world.questions == 1


async def test_a_forged_key_with_a_known_prefix(world: World) -> None:
    """Is refused as one that nobody made, whether its account is in memory or not."""
    key = world.account("acme")
    other = world.account("other")
    forged = bytearray(other)
    forged[3:13] = key[3:13]
    stranger = await world.ask(bytes(forged))
    await world.ask(key)

    assert (stranger.action, stranger.reason) == (Action.DENY, "invalid_credentials")
    assert (await world.ask(bytes(forged)))._replace(note="") == stranger._replace(note="")


@pytest.mark.parametrize("change", ["key", "account", "tier"])
async def test_a_change_is_heard_at_once(world: World, change: str) -> None:
    """What auth remembers of the credential is void the moment the directory hears of it; others go on."""
    key, other = world.account("acme"), world.account("other")
    await world.ask(key)
    bystander = await world.ask(other)
    prefix = key[3:13].decode()
    if change == "key":
        world.database.write("test", lambda w: keys.revoke(w, prefix))
    elif change == "account":
        world.database.write("test", lambda w: accounts.suspend(w, "acme", "test"))
    else:
        world.database.write("test", lambda w: accounts.move(w, "acme", tier="gold", reason="test"))
    assert world.at_once(key).action is Action.ALLOW

    world.directory.void(["acme"])

    decision = await world.ask(key)
    if change == "tier":
        assert tier(decision) == "gold"
    else:
        assert decision.reason == {"key": "revoked_key", "account": "suspended_account"}[change]
    assert world.at_once(other) is bystander


async def test_while_the_database_is_away(world: World) -> None:
    """Who is known goes on. Who is not, or has changed, is asked to come again: neither yes nor no would be true."""
    known, changed, cold = (world.account(name) for name in ("known", "changed", "cold"))
    token = sign(CLAIMS)
    for credential in (known, changed, token):
        assert (await world.ask(credential)).action is Action.ALLOW
    world.cut()
    world.directory.void(["changed"])

    for credential in (changed, cold, sign({**CLAIMS, "sub": "somebody"})):
        decision = await world.ask(credential)
        assert (decision.action, decision.reason) == (Action.DENY, "directory_unavailable")
        assert (decision.status, decision.retry_after) == (503, 1.0)
    assert world.at_once(known).action is Action.ALLOW
    assert world.at_once(token).action is Action.ALLOW


async def test_a_token_for_an_account_without_a_row(world: World) -> None:
    """It is let in; once something of the account is remembered, it has a row, and the token's next use sees it."""
    token = sign(CLAIMS)
    first = await world.ask(token)
    assert (first.action, tier(first)) == (Action.ALLOW, "default")
    assert world.at_once(token) is first

    world.database.write("test", lambda w: standing.add_evidence(w, "acme", "email"))
    world.directory.void(["acme"])

    later = await world.ask(token)
    assert later.facts is not None
    assert later.facts.principal is not None
    assert [evidence.kind for evidence in later.facts.principal.profile.evidence] == ["email"]


async def test_only_known_accounts(tmp_path: Path) -> None:
    """An issuer whose accounts have to be there: the database says whether one is."""
    world = World(tmp_path, who="known")
    token = sign(CLAIMS)
    assert (await world.ask(token)).reason == "unknown_account"

    world.account("acme", tier="gold")
    world.directory.void(["acme"])

    assert tier(await world.ask(token)) == "gold"
    await world.auth.close()
    world.database.close()


async def test_an_override_that_ends(world: World) -> None:
    """Nobody says anything, and the tier is as it was before."""
    key = world.account("acme", tier="gold")
    world.database.write("test", lambda w: accounts.override_tier(w, "acme", "platinum", NOW + 60, "trial"))
    assert tier(await world.ask(key)) == "platinum"

    world.now = NOW + 60

    assert tier(await world.ask(key)) == "gold"
