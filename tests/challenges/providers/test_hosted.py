"""Five providers, each against a stand-in that speaks its protocol: every code, every statement, every way to fail."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.challenges.providers import http
from gateway.challenges.providers.breaker import Breaker
from gateway.challenges.providers.contract import Crowded, ProviderUnavailable, Verdict
from gateway.challenges.providers.hosted import Hosted
from gateway.challenges.providers.http import Reply
from gateway.challenges.providers.protocols import SPEAKS, Settings, Stated
from gateway.challenges.providers.vendors import VENDORS, complaint
from gateway.demo.captcha.world import LASTS
from gateway.wire.untrusted import Misread
from tests.challenges.providers.standing import HOST, KINDS, NOW, SETTINGS, Clock, answered, entry, mark, provider

SCORED: Final = {"hcaptcha": 0.5, "recaptcha": 0.5, "recaptcha_enterprise": 0.5}
"""Kind -> the least score. reCAPTCHA with one is version 3."""
BINDING: Final = ("turnstile", "recaptcha_enterprise", "recaptcha v3")

CODES: Final[dict[str, dict[str, str]]] = {
    "turnstile": {
        "missing-input-secret": "ours",
        "invalid-input-secret": "ours",
        "missing-input-response": "wrong",
        "invalid-input-response": "wrong",
        "invalid-widget-id": "either",
        "invalid-parsed-secret": "ours",
        "bad-request": "ours",
        "timeout-or-duplicate": "duplicate",
        "internal-error": "ours",
    },
    "hcaptcha": {
        "missing-input-secret": "ours",
        "invalid-input-secret": "ours",
        "missing-input-response": "wrong",
        "invalid-input-response": "wrong",
        "expired-input-response": "expired",
        "already-seen-response": "duplicate",
        "invalid-or-already-seen-response": "duplicate",
        "bad-request": "ours",
        "missing-remoteip": "ours",
        "invalid-remoteip": "ours",
        "not-using-dummy-passcode": "ours",
        "not-using-dummy-secret": "wrong",
        "sitekey-secret-mismatch": "either",
        "invalid-sitekey": "ours",
    },
    "recaptcha": {
        "missing-input-secret": "ours",
        "invalid-input-secret": "ours",
        "missing-input-response": "wrong",
        "invalid-input-response": "wrong",
        "bad-request": "ours",
        "timeout-or-duplicate": "duplicate",
        "browser-error": "wrong",
        "invalid-keys": "either",
    },
    "recaptcha_enterprise": {
        "INVALID_REASON_UNSPECIFIED": "ours",
        "UNKNOWN_INVALID_REASON": "wrong",
        "MALFORMED": "wrong",
        "EXPIRED": "expired",
        "DUPE": "duplicate",
        "SITE_MISMATCH": "either",
        "MISSING": "wrong",
        "BROWSER_ERROR": "wrong",
        "UNEXPECTED_ACTION": "action",
        "status 400": "ours",
        "status 403": "ours",
        "status 404": "ours",
    },
    "friendly": {
        "auth_required": "ours",
        "auth_invalid": "ours",
        "sitekey_invalid": "ours",
        "bad_request": "ours",
        "response_missing": "wrong",
        "response_invalid": "wrong",
        "response_timeout": "expired",
        "response_duplicate": "duplicate",
    },
}
ROWS: Final = [
    pytest.param(kind, code, meaning, id=f"{kind} {code}")
    for kind, codes in CODES.items()
    for code, meaning in {**codes, "what-nobody-has-documented": "ours"}.items()
]


def test_every_code_stands_in_the_table() -> None:
    """What is mapped is tested, and what is tested is mapped."""
    for kind, vendor in VENDORS.items():
        assert {code: meaning for code, meaning in CODES[kind].items() if " " not in code} == dict(vendor.codes)


@pytest.mark.parametrize(("kind", "code", "meaning"), ROWS)
async def test_each_code_is_somebodys_fault_and_never_a_pass(kind: str, code: str, meaning: str) -> None:
    """The caller's with a reason, or ours without a verdict; either's is ours until somebody has passed."""
    async with provider(kind) as (captcha, standin):
        fresh = [standin.world.give(kind, HOST, mark(captcha)) for _ in range(3)]
        standin.world.behaviour.code = code
        if meaning in {"ours", "either"}:
            with pytest.raises(ProviderUnavailable):
                await captcha.validate(answered(fresh[0]))
        else:
            assert (await captcha.validate(answered(fresh[0])))[:2] == (False, meaning)
        if meaning == "either":
            standin.world.behaviour.code = ""
            assert await captcha.validate(answered(fresh[1])) == Verdict(True)
            standin.world.behaviour.code = code
            assert (await captcha.validate(answered(fresh[2])))[:2] == (False, "wrong")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_person_passes_once(kind: str) -> None:
    """A new answer is a pass; the same one again is a duplicate, and at Turnstile what it was before."""
    async with provider(kind) as (captcha, standin):
        response = standin.world.give(kind, HOST, mark(captcha))
        assert await captcha.validate(answered(response)) == Verdict(True)
        again = await captcha.validate(answered(response))
        assert again == Verdict(True) if kind == "turnstile" else again[:2] == (False, "duplicate")


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_used_elsewhere_is_a_duplicate(kind: str) -> None:
    """Replayed for another challenge, it is used up: also where an idempotency key would have it again."""
    async with provider(kind) as (captcha, standin):
        response = standin.world.give(kind, HOST, mark(captcha))
        assert await captcha.validate(answered(response)) == Verdict(True)
        assert (await captcha.validate(answered(response, "another")))[:2] == (False, "duplicate")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "response",
    ["", "a b", "new\nline", "é", "x" * 20_000, "\0"],
    ids=["empty", "space", "line", "accent", "long", "nul"],
)
async def test_what_cannot_be_an_answer_is_not_asked_about(kind: str, response: str) -> None:
    """It is wrong without a request: a flood of it costs the provider nothing, and us little."""
    async with provider(kind) as (captcha, standin):
        assert (await captcha.validate(answered(response)))[:2] == (False, "wrong")
        assert standin.world.asked == []


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_never_given_is_wrong(kind: str) -> None:
    """Guessed answers."""
    async with provider(kind) as (captcha, _):
        assert (await captcha.validate(answered("guessed")))[:2] == (False, "wrong")


@pytest.mark.parametrize("kind", KINDS)
async def test_another_host_is_refused(kind: str) -> None:
    """An answer that was given on another page, by the same site key, is none for ours; ours is, however written."""
    async with provider(kind) as (captcha, standin):
        for host, verdict in (
            ("phish.example.net", (False, "hostname")),
            (f"{HOST}.example.net", (False, "hostname")),
            (HOST.upper(), (True, "")),
        ):
            response = standin.world.give(kind, host, mark(captcha))
            assert (await captcha.validate(answered(response)))[:2] == verdict


@pytest.mark.parametrize("kind", KINDS)
async def test_without_a_list_the_host_of_the_page_counts(kind: str) -> None:
    """Nothing configured: the host under which the page was shown, without its port; `public_url` before that."""
    async with provider(kind, hostnames=()) as (captcha, standin):
        response = standin.world.give(kind, HOST, mark(captcha))
        assert (await captcha.validate(answered(response, host="other.example.com")))[:2] == (False, "hostname")
        response = standin.world.give(kind, HOST, mark(captcha))
        assert (await captcha.validate(answered(response, host=f"{HOST}:8443"))).passed
        public = Hosted(entry(kind, standin.address, hostnames=()), Clock(), HOST)
        response = standin.world.give(kind, "127.0.0.1", mark(captcha))
        assert (await public.validate(answered(response, host="127.0.0.1")))[:2] == (False, "hostname")
        await public.close()


@pytest.mark.parametrize("kind", ["turnstile", "hcaptcha", "recaptcha", "recaptcha_enterprise"])
async def test_no_host_is_no_verdict(kind: str) -> None:
    """Who always says where an answer was given, and does not, has said nothing."""
    async with provider(kind) as (captcha, standin):
        with pytest.raises(ProviderUnavailable):
            await captcha.validate(answered(standin.world.give(kind, "", mark(captcha))))


async def test_friendly_may_leave_the_origin_out() -> None:
    """Its `origin` can be empty: then its own list of domains is what there is."""
    async with provider("friendly") as (captcha, standin):
        assert (await captcha.validate(answered(standin.world.give("friendly", "")))).passed


@pytest.mark.parametrize("named", BINDING)
async def test_an_answer_is_bound_to_its_challenge(named: str) -> None:
    """Where a provider carries an action or data of ours: of another challenge, or of none, it is refused."""
    kind, _, version = named.partition(" ")
    async with provider(kind, score=0.5 if version else None) as (captcha, standin):
        other = mark(captcha, "another")
        assert other != mark(captcha)
        response = standin.world.give(kind, HOST, other)
        assert (await captcha.validate(answered(response)))[:2] == (False, "action")
        if kind != "recaptcha":
            assert (await captcha.validate(answered(standin.world.give(kind, HOST))))[:2] == (False, "action")
        assert (await captcha.validate(answered(standin.world.give(kind, HOST, mark(captcha))))).passed


@pytest.mark.parametrize("kind", KINDS)
async def test_marks_are_what_providers_allow(kind: str) -> None:
    """An action or customer data of at most 32 letters, digits and `_`, and never the id of the challenge itself."""
    async with provider(kind) as (captcha, _):
        for challenge in ("", "x", "a/b c=é" * 50):
            made = mark(captcha, challenge)
            assert len(made) <= 32
            assert made.replace("_", "").isalnum() or not made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("ahead", "reason"), [(59.0, ""), (-61.0, "age"), (4000.0, "age")])
async def test_age_is_by_our_clock(kind: str, ahead: float, reason: str) -> None:
    """Older than it may be by our clock, or from the future, it is refused, whatever the provider thinks of it."""
    clock = Clock()
    async with provider(kind, clock) as (captcha, standin):
        response = standin.world.give(kind, HOST, mark(captcha))
        clock.now = NOW + ahead
        assert (await captcha.validate(answered(response)))[:2] == (not reason, reason)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_old_answer_is_refused_by_the_provider(kind: str) -> None:
    """As each says it: expired, or the code that may be either."""
    async with provider(kind) as (captcha, standin):
        response = standin.world.give(kind, HOST, mark(captcha), age=LASTS[kind] + 1)
        expected = "duplicate" if kind in {"turnstile", "recaptcha"} else "expired"
        assert (await captcha.validate(answered(response)))[:2] == (False, expected)


@pytest.mark.parametrize("kind", SCORED)
@pytest.mark.parametrize(("score", "passed"), [(0.0, False), (0.49, False), (0.5, True), (1.0, True)])
async def test_a_score_below_the_least_is_refused(kind: str, score: float, passed: bool) -> None:
    """1 is a person, also at hCaptcha, which says it the other way round."""
    async with provider(kind, score=0.5) as (captcha, standin):
        response = standin.world.give(kind, HOST, mark(captcha), score=score)
        assert (await captcha.validate(answered(response)))[:2] == (passed, "" if passed else "score")


@pytest.mark.parametrize("kind", ["hcaptcha", "recaptcha"])
async def test_no_score_is_no_pass(kind: str) -> None:
    """A least score is configured, and the provider gives none: refused, or no verdict."""
    async with provider(kind, score=0.5) as (captcha, standin):
        response = standin.world.give(kind, HOST, mark(captcha), score=None)
        try:
            assert not (await captcha.validate(answered(response))).passed
        except ProviderUnavailable:
            assert kind == "hcaptcha"


# -- away -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["html", "redirect", "large", "nonsense", "deep", "list", "empty"])
async def test_what_makes_no_sense_is_no_verdict(kind: str, how: str) -> None:
    """Another content type, a redirect, too much, no JSON, nested, a list, nothing: also where it says success."""
    async with provider(kind) as (captcha, standin):
        standin.world.behaviour.answers = how
        with pytest.raises(ProviderUnavailable):
            await captcha.validate(answered(standin.world.give(kind, HOST, mark(captcha))))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_provider_that_is_down_gives_no_verdict(kind: str) -> None:
    """503; and where nobody listens any more."""
    async with provider(kind) as (captcha, standin):
        response = standin.world.give(kind, HOST, mark(captcha))
        standin.world.behaviour.down = True
        with pytest.raises(ProviderUnavailable):
            await captcha.validate(answered(response))
        gone = standin.address
    dead = Hosted(entry(kind, gone), Clock())
    with pytest.raises(ProviderUnavailable):
        await dead.validate(answered(response))
    await dead.close()


@pytest.mark.timing
@pytest.mark.parametrize("kind", KINDS)
async def test_a_slow_provider_is_not_waited_for(kind: str) -> None:
    """No longer than the entry says, both requests to Turnstile together."""
    async with provider(kind, timeout=0.3) as (captcha, standin):
        standin.world.behaviour.slow = 2.0
        begun = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            await captcha.validate(answered(standin.world.give(kind, HOST, mark(captcha))))
        assert time.monotonic() - begun < 0.6
        assert len(standin.world.asked) == (2 if kind == "turnstile" else 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_wrong_secret_is_ours(kind: str) -> None:
    """Refused credentials are no verdict on anybody's answer."""
    async with provider(kind, secret="another-secret") as (captcha, standin):
        with pytest.raises(ProviderUnavailable):
            await captcha.validate(answered(standin.world.give(kind, HOST, mark(captcha))))


