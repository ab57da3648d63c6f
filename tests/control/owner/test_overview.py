"""What the page says, as a table: tier, what matters most, what is missing, what runs out."""

from __future__ import annotations

import math

import pytest

from gateway.accounts.evidence import FALLS, KINDS
from gateway.accounts.ladder import Ladder, Proof, Rung
from gateway.control.owner import words
from gateway.control.owner.known import Case, Known
from gateway.control.owner.overview import Overview, Ways, overview
from gateway.policy import Evidence, Fall, Profile
from gateway.verification.provider import State
from tests.control.owner.world import DAY, GIVES, LADDER

NOW = 1_800_000_000.0
ALL = Ways(verify=True, mail=True)
NONE = Ways(verify=False, mail=False)
VERIFIED = ("email", "console", "document", "liveness")


def _profile(*kinds: str, document: float = 0.0, falls: tuple[Fall, ...] = ()) -> Profile:
    """`document` is how long ago that was shown, in seconds."""
    shown = tuple(Evidence(kind, NOW - (document if kind == "document" else 0.0)) for kind in kinds)
    return Profile(evidence=shown, falls=falls)


def _see(known: Known, ways: Ways = ALL, ladder: Ladder | None = LADDER) -> Overview:
    return overview(known, ladder, NOW, gives=lambda tier: GIVES.get(tier, ()), ways=ways)


def _case(state: State) -> Case:
    return Case("ver_1", "checks", ("document", "liveness"), state, NOW)


@pytest.mark.parametrize(
    ("known", "tier", "title", "action", "kinds"),
    [
        pytest.param(Known("a"), "free", "You can verify now", "Verify now", ("document", "liveness"), id="new"),
        pytest.param(
            Known("a", profile=_profile("email", "console", "liveness")),
            "basic", "You can verify now", "Verify now", ("document",), id="one-kind-is-missing",
        ),
        pytest.param(Known("a", profile=_profile(*VERIFIED)), "verified", "", "", (), id="rest-is-not-shown-here"),
        pytest.param(
            Known("a", profile=_profile(*VERIFIED, "registry")), "business", "", "", (), id="top"
        ),
        pytest.param(Known("a", assigned="business"), "business", "", "", (), id="assigned-top"),
        pytest.param(
            Known("a", assigned="unlimited"),
            "unlimited", "You can verify now", "Verify now", ("document", "liveness"), id="a-plan-that-is-no-rung",
        ),
        pytest.param(Known("a", suspended=True), "free", "This account is suspended", "", (), id="suspended"),
        pytest.param(Known("a", filed=True), "free", "", "", (), id="in-a-file"),
        pytest.param(
            Known("a", case=_case(State.CREATED)),
            "free", "You have begun to verify", "Resume verification", ("document", "liveness"), id="begun",
        ),
        pytest.param(
            Known("a", case=_case(State.SUBMITTED)),
            "free", "Your verification is being checked", "", (), id="submitted",
        ),
        pytest.param(
            Known("a", case=_case(State.RETRY)),
            "free", "Something has to be done again", "Resume verification", ("document", "liveness"), id="retry",
        ),
        pytest.param(
            Known("a", case=_case(State.DECLINED)),
            "free", "Your verification was not approved", "Try again", ("document", "liveness"), id="declined",
        ),
        pytest.param(
            Known("a", case=_case(State.APPROVED), profile=_profile(*VERIFIED)), "verified", "", "", (), id="approved"
        ),
        pytest.param(
            Known("a", profile=_profile(*VERIFIED, document=340 * DAY)),
            "verified", "Identity document: please show it again soon", "Verify again", ("document",), id="due",
        ),
        pytest.param(
            Known("a", profile=_profile(*VERIFIED, document=370 * DAY)),
            "verified", "Identity document: has run out", "Verify again", ("document",), id="grace",
        ),
        pytest.param(
            Known("a", profile=_profile(*VERIFIED, document=400 * DAY)),
            "basic", "You can verify now", "Verify now", ("document",), id="over",
        ),
        pytest.param(
            Known("a", profile=_profile(*VERIFIED, falls=(Fall("chargeback"),))), "free", "", "", (), id="fell"
        ),
        pytest.param(
            Known("a", profile=_profile("email", "console", falls=(Fall("reversal"),))),
            "basic", "", "", (), id="held-where-it-stands",
        ),
        pytest.param(
            Known("a", profile=_profile("email", "console", falls=(Fall("reversal", NOW - 1.0),))),
            "basic", "You can verify now", "Verify now", ("document", "liveness"), id="a-fall-that-is-over",
        ),
    ],
)  # fmt: skip
def test_what_matters_most(known: Known, tier: str, title: str, action: str, kinds: tuple[str, ...]) -> None:
    """One thing at the top, with a button only where it leads somewhere."""
    seen = _see(known)
    assert seen.tier == tier
    notice = seen.notice
    assert (notice.title if notice else "", notice.action if notice else "") == (title, action)
    assert not action or (notice is not None and notice.kinds == kinds)


