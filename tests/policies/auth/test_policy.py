"""The shell of auth: API keys over a live directory, what is remembered and what is forgotten."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.accounts import keys
from gateway.accounts.file_directory import snapshot
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.model import AccountsFile
from gateway.policies import Services
from gateway.policies.auth import KIND
from gateway.policies.auth.config import AuthConfig
from gateway.policies.auth.policy import Auth
from gateway.policy import Action, Ask, Context, Decision

NOW = 1_800_000_000.0
PEPPERS = {"p1": "a" * 32, "p2": "b" * 32}
ASK = Ask("openai", "chat.completions", "m-small")


class World:
    """A directory with some keys, and the policy over it."""

    def __init__(self, **config: Any) -> None:
        self.minted = {
            name: keys.mint() for name in ("plain", "new-pepper", "scoped", "expiring", "revoked", "suspended")
        }
        self.directory = LiveDirectory(snapshot(self.file()))
        self.auth = Auth(AuthConfig(**config), Services(lambda: NOW, self.directory, {}))

    def file(self, **changes: Any) -> AccountsFile:
        more: dict[str, dict[str, Any]] = {
            "new-pepper": {"pepper": "p2"},
            "scoped": {"models": ["m-small"], "features": ["tools"]},
            "expiring": {"expires": "2027-01-15T09:00:00Z"},
            "revoked": {"revoked": True},
        }
        accounts = [
            {
                "id": name,
                "suspended": name == "suspended",
                "keys": [{**self.entry(name, more.get(name, {}).get("pepper", "p1")), **more.get(name, {})}],
            }
            for name in self.minted
        ]
        return AccountsFile.model_validate({"peppers": PEPPERS, "accounts": accounts, **changes})

    def entry(self, name: str, pepper: str) -> dict[str, Any]:
        minted = self.minted[name]
        digest = keys.digest(PEPPERS[pepper].encode(), minted.key.encode()).hex()
        return {"name": name, "prefix": minted.prefix, "digest": digest, "pepper": pepper}

    def key(self, name: str) -> bytes:
        return self.minted[name].key.encode()

    def ask(self, credential: bytes, ask: Ask = ASK, now: float = NOW) -> Decision:
        return self.send({b"authorization": b"Bearer " + credential}, ask, now)

    def send(self, fields: Mapping[bytes, bytes], ask: Ask = ASK, now: float = NOW) -> Decision:
        decision = self.auth.decide(Context("x", now, "POST", "/v1", fields, "192.0.2.1", ask))
        assert isinstance(decision, Decision)
        return decision


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("name", ["plain", "new-pepper", "scoped", "expiring"])
def test_a_good_key_is_let_in(world: World, name: str) -> None:
    """The first time and every other time, from either field, under any pepper that the directory has."""
    first, again = world.ask(world.key(name)), world.ask(world.key(name))
    other = world.send({b"x-api-key": world.key(name)})

    for decision in (first, again, other):
        assert decision.action is Action.ALLOW
        assert decision.facts is not None
        assert decision.facts.principal is not None
        assert decision.facts.principal.account == name
    assert again is first


@pytest.mark.parametrize(
    ("name", "reason", "status"),
    [("revoked", "revoked_key", 401), ("suspended", "suspended_account", 403)],
)
def test_a_key_that_is_stopped(world: World, name: str, reason: str, status: int) -> None:
    """Its holder is told why."""
    decision = world.ask(world.key(name))

    assert (decision.action, decision.reason, decision.status) == (Action.DENY, reason, status)


def test_nothing_tells_a_known_prefix_from_an_unknown_one(world: World) -> None:
    """A right prefix with a wrong secret, and a key that nobody minted: the same but for the note in our log."""
    stranger = keys.mint().key.encode()
    body = f"tg_{world.minted['plain'].prefix}_{'0' * 34}"
    forged = (body + keys._base62(zlib.crc32(body.encode()))).encode()
    assert keys.parse(forged) == world.minted["plain"].prefix

    answers = [
        world.ask(credential)._replace(note="") for credential in (stranger, forged, b"tg_", b"x" * 5000, b"a.b.c")
    ]

    assert answers == [answers[0]] * len(answers)
    assert (answers[0].reason, answers[0].status) == ("invalid_credentials", 401)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "missing_credentials"),
        ({b"authorization": b"Bearer "}, "missing_credentials"),
        ({b"authorization": b"Basic YTpi"}, "invalid_credentials"),
        ({b"authorization": b"Bearer a", b"x-api-key": b"b"}, "ambiguous_credentials"),
    ],
    ids=repr,
)
def test_no_one_credential(world: World, fields: dict[bytes, bytes], reason: str) -> None:
    """401 with its reason."""
    decision = world.send(fields)

    assert (decision.action, decision.reason, decision.status) == (Action.DENY, reason, 401)


def test_both_fields_may_be_there_if_they_agree(world: World) -> None:
    """Some clients send both; a good key beside another is refused, remembered or not."""
    key = world.key("plain")
    assert world.ask(key).action is Action.ALLOW

    assert world.send({b"authorization": b"Bearer " + key, b"x-api-key": key}).action is Action.ALLOW
    assert world.send({b"authorization": b"Bearer " + key, b"x-api-key": b"x"}).reason == "ambiguous_credentials"


def test_a_key_ends_when_it_says(world: World) -> None:
    """Also one that is remembered: by the clock of the exchange."""
    end = 1_800_003_600.0
    assert world.ask(world.key("expiring"), now=end - 1).action is Action.ALLOW

    assert world.ask(world.key("expiring"), now=end).reason == "expired_credentials"
    assert world.ask(world.key("expiring"), now=end - 1).action is Action.ALLOW


def test_scopes_are_looked_at_every_time(world: World) -> None:
    """A key that is remembered for one model is still refused for another."""
    key = world.key("scoped")
    assert world.ask(key, ASK._replace(model="m-large")).reason == "model_not_in_scope"
    assert world.ask(key).action is Action.ALLOW
    assert world.ask(key, ASK._replace(model="m-large")).reason == "model_not_in_scope"
    assert world.ask(key, ASK._replace(features=frozenset({"vision"}))).reason == "feature_not_in_scope"
    assert world.ask(key, ASK._replace(features=frozenset({"tools"}))).action is Action.ALLOW


def test_a_change_of_the_directory_is_seen_at_the_next_request(world: World) -> None:
    """Revoked in the fleet, suspended, restored, gone from the file: nothing remembered outlives its generation."""
    key, prefix = world.key("plain"), world.minted["plain"].prefix
    assert world.ask(key).action is Action.ALLOW
    world.directory.overlay(frozenset({prefix}), frozenset())
    assert world.ask(key).reason == "revoked_key"
    world.directory.overlay(frozenset(), frozenset({"plain"}))
    assert world.ask(key).reason == "suspended_account"
    world.directory.overlay(frozenset(), frozenset())
    assert world.ask(key).action is Action.ALLOW
    world.directory.replace(snapshot(world.file(accounts=[])))
    assert world.ask(key).reason == "invalid_credentials"


def test_a_missing_pepper_lets_nobody_in(world: World) -> None:
    """A key whose pepper is gone cannot be proved."""
    content = snapshot(world.file())
    world.directory.replace(type(content)(content.keys, content.accounts, content.suspended, {}))

    assert world.ask(world.key("plain")).reason == "invalid_credentials"


def test_what_is_remembered_is_bounded_and_no_credential(world: World) -> None:
    """Only proved credentials, only by a digest."""
    for _ in range(100):
        world.ask(keys.mint().key.encode())
    world.ask(world.key("plain"))

    assert len(world.auth._recent) == 1
    assert world.key("plain") not in repr(world.auth._recent.young).encode()


def test_credentials_are_never_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in details nor in notes nor in the log: a key is called by its prefix."""
    caplog.set_level(logging.DEBUG)
    for name in world.minted:
        decision = world.ask(world.key(name))
        secret = world.minted[name].key.split("_")[2]
        assert secret not in repr(decision) + caplog.text
        assert world.minted[name].prefix in decision.note
    garbage = world.ask(b"my-secret-password")
    assert "my-secret" not in repr(garbage) + caplog.text