async def test_turnstile_is_asked_again_after_a_lost_reply() -> None:
    """The answer is used up there, and its reply is lost: by the idempotency key it passes all the same."""
    async with provider("turnstile") as (captcha, standin):
        standin.world.behaviour.lose = 1
        response = standin.world.give("turnstile", HOST, mark(captcha))
        assert await captcha.validate(answered(response)) == Verdict(True)
        keys = [one["idempotency_key"] for one in standin.world.asked]
        assert len(keys) == 2
        assert len(set(keys)) == 1


async def test_turnstile_gives_both_replies_when_asked_later() -> None:
    """Both are lost; the person sends the same answer once more, and passes."""
    async with provider("turnstile") as (captcha, standin):
        standin.world.behaviour.lose = 2
        response = standin.world.give("turnstile", HOST, mark(captcha))
        with pytest.raises(ProviderUnavailable):
            await captcha.validate(answered(response))
        assert await captcha.validate(answered(response)) == Verdict(True)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "turnstile"])
async def test_an_answer_whose_verdict_was_lost_is_nobodys_fault(kind: str) -> None:
    """It is not asked about twice by itself; a duplicate afterwards is no verdict, once, and then a duplicate."""
    async with provider(kind) as (captcha, standin):
        standin.world.behaviour.lose = 1
        response = standin.world.give(kind, HOST, mark(captcha))
        with pytest.raises(ProviderUnavailable) as caught:
            await captcha.validate(answered(response))
        assert not caught.value.healthy
        assert len(standin.world.asked) == 1
        with pytest.raises(ProviderUnavailable) as caught:
            await captcha.validate(answered(response))
        assert caught.value.healthy


