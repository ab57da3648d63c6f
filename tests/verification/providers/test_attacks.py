"""What somebody may try at the door for webhooks, for each provider; each attempt is refused with its own reason."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.demo.verification.world import CREDENTIALS, FAMILY_NAME, GIVEN_NAME
from gateway.verification.provider import Event, Rejected, State
from gateway.verification.providers import didit
from gateway.verification.providers.content import load
from tests.verification.providers.entries import FIELDS, KINDS, NOW, SESSIONS, STAMPED, Hook, adapter, hook, sign

Attack = Callable[[str, Hook], Hook]


def _field(kind: str, given_hook: Hook, value: str | None) -> Hook:
    fields = {name: field for name, field in given_hook.fields.items() if name != FIELDS[kind]}
    return Hook(fields if value is None else {**fields, FIELDS[kind]: value}, given_hook.body)


def _wrong_secret(kind: str, _hook: Hook) -> Hook:
    return hook(kind, credentials=CREDENTIALS[kind]._replace(webhook_secrets=("what-somebody-else-would-use",)))


def _none(kind: str, given_hook: Hook) -> Hook:
    return _field(kind, given_hook, None)


def _empty(kind: str, given_hook: Hook) -> Hook:
    return _field(kind, given_hook, "  ")


def _malformed(kind: str, given_hook: Hook) -> Hook:
    return _field(kind, given_hook, "t=;v1=¶" * 3)


def _endless(kind: str, given_hook: Hook) -> Hook:
    return _field(kind, given_hook, given_hook.fields[FIELDS[kind]] + ",v1=" * 4096)


def _truncated(kind: str, given_hook: Hook) -> Hook:
    return _field(kind, given_hook, given_hook.fields[FIELDS[kind]][:-1])


def _one_byte(kind: str, given_hook: Hook) -> Hook:
    reference = SESSIONS[kind].encode()
    assert reference in given_hook.body
    return Hook(given_hook.fields, given_hook.body.replace(reference, reference[:-1] + b"Z"))


def _cut(_kind: str, given_hook: Hook) -> Hook:
    return Hook(given_hook.fields, given_hook.body[:-1])


def _other_state(kind: str, given_hook: Hook) -> Hook:
    """The signature of a decline on an approval."""
    return Hook(given_hook.fields, hook(kind, "declined").body)


ATTACKS: list[tuple[Attack, str, dict[str, str]]] = [
    (_wrong_secret, "wrong_signature", {}),
    (_none, "missing_signature", {}),
    (_empty, "missing_signature", {}),
    (_malformed, "malformed_signature", {}),
    (_endless, "malformed_signature", {}),
    (_truncated, "malformed_signature", {}),
    (_one_byte, "wrong_signature", {}),
    # Didit signs what the content says, so it has to be content.
    (_cut, "wrong_signature", {}),
    (_other_state, "wrong_signature", {}),
]


def _refused(kind: str, given_hook: Hook, **changes: Any) -> str:
    with pytest.raises(Rejected) as caught:
        adapter(kind, **changes).read(given_hook.fields, given_hook.body, NOW)
    return caught.value.reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("attack", "reason", "but"), ATTACKS, ids=[row[0].__name__[1:] for row in ATTACKS])
def test_an_attack_is_refused_with_its_reason(attack: Attack, reason: str, but: dict[str, str], kind: str) -> None:
    """Nothing is believed that the provider did not sign, and the reason says why."""
    assert _refused(kind, attack(kind, hook(kind))) == but.get(kind, reason)


@pytest.mark.parametrize("kind", STAMPED)
@pytest.mark.parametrize(
    ("age", "reason"),
    [
        pytest.param(301, "too_old", id="old"),
        pytest.param(299, "", id="not_too_old"),
        pytest.param(-299, "", id="a_little_ahead"),
        pytest.param(-301, "from_the_future", id="future"),
        pytest.param(-(10**9), "from_the_future", id="far_future"),
    ],
)
def test_a_time_is_held_against_ours_both_ways(kind: str, age: int, reason: str) -> None:
    """300 s either way, for providers that state when they sent it."""
    late = hook(kind, at=NOW - age)
    if reason:
        assert _refused(kind, late) == reason
    else:
        assert adapter(kind).read(late.fields, late.body, NOW).state is State.APPROVED


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in STAMPED])
def test_without_a_time_a_late_webhook_is_read(kind: str) -> None:
    """The last retry of a provider that states no time comes after a day; the inbox knows it if it came before."""
    late = hook(kind)
    assert adapter(kind).read(late.fields, late.body, NOW + 86_400).state is State.APPROVED


def _hex(algorithm: str, kind: str, body: bytes) -> str:
    return hmac.new(CREDENTIALS[kind].webhook_secrets[0].encode(), body, algorithm).hexdigest()


def _v(scheme: str, kind: str) -> Hook:
    signed = hook(kind)
    return _field(kind, signed, signed.fields[FIELDS[kind]].replace("v1=", f"{scheme}="))


def _sumsub(algorithm: str, digest: str) -> Hook:
    body = hook("sumsub").body
    fields = {"x-payload-digest": _hex(digest, "sumsub", body), "x-payload-digest-alg": algorithm}
    return Hook(fields, body)


def _legacy(kind: str, name: str) -> Hook:
    body = hook(kind).body
    secret = CREDENTIALS[kind].webhook_secrets[0].encode()
    digest = hashlib.sha256(body + secret).hexdigest() if kind == "veriff" else _hex("sha256", kind, body)
    return Hook({name: digest, "x-timestamp": str(int(NOW))}, body)


@pytest.mark.parametrize(
    ("kind", "made", "reason"),
    [
        pytest.param("stripe", _v("v0", "stripe"), "unsupported_algorithm", id="stripe-v0"),
        pytest.param("persona", _v("v2", "persona"), "unsupported_algorithm", id="persona-v2"),
        pytest.param("sumsub", _sumsub("HMAC_SHA1_HEX", "sha1"), "unsupported_algorithm", id="sumsub-sha1"),
        pytest.param("sumsub", _sumsub("none", "sha256"), "unsupported_algorithm", id="sumsub-none"),
        pytest.param("sumsub", _sumsub("hmac_sha256_hex", "sha256"), "unsupported_algorithm", id="sumsub-case"),
        pytest.param("sumsub", _sumsub("HMAC_SHA512_HEX", "sha256"), "malformed_signature", id="sumsub-confused"),
        pytest.param(
            "onfido",
            Hook({"x-sha2-signature": _hex("sha512", "onfido", hook("onfido").body)}, hook("onfido").body),
            "malformed_signature",
            id="onfido-sha512",
        ),
        pytest.param("onfido", _legacy("onfido", "x-signature"), "missing_signature", id="onfido-legacy"),
        pytest.param("veriff", _legacy("veriff", "x-signature"), "missing_signature", id="veriff-legacy"),
        pytest.param("veriff", _legacy("veriff", "x-hmac-signature"), "wrong_signature", id="veriff-legacy-renamed"),
        pytest.param("didit", _legacy("didit", "x-signature"), "missing_signature", id="didit-raw"),
        pytest.param("didit", _legacy("didit", "x-signature-simple"), "missing_signature", id="didit-simple"),
    ],
)
def test_other_algorithms_and_old_schemes_are_refused(kind: str, made: Hook, reason: str) -> None:
    """A weaker signature does not do where the provider has a better one."""
    assert _refused(kind, made) == reason


def test_sumsub_may_sign_with_sha512() -> None:
    """What its settings offer and is sound is taken."""
    made = _sumsub("HMAC_SHA512_HEX", "sha512")
    assert adapter("sumsub").read(made.fields, made.body, NOW).state is State.APPROVED


def test_veriff_webhook_of_another_integration_is_refused() -> None:
    """X-AUTH-CLIENT names the integration; a secret that two share does not make them one."""
    made = hook("veriff")
    assert _refused("veriff", Hook({**made.fields, "x-auth-client": "another"}, made.body)) == "wrong_signature"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_the_signature_of_another_provider_is_none(kind: str, other: str) -> None:
    """What one provider signs opens no other's door, not even with one secret for both."""
    if kind == other:
        return
    made = hook(other)
    shared = list(CREDENTIALS[other].webhook_secrets)
    assert _refused(kind, made, webhook_secrets=shared) == "missing_signature"
    moved = Hook({FIELDS[kind]: made.fields[FIELDS[other]], "x-timestamp": str(int(NOW))}, made.body)
    # Three providers have one scheme. With one secret for them all the content still has to be of the right shape.
    assert _refused(kind, moved, webhook_secrets=shared) in {
        "malformed_signature",
        "wrong_signature",
        "malformed_content",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_webhook_twice_is_the_same_event(kind: str) -> None:
    """A replay within the window is read, with the id by which the inbox knows it again."""
    made = hook(kind)
    once = adapter(kind).read(made.fields, made.body, NOW)
    assert once == adapter(kind).read(sign(kind, made.body, NOW + 60), made.body, NOW + 60)
    assert once.reference == SESSIONS[kind]
    assert once.state is State.APPROVED


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_takes_over_from_another(kind: str) -> None:
    """While there are two either is good; then the new one alone is."""
    old, new = "the-old-secret-of-the-webhooks", "the-new-secret-of-the-webhooks"
    by_old = hook(kind, credentials=CREDENTIALS[kind]._replace(webhook_secrets=(old,)))
    by_new = hook(kind, credentials=CREDENTIALS[kind]._replace(webhook_secrets=(new,)))
    by_both = hook(kind, credentials=CREDENTIALS[kind]._replace(webhook_secrets=(new, old)))
    for made in (by_old, by_new, by_both):
        assert adapter(kind, webhook_secrets=[new, old]).read(made.fields, made.body, NOW).state is State.APPROVED
    for made in (by_new, by_both):
        assert adapter(kind, webhook_secrets=[new]).read(made.fields, made.body, NOW).state is State.APPROVED
    assert _refused(kind, by_old, webhook_secrets=[new]) == "wrong_signature"


def _signed(kind: str, body: bytes) -> Hook:
    """Rightly, whatever it is. What is no JSON cannot be signed as Didit signs: any signature does."""
    try:
        return Hook(sign(kind, body), body)
    except (ValueError, RecursionError, AttributeError):
        return Hook({"x-signature-v2": "0" * 64, "x-timestamp": str(int(NOW))}, body)


GARBAGE = {
    "nothing": b"",
    "list": b"[]",
    "null": b"null",
    "empty": b"{}",
    "not_utf8": b'{"\xff": 1}',
    "half": b'{"a": ',
    "two": b"{}{}",
    "twice": b'{"id": 1, "id": 2}',
    "twice_inside": b'{"data": {"id": 1, "id": 2}}',
    "infinity": b'{"created": Infinity}',
    "deep": b'{"a":' * 200 + b"1" + b"}" * 200,
    "very_deep": b"[" * 100_000,
    "long_number": b'{"created": ' + b"9" * 10_000 + b"}",
    "large": b'{"a": "' + b"a" * 1_100_000 + b'"}',
    "surrogate": b'{"id": "\\ud800"}',
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_with_a_good_signature_is_malformed(kind: str, garbage: str) -> None:
    """A provider that has gone mad, or a secret that is lost, breaks nothing."""
    made = _signed(kind, GARBAGE[garbage])
    reason = _refused(kind, made)
    assert reason == "malformed_content" or (kind == "didit" and reason == "wrong_signature")


@pytest.mark.parametrize("kind", KINDS)
def test_a_webhook_that_says_two_things_is_malformed(kind: str) -> None:
    """One name twice, all else as it was: readers differ in which of the two they take, and ours takes neither."""
    body = hook(kind).body
    name = body.partition(b'"')[2].partition(b'"')[0]
    made = _signed(kind, b'{"' + name + b'": {}, ' + body[1:])
    # What Didit signs is canonical JSON, and this has two forms.
    assert _refused(kind, made) == ("wrong_signature" if kind == "didit" else "malformed_content")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_content_is_an_event_or_refused(kind: str, data: st.DataObject) -> None:
    """One member of a true webhook is something else: never an error of another kind, never a broken event."""
    content = json.loads(hook(kind, data.draw(st.sampled_from(["approved", "declined"]))).body)
    at: Any = content
    while True:
        name = data.draw(st.sampled_from(sorted(at)))
        if not isinstance(at[name], dict) or not at[name] or data.draw(st.booleans()):
            break
        at = at[name]
    at[name] = data.draw(VALUES)
    made = _signed(kind, json.dumps(content).encode())
    try:
        event = adapter(kind).read(made.fields, made.body, NOW)
    except Rejected as rejected:
        assert rejected.reason in {"malformed_content", "wrong_signature", "from_the_future"}  # noqa: PT017
    else:
        assert isinstance(event, Event)
        assert 0 <= event.at < 1e12
        assert event.id
        assert event.state is State.OTHER or event.reference


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(value=st.text(max_size=120), body=st.binary(max_size=60))
def test_any_signature_is_refused(kind: str, value: str, body: bytes) -> None:
    """No text of a field and no bytes of a content bring about anything but a refusal."""
    with pytest.raises(Rejected):
        adapter(kind).read({FIELDS[kind]: value, "x-timestamp": value}, body, NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_person_is_said(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither an event, nor a refusal, nor the log, nor the adapter's repr holds a name, a number or a secret."""
    caplog.set_level(logging.DEBUG)
    made = hook(kind)
    told = [repr(adapter(kind)), repr(adapter(kind).read(made.fields, made.body, NOW))]
    for attack, _reason, _but in ATTACKS:
        with pytest.raises(Rejected) as caught:
            adapter(kind).read(*attack(kind, made), NOW)
        told.append(repr(caught.value))
    said = " ".join([*told, caplog.text])
    known = CREDENTIALS[kind]
    for word in (GIVEN_NAME, FAMILY_NAME, known.key, *known.webhook_secrets):
        assert word not in said


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a":1,"a":2}', b'{"a":"\\ud800"}', b"[" * 9000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stranger_leaves_nothing_in_the_inbox(kind: str, body: bytes) -> None:
    """`malformed_content` makes a dead letter: it is said of what the provider has signed and of nothing else."""
    assert _refused(kind, Hook(hook(kind).fields, body)) == "wrong_signature"


def test_what_has_to_be_read_before_it_is_believed_is_small() -> None:
    """Anybody can send it: a megabyte of numbers held up a worker for seconds. It is refused unread."""
    body = b'{"a":[' + b"0," * didit.LARGEST + b"0]}"
    assert _refused("didit", Hook(hook("didit").fields, body)) == "wrong_signature"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _JSON))
def test_canonical_json_is_what_json_says(content: dict[str, object]) -> None:
    """Both spellings that Didit may sign, written by hand, are those of Python's own."""
    kept = didit.canonical(load(json.dumps(content).encode()))
    assert kept == json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert didit.escaped(kept) == json.dumps(content, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("written", "canonical"), [("1.0", "1"), ("1.50", "1.50"), ("-0.25", "-0.25"), ("1e3", "1000"), ("1e300", "1e300")]
)
def test_canonical_numbers(written: str, canonical: str) -> None:
    """A fraction stays as it was written, a whole number loses its point, and none is blown up."""
    assert didit.canonical(load(f'{{"a":{written}}}'.encode())) == f'{{"a":{canonical}}}'
