"""JSON Web Tokens against a real issuer on loopback: the attacks of RFC 8725, and what an issuer's troubles cost."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.accounts.file_directory import Snapshot
from gateway.accounts.live_directory import LiveDirectory
from gateway.feeds import signing_keys
from gateway.feeds.signing_keys import KeysUnavailable
from gateway.policies import Services
from gateway.policies.auth.config import AuthConfig
from gateway.policies.auth.policy import Auth
from gateway.policies.auth.tokens import MAX_TOKEN
from gateway.policy import Action, Ask, Context, Decision, Principal
from tests.feeds.jwks_server import EC_KEY, RSA_KEYS, Issuer, ec_jwk, jwk, serve

NOW = 1_800_000_000.0
ISS, AUD = "https://id.example.com/", "https://api.example.com"
CLAIMS = {"iss": ISS, "aud": AUD, "sub": "acme", "exp": NOW + 300, "iat": NOW}
STRANGER = rsa.generate_private_key(65537, 2048)


def sign(claims: dict[str, Any], key: Any = RSA_KEYS["one"], algorithm: str = "RS256", **header: Any) -> bytes:
    return jwt.encode(claims, key, algorithm, {"kid": "one", **header}).encode()


def segment(value: Any) -> bytes:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def by_hand(header: Any, claims: Any = CLAIMS, signature: bytes = b"") -> bytes:
    return b".".join((segment(header), segment(claims), segment(signature)))


def with_public_key_as_secret() -> bytes:
    """The classic confusion: HS256, keyed with what everybody may know."""
    pem = RSA_KEYS["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = b".".join((segment({"alg": "HS256", "kid": "one"}), segment(CLAIMS)))
    return body + b"." + segment(hmac.digest(pem, body, hashlib.sha256))


def tampered() -> bytes:
    head, _, signature = sign(CLAIMS).split(b".")
    return b".".join((head, segment({**CLAIMS, "sub": "other"}), signature))


class World:
    def __init__(self, issuer: Issuer, **changes: Any) -> None:
        self.now = NOW
        self.issuer = issuer
        self.directory = LiveDirectory(Snapshot({}, {"acme": Principal("acme", "corp", tier="gold")}, frozenset(), {}))
        entry = {"issuer": ISS, "audience": AUD, "jwks_url": issuer.address, "leeway": 30.0, **changes}
        config = AuthConfig.model_validate({"jwt": [entry]})
        self.auth = Auth(config, Services(lambda: self.now, self.directory, {}))

    def decide(self, token: bytes) -> Decision | Any:
        fields = {b"authorization": b"Bearer " + token}
        ask = Ask("openai", "chat.completions", "m")
        return self.auth.decide(Context("x", self.now, "POST", "/v1", fields, "192.0.2.1", ask))

    async def ask(self, token: bytes) -> Decision:
        answer = self.decide(token)
        decision = answer if isinstance(answer, Decision) else await answer
        assert isinstance(decision, Decision)
        return decision


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with serve() as running:
        running.keys = [
            jwk("one"),
            ec_jwk("ec"),
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"},
        ]
        yield running


@pytest.fixture
async def world(issuer: Issuer) -> AsyncIterator[World]:
    made = World(issuer)
    yield made
    await made.auth.close()


async def test_a_good_token_is_let_in(world: World) -> None:
    """The first waits for the keys; every other is answered at once, and the same one is not verified again."""
    token = sign(CLAIMS)
    first = await world.ask(token)
    again = world.decide(token)

    assert first.action is Action.ALLOW
    assert again is first
    assert first.facts is not None
    assert first.facts.principal == Principal("acme", "corp", tier="gold")
    assert isinstance(world.decide(sign({**CLAIMS, "jti": "2"})), Decision)
    assert world.issuer.asked == 1


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        pytest.param(by_hand({"alg": "none"}), "invalid_credentials", id="alg none"),
        pytest.param(by_hand({"alg": "None", "kid": "one"}), "invalid_credentials", id="alg None"),
        pytest.param(by_hand({"kid": "one"}), "invalid_credentials", id="no alg"),
        pytest.param(by_hand({"alg": ["RS256"]}), "invalid_credentials", id="alg is a list"),
        pytest.param(by_hand({"alg": {"a": 1}}), "invalid_credentials", id="alg is an object"),
        pytest.param(with_public_key_as_secret(), "invalid_credentials", id="HS256 with the public key"),
        pytest.param(
            sign(CLAIMS, "secret-secret-secret-secret-1234", "HS256", kid="secret"), "invalid_credentials", id="HS256"
        ),
        pytest.param(sign(CLAIMS, algorithm="RS512"), "invalid_credentials", id="an algorithm that is not listed"),
        pytest.param(sign(CLAIMS, EC_KEY, "ES256", kid="one"), "invalid_credentials", id="ES256 under an RSA key's id"),
        pytest.param(sign(CLAIMS, kid="ec"), "invalid_credentials", id="RS256 under an EC key's id"),
        pytest.param(sign(CLAIMS, STRANGER), "invalid_credentials", id="signed by a stranger"),
        pytest.param(tampered(), "invalid_credentials", id="claims exchanged"),
        pytest.param(sign(CLAIMS) + b"A", "invalid_credentials", id="signature longer"),
        pytest.param(by_hand({"alg": "RS256", "kid": "one"}), "invalid_credentials", id="signature empty"),
        pytest.param(sign({**CLAIMS, "aud": "other"}), "invalid_credentials", id="another audience"),
        pytest.param(sign({**CLAIMS, "aud": [AUD + "/x"]}), "invalid_credentials", id="a longer audience"),
        pytest.param(sign({k: v for k, v in CLAIMS.items() if k != "aud"}), "invalid_credentials", id="no audience"),
        pytest.param(sign({**CLAIMS, "iss": "https://evil"}), "unknown_issuer", id="another issuer"),
        pytest.param(by_hand({"alg": "RS256"}, {**CLAIMS, "iss": [ISS]}), "unknown_issuer", id="issuers in a list"),
        pytest.param(sign({k: v for k, v in CLAIMS.items() if k != "iss"}), "unknown_issuer", id="no issuer"),
        pytest.param(sign({**CLAIMS, "exp": NOW - 30}), "expired_credentials", id="expired"),
        pytest.param(sign({k: v for k, v in CLAIMS.items() if k != "exp"}), "invalid_credentials", id="no end"),
        pytest.param(sign({**CLAIMS, "nbf": NOW + 31}), "invalid_credentials", id="not yet"),
        pytest.param(sign({**CLAIMS, "iat": NOW + 31}), "invalid_credentials", id="issued in the future"),
        pytest.param(sign({**CLAIMS, "sub": "acme,model=x"}), "invalid_credentials", id="account not fit for a key"),
        pytest.param(sign({k: v for k, v in CLAIMS.items() if k != "sub"}), "invalid_credentials", id="no account"),
        pytest.param(sign({**CLAIMS, "sub": "nobody"}), "unknown_account", id="account not known"),
        pytest.param(sign(CLAIMS, crit=["x"], x=1), "invalid_credentials", id="critical extension"),
        pytest.param(
            by_hand({"alg": "RS256", "kid": "one", "b64": False, "crit": ["b64"]}), "invalid_credentials", id="detached"
        ),
        pytest.param(sign({**CLAIMS, "x": "y" * MAX_TOKEN}), "invalid_credentials", id="huge"),
        pytest.param(by_hand(b"[" * 4000, b"[" * 1000), "invalid_credentials", id="deep header"),
        pytest.param(by_hand({"alg": "RS256"}, b"[" * 4000), "invalid_credentials", id="deep claims"),
        pytest.param(by_hand({"alg": "RS256"}, [1]), "invalid_credentials", id="claims are a list"),
        pytest.param(by_hand([1]), "invalid_credentials", id="header is a list"),
        pytest.param(b"..", "invalid_credentials", id="only dots"),
        pytest.param(b"a.b.c.d.e", "invalid_credentials", id="an encrypted token"),
        pytest.param(b"\xff.\xfe.\xfd", "invalid_credentials", id="no text"),
    ],
)
async def test_attacks(world: World, token: bytes, reason: str) -> None:
    """None is let in, with the keys in memory or not, the first time or the second."""
    cold = await world.ask(token)
    await world.ask(sign(CLAIMS))
    warm = await world.ask(token)

    assert [cold.action, warm.action] == [Action.DENY, Action.DENY]
    assert [cold.reason, warm.reason] == [reason, reason]


async def test_a_key_in_the_token_is_not_looked_at(world: World, issuer: Issuer) -> None:
    """`jku`, `x5u`, `jwk`: where an attacker's key lies is never asked."""
    async with serve() as evil:
        evil.keys = [jwk("evil", STRANGER)]
        public = jwk("evil", STRANGER)
        headers: list[dict[str, Any]] = [
            {"jku": evil.address},
            {"x5u": evil.address},
            {"jwk": public},
            {"x5c": ["MII"]},
        ]
        for header in headers:
            for kid in ("one", "evil"):
                decision = await world.ask(sign(CLAIMS, STRANGER, **{**header, "kid": kid}))
                assert decision.reason == "invalid_credentials"
        assert evil.asked == 0