async def test_nothing_secret_is_in_what_is_said() -> None:
    """Neither secret nor answer is in an error or a `repr`."""
    for kind in KINDS:
        async with provider(kind, secret="very-secret-text") as (captcha, standin):
            response = standin.world.give(kind, HOST, mark(captcha))
            with pytest.raises(ProviderUnavailable) as caught:
                await captcha.validate(answered(response))
            said = f"{caught.value!r} {captcha!r} {captcha._settings!r} {captcha._door!r}"
            assert "very-secret" not in said
            assert response not in said


async def test_many_at_once_share_a_session() -> None:
    """Fifty answers at the same time: each gets its own verdict."""
    async with provider("hcaptcha") as (captcha, standin):
        good = [standin.world.give("hcaptcha", HOST) for _ in range(25)]
        verdicts = await asyncio.gather(*(captcha.validate(answered(one)) for one in [*good, *["bad"] * 25]))
        assert [verdict.passed for verdict in verdicts] == [True] * 25 + [False] * 25


# -- the address of a browser ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [(kind, "remoteip") for kind in ("turnstile", "hcaptcha", "recaptcha")])
async def test_an_address_is_told_only_where_it_is_given(kind: str, name: str) -> None:
    """`Answered.address` is empty where it is not to be told, and then nothing of it goes out."""
    async with provider(kind) as (captcha, standin):
        await captcha.validate(answered("one"))
        await captcha.validate(answered("two", address=""))
        assert [one.get(name) for one in standin.world.asked] == ["203.0.113.7", None]


