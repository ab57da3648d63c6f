"""What the page of an account says, computed from what is known: pure, and by the same ladder as the policy of kind
kyc.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway.accounts.ladder import USUAL, Due, Ladder, due, missing, standing
from gateway.control.owner import words
from gateway.control.owner.known import Known
from gateway.verification.provider import State

Gives = Callable[[str], Sequence[str]]
"""Tier -> what it gives, in lines for people, such as `1,000 requests a minute`."""

OTHERWISE: Final = "We note this ourselves; there is nothing to do on this page."
HOW: Final = {
    "payment": "Noted when a payment goes through.",
    "phone": "Noted when you confirm your phone number with us.",
    "registry": "Ask us to look your organisation up.",
    "sanctions": "We do this ourselves.",
}
"""Kind of evidence that no provider gives -> how it is had."""


class Ways(NamedTuple):
    """What can be done from the page."""

    verify: bool
    """There is a desk, and this session may send the person to a provider."""
    mail: bool
    """Links are sent by mail."""


class Notice(NamedTuple):
    """What matters most just now: one, at the top."""

    tone: str
    """calm, busy, warn or good"""
    title: str
    text: str
    action: str = ""
    """What the button says; empty for no button."""


class Need(NamedTuple):
    """One kind of evidence that a rung requires."""

    name: str
    there: bool
    how: str = ""


class Rung(NamedTuple):
    name: str
    state: str
    """below, here or above"""
    gives: tuple[str, ...]
    needs: tuple[Need, ...]


class Shown(NamedTuple):
    """Evidence that there is."""

    name: str
    obtained: float
    ends: float
    """Unix time; inf for never."""
    state: str
    """good, due (show it again soon), grace (it has ended; the tier goes soon) or over"""
    goes: float = math.inf
    """Unix time at which the tier goes, for due and grace."""


class Overview(NamedTuple):
    tier: str
    assigned: bool
    fell: str
    """Why it stands lower than it earned; empty where it does not."""
    amends: str
    gives: tuple[str, ...]
    notice: Notice | None
    rungs: tuple[Rung, ...]
    shown: tuple[Shown, ...]


def overview(known: Known, ladder: Ladder | None, now: float, *, gives: Gives, ways: Ways) -> Overview:
    """Without a ladder an account has the tier that was assigned, and there is nothing to climb."""
    if ladder is None:
        tier = known.assigned or "default"
        notice = _first_notice(known)
        return Overview(tier, bool(known.assigned), "", "", tuple(gives(tier)), notice, (), _shown(known, None, now))
    stands = standing(ladder, known.profile, known.assigned, now)
    # A plan that is no rung keeps its name; what is gated is judged by evidence.
    plan = known.assigned if known.assigned and ladder.index(known.assigned) is None else ""
    tier = plan or stands.tier
    return Overview(
        tier=tier,
        assigned=bool(known.assigned),
        fell=words.FELL.get(stands.fell, words.FELL_OTHERWISE) if stands.fell else "",
        amends=words.AMENDS.get(stands.fell, words.AMENDS_OTHERWISE) if stands.fell else "",
        gives=tuple(gives(tier)),
        notice=_notice(known, ladder, stands.rung, now, ways=ways, fell=bool(stands.fell)),
        rungs=_rungs(known, ladder, stands.rung, now, gives=gives, ways=ways),
        shown=_shown(known, ladder, now),
    )


def _first_notice(known: Known) -> Notice | None:
    if known.suspended:
        text = "Its requests are refused just now. If you think that this is a mistake, send us an appeal."
        return Notice("warn", "This account is suspended", text)
    return None


def _notice(known: Known, ladder: Ladder, rung: int, now: float, *, ways: Ways, fell: bool) -> Notice | None:
    first = _first_notice(known)
    if first is not None:
        return first
    wanted = _wanted(known, ladder, rung, now)
    said = words.CASES.get(known.case.state) if known.case is not None else None
    if known.case is not None and known.case.open and said is not None:
        waits = known.case.state in {State.SUBMITTED, State.REVIEW}
        tone = "warn" if known.case.state == State.RETRY else "busy"
        return Notice(tone, said.title, said.text, "" if waits or not ways.verify else "Resume verification")
    pressing = due(ladder, known.profile, now)
    if pressing:
        return _renewal(ladder, pressing[0], now, ways)
    if not wanted or not ways.verify:
        return None
    if said is not None:
        return Notice("warn", said.title, said.text, "Try again")
    if fell:
        return None
    showing = words.listed([words.evidence(kind).lower() for kind in wanted])
    text = (
        f"A provider asks you for: {showing}. It takes a few minutes; have your document at hand, and a phone or a "
        "computer with a camera. We are told the result and never see or keep your document or your picture."
    )
    return Notice("calm", "You can verify now", text, "Verify now")


def _renewal(ladder: Ladder, pressing: Due, now: float, ways: Ways) -> Notice:
    name = words.evidence(pressing.kind)
    over = pressing.ends <= now
    title = f"{name}: {'has run out' if over else 'please show it again soon'}"
    until = f"Your tier stays until {words.moment(pressing.goes)}."
    text = until if over else f"What you have shown runs out on {words.moment(pressing.ends)}. {until}"
    provider = ladder.proofs.get(pressing.kind, USUAL).provider
    return Notice("warn", title, text, "Verify again" if provider and ways.verify else "")


def _wanted(known: Known, ladder: Ladder, rung: int, now: float) -> list[str]:
    """What a provider can give towards the next rung for which it can give anything."""
    for above in range(rung + 1, len(ladder.rungs)):
        lacking = missing(ladder, above, known.profile, now)
        given = [kind for kind in lacking if ladder.proofs.get(kind, USUAL).provider]
        if given:
            return given
    return []


def _rungs(known: Known, ladder: Ladder, stands: int, now: float, *, gives: Gives, ways: Ways) -> tuple[Rung, ...]:
    found = []
    for index, rung in enumerate(ladder.rungs):
        lacking = missing(ladder, index, known.profile, now)
        needs = tuple(
            Need(words.evidence(kind), kind not in lacking, "" if kind not in lacking else _how(ladder, kind, ways))
            for kind in sorted(rung.requires, key=lambda kind: (kind in lacking, words.evidence(kind)))
        )
        state = "here" if index == stands else "below" if index < stands else "above"
        found.append(Rung(rung.name, state, tuple(gives(rung.name)), needs))
    return tuple(found)


def _how(ladder: Ladder, kind: str, ways: Ways) -> str:
    if ladder.proofs.get(kind, USUAL).provider:
        return "Part of the verification." if ways.verify else "Part of a verification, which is not open here."
    if kind in {"email", "console"}:
        return "Sign in with a link that we send by e-mail." if ways.mail else "Ask us for a sign-in link."
    return HOW.get(kind, OTHERWISE)


def _shown(known: Known, ladder: Ladder | None, now: float) -> tuple[Shown, ...]:
    pressing = {one.kind: one for one in due(ladder, known.profile, now)} if ladder is not None else {}
    found = []
    for evidence in known.profile.evidence:
        lasts = ladder.proofs.get(evidence.kind, USUAL).lasts if ladder is not None else math.inf
        ends = min(evidence.obtained + lasts, evidence.expires)
        one = pressing.get(evidence.kind)
        if one is None:
            state, goes = ("over" if ends <= now else "good"), math.inf
        else:
            state, goes = ("grace" if one.ends <= now else "due"), one.goes
        found.append(Shown(words.evidence(evidence.kind), evidence.obtained, ends, state, goes))
    return tuple(sorted(found, key=lambda one: one.name))