async def test_a_flood_of_unknown_ids_is_one_fetch(world: World, issuer: Issuer) -> None:
    """Five hundred tokens with made-up key ids: one fetch, and the rest is answered without waiting."""
    tokens = [by_hand({"alg": "RS256", "kid": f"made-up-{number}"}) for number in range(500)]
    decisions = await asyncio.gather(*(world.ask(token) for token in tokens))

    assert {decision.reason for decision in decisions} == {"invalid_credentials"}
    assert issuer.asked == 1
    assert all(isinstance(world.decide(token), Decision) for token in tokens)

    world.now += signing_keys.COOLDOWN
    for token in tokens:
        await world.ask(token)
    assert issuer.asked == 2


async def test_a_rotation_is_followed(world: World, issuer: Issuer) -> None:
    """A token with a new key is let in once the cooldown is over, without anybody's doing."""
    await world.ask(sign(CLAIMS))
    issuer.keys = [jwk("one"), jwk("two")]
    token = sign(CLAIMS, RSA_KEYS["two"], kid="two")
    assert (await world.ask(token)).reason == "invalid_credentials"

    world.now += signing_keys.COOLDOWN
    assert (await world.ask(token)).action is Action.ALLOW


async def test_a_withdrawn_key_ends_its_tokens(world: World, issuer: Issuer) -> None:
    """Also those that are remembered: within twice keys_max_age, long before they expire."""
    token = sign({**CLAIMS, "exp": NOW + 86_400})
    assert (await world.ask(token)).action is Action.ALLOW
    issuer.keys = [jwk("two")]
    world.now += 600.0
    assert (await world.ask(token)).action is Action.ALLOW
    await asyncio.sleep(0.1)

    world.now += 600.0
    assert (await world.ask(token)).reason == "invalid_credentials"