# -- what is read ------------------------------------------------------------------------------------------------------

_NAMES = st.sampled_from(
    [
        "success",
        "error-codes",
        "hostname",
        "cdata",
        "action",
        "score",
        "challenge_ts",
        "tokenProperties",
        "riskAnalysis",
        "valid",
        "invalidReason",
        "createTime",
        "data",
        "challenge",
        "origin",
        "timestamp",
        "error",
        "error_code",
        "status",
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=6,
)
_STATUS = st.sampled_from([200, 400, 401, 403])


@settings(max_examples=150)
@given(kind=st.sampled_from(KINDS), content=st.dictionaries(_NAMES, _JSON, max_size=8), status=_STATUS)
def test_any_reply_is_read_or_misread(kind: str, content: dict[str, Any], status: int) -> None:
    """No reply raises anything else, and a success is only what says `true`."""
    try:
        stated = SPEAKS[kind].read(Reply(status, content))
    except Misread:
        return
    assert isinstance(stated, Stated)
    if stated.success:
        assert '"success": true' in json.dumps(content) or '"valid": true' in json.dumps(content)


@pytest.mark.parametrize("yes", [1, "true", "True", [True], {}, None])
@pytest.mark.parametrize("kind", KINDS)
def test_only_true_is_a_yes(kind: str, yes: object) -> None:
    """Whatever else stands there is misread, and so no verdict."""
    content = {"success": yes, "tokenProperties": {"valid": yes}}
    with pytest.raises(Misread):
        SPEAKS[kind].read(Reply(200, content))


@pytest.mark.parametrize(
    "stated",
    [
        Stated(True, ("invalid-input-response",), HOST, at=NOW),
        Stated(True, ("what-nobody-knows",), HOST, at=NOW),
        Stated(False, (), HOST, at=NOW),
        Stated(False, ("invalid-input-response", "internal-error")),
        Stated(True, (), HOST, at=0.0),
    ],
    ids=["yes with a code", "yes with an unknown code", "no without a code", "the caller's and its own", "no time"],
)
def test_what_contradicts_itself_is_no_verdict(stated: Stated) -> None:
    """Neither a pass nor anybody's fault."""
    captcha = Hosted(entry("hcaptcha", None), Clock())
    with pytest.raises(ProviderUnavailable):
        captcha._judge(stated, answered("x"), "")


# -- what is configured ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "more", "word"),
    [
        ("turnstile", {"score": 0.5}, "score"),
        ("friendly", {"score": 0.5}, "score"),
        ("recaptcha_enterprise", {"project": ""}, "project"),
        ("hcaptcha", {"project": "x"}, "project"),
        ("hcaptcha", {"url": "http://example.com"}, "url"),
        ("hcaptcha", {"url": "ftp://127.0.0.1"}, "url"),
    ],
)
def test_an_entry_that_makes_no_sense_is_said(kind: str, more: dict[str, Any], word: str) -> None:
    """With the key that is wrong; and nothing is built from it."""
    with pytest.raises(ValueError, match=word):
        entry(kind, **{"url": "https://example.com", **more})
    wrong = entry(kind, url="https://example.com").model_copy(update=more)
    assert f"`{word}`" in complaint(wrong)
    with pytest.raises(ValueError, match=word):
        Hosted(wrong, Clock())


