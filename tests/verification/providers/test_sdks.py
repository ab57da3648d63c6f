"""Ours held against the official SDKs: the same verdict on what is sent, and stricter where a page says so."""

from __future__ import annotations

from uuid import UUID

import pytest
import stripe
from onfido.models.workflow_run_status import WorkflowRunStatus
from onfido.webhook_event_verifier import OnfidoInvalidSignatureError, WebhookEventVerifier

from gateway.demo.verification.world import CREDENTIALS
from gateway.verification.provider import Rejected
from gateway.verification.providers import onfido as ours_onfido
from tests.verification.providers.entries import NOW, SESSIONS, Hook, adapter, hook

SECRET = CREDENTIALS["stripe"].webhook_secrets[0]
BODY = hook("stripe").body


def _theirs(value: str, body: bytes, now: float, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr("stripe._webhook.time.time", lambda: now)
    try:
        return bool(stripe.WebhookSignature.verify_header(body, value, SECRET, tolerance=300))
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False


def _ours(kind: str, made: Hook) -> bool:
    try:
        adapter(kind).read(made.fields, made.body, NOW)
    except Rejected:
        return False
    return True


def _made(at: float = NOW, secret: str = SECRET) -> str:
    return str(stripe.WebhookSignature.generate_signature_header(BODY.decode(), secret, timestamp=int(at)))


GOOD = _made()


@pytest.mark.parametrize(
    ("value", "both"),
    [
        pytest.param(GOOD, True, id="valid"),
        pytest.param(GOOD.replace(",", ", "), False, id="space_after_comma"),
        pytest.param(f"{GOOD},v0={'0' * 64}", True, id="with_a_scheme_of_test_mode"),
        pytest.param(f"{_made(secret='another-secret')},{GOOD.partition(',')[2]}", True, id="two_secrets"),
        pytest.param(_made(secret="another-secret"), False, id="wrong_secret"),
        pytest.param(_made(NOW - 299), True, id="not_too_old"),
        pytest.param(_made(NOW - 301), False, id="too_old"),
        pytest.param(GOOD.replace("v1=", "v0="), False, id="another_scheme"),
        pytest.param(GOOD[:-1], False, id="truncated"),
        pytest.param(GOOD.partition(",")[0], False, id="time_alone"),
        pytest.param(GOOD.partition(",")[2], False, id="signature_alone"),
        pytest.param("", False, id="nothing"),
        pytest.param("t=abc,v1=def", False, id="garbage"),
    ],
)
def test_stripe_and_ours_agree(value: str, both: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """stripe-python says the same of each."""
    assert _ours("stripe", Hook({"stripe-signature": value}, BODY)) is both
    assert _theirs(value, BODY, NOW, monkeypatch) is both


def test_ours_is_stricter_with_the_future(monkeypatch: pytest.MonkeyPatch) -> None:
    """stripe-python takes any time to come; ours takes 300 s of it."""
    value = _made(NOW + 301)
    assert _theirs(value, BODY, NOW, monkeypatch)
    assert not _ours("stripe", Hook({"stripe-signature": value}, BODY))


def _onfido(value: str, body: bytes) -> bool:
    try:
        WebhookEventVerifier(CREDENTIALS["onfido"].webhook_secrets[0]).read_payload(body.decode(), value)
    except OnfidoInvalidSignatureError:
        return False
    return True


@pytest.mark.parametrize(
    ("change", "both"),
    [
        pytest.param(lambda value: value, True, id="valid"),
        pytest.param(lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"), False, id="wrong"),
        pytest.param(lambda value: value[:-1], False, id="truncated"),
        pytest.param(lambda _value: "0" * 64, False, id="made_up"),
        pytest.param(lambda _value: "", False, id="nothing"),
    ],
)
def test_onfido_and_ours_agree(change: object, both: bool) -> None:
    """onfido-python says the same of each, and reads the stand-in's webhook as an event of its own."""
    assert callable(change)
    made = hook("onfido")
    value = change(made.fields["x-sha2-signature"])
    assert _ours("onfido", Hook({"x-sha2-signature": value}, made.body)) is both
    assert _onfido(value, made.body) is both


def test_onfido_reads_the_same_from_a_webhook() -> None:
    """Reference, kind, state and time are those of the SDK's model."""
    made = hook("onfido")
    verifier = WebhookEventVerifier(CREDENTIALS["onfido"].webhook_secrets[0])
    theirs = verifier.read_payload(made.body.decode(), made.fields["x-sha2-signature"])
    assert theirs is not None
    assert theirs.payload is not None
    about = theirs.payload.object
    assert about is not None
    ours = adapter("onfido").read(made.fields, made.body, NOW)
    assert (ours.reference, ours.kind) == (about.id, str(theirs.payload.action and theirs.payload.action.value))
    assert about.completed_at_iso8601 is not None
    assert ours.at == about.completed_at_iso8601.timestamp()
    assert UUID(ours.reference) == UUID(SESSIONS["onfido"])


def test_every_status_of_a_run_is_known() -> None:
    """What the SDK can name we have a word for."""
    theirs = {status.value for status in WorkflowRunStatus} - {"unknown_default_open_api"}
    assert theirs == set(ours_onfido._STATUSES)