@pytest.mark.parametrize("case", [None, Case("v", "people", ("registry",), State.DECLINED, NOW)])
def test_people_look_without_a_camera(case: Case | None) -> None:
    """Where people on our side decide nobody is told to have a document and a camera at hand."""
    ladder = Ladder((Rung("free"), Rung("known", frozenset({"registry"}))), {"registry": Proof(provider="people")})
    people = Ways(verify=True, mail=True, people=frozenset({"people"}))
    notice = overview(Known("a", case=case), ladder, NOW, gives=lambda _: (), ways=people).notice
    assert notice is not None
    assert notice.kinds == ("registry",)
    assert notice.action == ("Try again" if case else "Ask for it")
    assert not any(word in notice.text for word in ("camera", "document", "provider"))


def test_one_session_is_with_one_provider() -> None:
    """What another provider gives is not promised by the same button."""
    proofs = {"document": Proof(provider="checks"), "registry": Proof(provider="people")}
    ladder = Ladder((Rung("free"), Rung("known", frozenset(proofs))), proofs)
    notice = _see(Known("a"), ladder=ladder).notice
    assert notice is not None
    assert notice.kinds == ("document",)
    assert "company" not in notice.text


@pytest.mark.parametrize("state", list(State))
def test_no_button_that_leads_nowhere(state: State) -> None:
    """Where nobody verifies here, nothing asks for it; whatever became of a verification, the page can be made."""
    for profile in (_profile(), _profile(*VERIFIED, document=370 * DAY)):
        seen = _see(Known("a", case=_case(state), profile=profile), NONE)
        assert seen.notice is None or not seen.notice.action
        assert _see(Known("a", case=_case(state), profile=profile)).tier


def test_why_it_is_low() -> None:
    """A fall is told in words of its own, also where the account has earned no more; one that bounds nothing is not."""
    fell = _see(Known("a", profile=_profile(*VERIFIED, falls=(Fall("chargeback"),))))
    assert (fell.lowered, fell.fell) == (True, words.FELL["chargeback"])
    held = _see(Known("a", profile=_profile(falls=(Fall("reversal"),))))
    assert (held.lowered, held.fell) == (False, words.FELL["reversal"])
    strange = _see(Known("a", profile=_profile(falls=(Fall("of-a-newer-program"),))))
    assert strange.fell == words.FELL_OTHERWISE
    assert _see(Known("a")).fell == ""


def test_each_tier_says_what_it_needs() -> None:
    """Missing first, each with how it is had; the tier that stands is marked."""
    seen = _see(Known("a", profile=_profile("email", "console")))
    assert [(rung.name, rung.state) for rung in seen.rungs] == [
        ("free", "below"), ("basic", "here"), ("verified", "above"), ("business", "above"),
    ]  # fmt: skip
    business = seen.rungs[-1]
    assert [(need.name, need.there) for need in business.needs] == [
        ("Company registration", False), ("Identity document", False), ("Selfie check", False),
        ("E-mail address", True),
    ]  # fmt: skip
    assert all(bool(need.how) is not need.there for need in business.needs)
    assert business.gives == GIVES["business"]


@pytest.mark.parametrize(
    ("ago", "state", "goes"),
    [
        (0.0, "good", math.inf),
        (340 * DAY, "due", NOW + 39 * DAY),
        (370 * DAY, "grace", NOW + 9 * DAY),
        (400 * DAY, "over", math.inf),
    ],
)
def test_what_runs_out(ago: float, state: str, goes: float) -> None:
    """Evidence says when it ends, and until when the tier stays."""
    [shown] = _see(Known("a", profile=_profile("document", document=ago))).shown
    assert (shown.name, shown.state, shown.goes) == ("Identity document", state, goes)
    assert shown.ends == NOW - ago + 365 * DAY


def test_without_a_ladder() -> None:
    """There is a tier, what was shown, and nothing to climb."""
    seen = _see(Known("a", assigned="basic", profile=_profile("email")), ladder=None)
    assert (seen.tier, seen.rungs, seen.notice, seen.gives) == ("basic", (), None, GIVES["basic"])
    assert [one.name for one in seen.shown] == ["E-mail address"]


def test_there_are_words_for_all() -> None:
    """Every kind of evidence and every fall has words of its own."""
    assert words.EVIDENCE.keys() == KINDS.keys()
    assert words.FELL.keys() == FALLS.keys()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1.0, "1 minute"), (60.0, "1 minute"), (61.0, "2 minutes"), (3600.0, "60 minutes"), (3601.0, "2 hours"),
     (2 * DAY, "2 days")],
)  # fmt: skip
def test_spans(seconds: float, said: str) -> None:
    """Rounded up, so that who waits that long has waited long enough."""
    assert words.span(seconds) == said


@pytest.mark.parametrize(
    ("listed", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists(listed: list[str], said: str) -> None:
    """As one says them."""
    assert words.listed(listed) == said


def test_moments() -> None:
    """Dates are said in UTC, the same for everybody."""
    assert words.minute(0.0) == "1 January 1970, 00:00 UTC"
    assert words.stamp(0.0) == "1970-01-01T00:00:00Z"
