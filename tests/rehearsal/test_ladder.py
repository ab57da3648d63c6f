"""A ladder in rehearsals: what people write of an account, and what the log has kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from gateway.history.columns import Event
from gateway.history.reading import read
from gateway.policies import auth, kyc, quota, rules
from gateway.policy import Evidence, Fall
from gateway.rehearsal.buckets import Buckets
from gateway.rehearsal.given import USUAL_TIME, Given
from gateway.rehearsal.imagined import exchange_of
from gateway.rehearsal.past import COLUMNS, Past, Reader
from gateway.rehearsal.rehearsal import Rehearsal
from tests.history.logs import NOON, event, log

KINDS: Final = {module.KIND.name: module.KIND for module in (auth, kyc, quota, rules)}
NOW: Final = USUAL_TIME.timestamp()


@pytest.mark.parametrize(
    ("account", "evidence", "falls"),
    [
        ({}, (), ()),
        ({"evidence": ["email", "document"]}, (Evidence("email", NOW), Evidence("document", NOW)), ()),
        ({"evidence": {"email": "2026-01-05T11:00:00Z"}}, (Evidence("email", NOW - 3600),), ()),
        ({"falls": ["chargeback"]}, (), (Fall("chargeback"),)),
    ],
    ids=["nothing", "just now", "at a time", "a fall"],
)
def test_what_an_account_has_shown_may_be_written(account: dict[str, Any], evidence: Any, falls: Any) -> None:
    """As kinds, or with their times; the rest of it beside that."""
    given = Given.model_validate({"account": {"identity": "i1", "signup_burst": 3, **account}})

    principal = exchange_of(given, {}, {}).principal

    assert principal is not None
    profile = principal.profile
    assert (profile.evidence, profile.falls, profile.identity, profile.signup_burst) == (evidence, falls, "i1", 3)


TIERS: Final = """\
tiers:
  - {name: free, withholds: {models: [m-frontier*]}}
  - {name: checked, requires: [document], quota: pro}
evidence: {document: {lasts: LASTS}}
"""
SHOWN: Final = [f"document@{int(NOON - 10 * 86_400)}"]


def judged(folder: Path, past: Event, lasts: str = "30d", *, ladder: bool = True) -> tuple[str, str]:
    """Reason of the refusal, and the tier that the last entry saw."""
    policies = folder / "policies"
    policies.mkdir()
    chain = "chain:\n  - {name: auth, kind: auth, on_failure: deny}\n"
    chain += "  - {name: tiers, kind: kyc, on_failure: deny}\n" * ladder
    chain += "  - {name: rules, kind: rules, on_failure: deny}\n"
    files = {"chain": chain, "auth": "api_keys: true\n", "tiers": TIERS.replace("LASTS", lasts)}
    files["rules"] = 'rules: [{name: paid, when: account.tier == "pro", action: tag, tags: [paid]}]\n'
    for name, text in files.items():
        (policies / f"{name}.yaml").write_text(text)
    (one,) = _pasts(folder, past)
    with Rehearsal(policies, {}, KINDS, make_store=Buckets) as rehearsal:  # type: ignore[arg-type]  # as the command does
        asked = rehearsal.begin(one.exchange)
        return asked.decision.reason, "pro" if "paid" in asked.context.tags else "free"


def _pasts(folder: Path, past: Event) -> list[Past]:
    reader = Reader(frozenset({"auth"}))
    return [one for table in read(log(folder / "log", [past]), columns=COLUMNS) for one in reader.read(table)]


@pytest.mark.parametrize(
    ("past", "lasts", "expected"),
    [
        (event(tier="free"), "30d", ("", "free")),
        (event(tier="pro", assigned="default", verification=1, evidence=SHOWN), "30d", ("", "pro")),
        (event(tier="pro", assigned="default", verification=1, evidence=SHOWN), "7d", ("", "free")),
        (
            event(tier="pro", assigned="default", verification=1, evidence=SHOWN, model="m-frontier-1"),
            "7d",
            ("verification_required", "free"),
        ),
        (
            event(tier="free", assigned="checked", falls=["chargeback"], model="m-frontier-1"),
            "30d",
            ("payment_reversed", "free"),
        ),
        (event(tier="free", evidence=SHOWN, model="m-frontier-1"), "30d", ("", "pro")),
        (event(tier="plan", evidence=SHOWN, assigned="plan", model="m-frontier-1"), "30d", ("", "free")),
    ],
    ids=[
        "nothing shown", "as it was", "under a stricter ladder", "and what that refuses", "a fall", "a looser ladder",
        "a plan",
    ],
)  # fmt: skip
def test_a_replay_finds_the_tier_anew(tmp_path: Path, past: Event, lasts: str, expected: tuple[str, str]) -> None:
    """From what the account had shown at that time, by the ladder that is tried."""
    assert judged(tmp_path, past, lasts) == expected


def test_without_a_ladder_the_assigned_tier_holds(tmp_path: Path) -> None:
    """A tier that a ladder found then is not taken for one that somebody assigned."""
    past = event(tier="pro", assigned="default", verification=1, evidence=SHOWN)

    assert judged(tmp_path, past, ladder=False) == ("", "free")


def test_how_far_it_was_verified_stays_known(tmp_path: Path) -> None:
    """For the report, which shows first whom a change would hurt that looks honest."""
    (one,) = _pasts(tmp_path, event(tier="pro", assigned="default", verification=2, evidence=SHOWN))

    assert one.exchange.principal is not None
    assert (one.exchange.principal.tier, one.exchange.principal.profile.verification) == ("default", 2)