@pytest.mark.parametrize("kind", KINDS)
def test_only_tls_or_this_machine(kind: str) -> None:
    """A secret does not go over the net in the clear."""
    with pytest.raises(ValueError, match="https"):
        Hosted(entry(kind, "http://example.com"), Clock())


@pytest.mark.parametrize("kind", KINDS)
def test_a_widget_is_whole(kind: str) -> None:
    """Element, site key, script over TLS, field, and a policy that allows exactly that script."""
    for score in (None, 0.5):
        if score is not None and kind not in SCORED:
            continue
        captcha = Hosted(entry(kind, None, score=score), Clock())
        widget = captcha.issue("challenge", "token")
        assert widget.element == "div"
        assert widget.attributes["data-sitekey"] == SETTINGS.site_key
        assert widget.field == VENDORS[kind].field
        (script,) = widget.scripts
        sources = [source.replace("https://*.", "https://js.") for source in widget.sources["script-src"]]
        assert any(script.startswith(source) for source in sources)
        assert "'unsafe-inline'" not in str(widget.sources)


async def test_a_crowd_is_not_the_providers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for its turn with us says nothing about the provider: whoever sends a flood chooses no other one."""
    monkeypatch.setattr(http, "AT_ONCE", 1)
    async with provider("turnstile", timeout=0.4) as (captcha, standin):
        breaker = Breaker(captcha, time.monotonic)
        standin.world.behaviour.slow = 0.15
        crowd = [breaker.validate(answered(f"never-given-{number}")) for number in range(12)]
        found = await asyncio.gather(*crowd, return_exceptions=True)
        assert {type(one) for one in found} == {Verdict, Crowded}
        assert not breaker.away


@pytest.mark.parametrize("agent", ["Mozilla/5.0 \udcff", "a\0b", "é" * 2000, "\ud83d"])
def test_no_agent_makes_a_request_malformed(agent: str) -> None:
    """A provider that refuses requests is away for everybody: no name of a browser must bring that about."""
    ask = SPEAKS["recaptcha_enterprise"].ask(Settings("k", "s", "/t"), answered("a", agent=agent), "tg_1")
    said = json.loads(ask.body)["event"]["userAgent"]
    assert said.isascii()
    assert said.isprintable()
    assert len(said) <= 1024