def test_keys_can_be_switched_off() -> None:
    """Where only tokens are wanted, a good key is worth nothing."""
    issuers = [{"issuer": "https://id", "audience": "a", "jwks_url": "https://id/jwks"}]
    world = World(api_keys=False, jwt=issuers)

    assert world.ask(world.key("plain")).reason == "invalid_credentials"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"api_keys": False}, "lets nobody in"),
        ({"jwt": [{"issuer": "i", "audience": "a"}]}, "needs one of"),
        ({"jwt": [{"issuer": "i", "audience": "a", "jwks_url": "http://id.example/"}]}, "not safe"),
        ({"jwt": [{"issuer": "i", "audience": "a", "keys_file": "x", "algorithms": ["none"]}]}, "algorithms"),
        ({"jwt": [{"issuer": "i", "audience": "a", "keys_file": "x", "algorithms": ["HS256"]}]}, "algorithms"),
        ({"jwt": [{"issuer": "i", "audience": [], "keys_file": "x"}]}, "audience"),
        ({"jwt": [{"issuer": "i", "audience": "a", "keys_file": "x"}] * 2}, "the same `issuer`"),
        ({"remember": 1}, "remember"),
    ],
)
def test_a_config_that_is_refused(config: dict[str, Any], message: str) -> None:
    """What would let nobody in, or everybody."""
    with pytest.raises(ValueError, match=message):
        AuthConfig.model_validate(config)


def test_the_kind_is_a_room() -> None:
    """KIND builds the policy from its config."""
    services = Services(lambda: NOW, LiveDirectory(), {})

    assert KIND.name == "auth"
    assert isinstance(KIND.build(AuthConfig(), services), Auth)