async def test_a_token_ends_when_it_says(world: World) -> None:
    """Remembered or not, with the leeway and no more."""
    token = sign({**CLAIMS, "exp": NOW + 60})
    await world.ask(token)
    world.now = NOW + 89.9
    assert world.decide(token).action is Action.ALLOW
    world.now = NOW + 90
    assert world.decide(token).reason == "expired_credentials"


async def test_a_change_of_the_directory_reaches_tokens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suspended account's token stops at once; restored, it goes on without being verified again."""
    token = sign(CLAIMS)
    await world.ask(token)
    world.directory.overlay(frozenset(), frozenset({"acme"}))
    assert world.decide(token).reason == "suspended_account"

    world.directory.overlay(frozenset(), frozenset())
    monkeypatch.setattr(jwt, "decode", None)
    assert world.decide(token).action is Action.ALLOW


async def test_a_dead_issuer_is_a_failure_and_no_verdict(world: World, issuer: Issuer) -> None:
    """Without keys nobody knows: an exception, so that on_failure decides. Another issuer is refused all the same."""
    issuer.status = 500
    with pytest.raises(KeysUnavailable):
        await world.ask(sign(CLAIMS))
    with pytest.raises(KeysUnavailable):
        await world.ask(sign(CLAIMS))
    assert issuer.asked == 1
    assert (await world.ask(sign({**CLAIMS, "iss": "https://evil"}))).reason == "unknown_issuer"

    issuer.status = 200
    world.now += signing_keys.RETRY
    assert (await world.ask(sign(CLAIMS))).action is Action.ALLOW


async def test_a_keys_file_needs_no_issuer(tmp_path: Path, issuer: Issuer) -> None:
    """Answered at once; several audiences and ES256 as configured."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [ec_jwk("ec")]}))
    world = World(issuer, jwks_url=None, keys_file=str(path), audience=["x", AUD], algorithms=["ES256"])

    assert world.decide(sign(CLAIMS, EC_KEY, "ES256", kid="ec")).action is Action.ALLOW
    assert world.decide(sign(CLAIMS)).reason == "invalid_credentials"
    assert issuer.asked == 0


async def test_an_issuer_may_bring_its_own_accounts(issuer: Issuer) -> None:
    """With `accounts: any`, named claims and a prefix."""
    claims = {"account": "org", "tier": "plan", "keep": ["role"]}
    world = World(issuer, accounts="any", account_prefix="sso:", claims=claims)
    decision = await world.ask(sign({**CLAIMS, "org": "new", "plan": "free", "role": "admin", "email": "a@b"}))

    assert decision.facts is not None
    assert decision.facts.principal == Principal("sso:new", tier="free", claims={"role": "admin"})


async def test_what_its_issuer_does_not_use_costs_no_fetch(world: World, issuer: Issuer) -> None:
    """An algorithm outside of the list ends a token before any key is looked for."""
    for token in (by_hand({"alg": "none"}), with_public_key_as_secret(), sign(CLAIMS, algorithm="RS512")):
        assert world.decide(token).reason == "invalid_credentials"
    assert issuer.asked == 0
