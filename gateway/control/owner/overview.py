"""What the page of an account says, computed from what is known: pure, and by the same ladder as the policy of kind
kyc.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway.accounts.ladder import USUAL, Due, Ladder, bound, due, missing, remains, standing
from gateway.control.owner import words
from gateway.control.owner.known import Known
from gateway.control.owner.suspicion import Suspicion
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
    people: frozenset[str] = frozenset()
    """Providers, by name, where people here decide: they ask for no camera."""


class Notice(NamedTuple):
    """What matters most just now: one, at the top."""

    tone: str
    """calm, busy, warn or good"""
    title: str
    text: str
    action: str = ""
    """What the button says; empty for no button."""
    kinds: tuple[str, ...] = ()
    """Of evidence, that the button asks for."""


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
    lowered: bool
    """It stands lower than it has earned."""
    fell: str
    """Why it may not stand higher, whatever it shows; empty where it may."""
    amends: str
    gives: tuple[str, ...]
    notice: Notice | None
    suspicion: Suspicion | None
    rungs: tuple[Rung, ...]
    shown: tuple[Shown, ...]


def overview(
    known: Known,
    ladder: Ladder | None,
    now: float,
    *,
    gives: Gives,
    ways: Ways,
    suspicion: Suspicion | None = None,
) -> Overview:
    """Without a ladder an account has the tier that was assigned, and there is nothing to climb."""
    if ladder is None:
        tier = known.assigned or "default"
        notice = _first_notice(known)
        return Overview(tier, False, "", "", tuple(gives(tier)), notice, suspicion, (), _shown(known, None, now))
    stands = standing(ladder, known.profile, known.assigned, now)
    fall = bound(ladder, known.profile, now)
    # A plan that is no rung keeps its name; what is gated is judged by evidence.
    plan = known.assigned if known.assigned and ladder.index(known.assigned) is None else ""
    # Above what a fall leaves, nothing that is shown helps until it is cleared.
    reach = len(ladder.rungs) if fall is None else remains(ladder, fall) + 1
    fell = fall is not None and reach < len(ladder.rungs)
    return Overview(
        tier=plan or stands.tier,
        lowered=bool(stands.fell),
        fell=words.FELL.get(fall.reason, words.FELL_OTHERWISE) if fall is not None and fell else "",
        amends=words.AMENDS.get(fall.reason, words.AMENDS_OTHERWISE) if fall is not None and fell else "",
        gives=tuple(gives(plan or stands.tier)),
        notice=_wanted_by(suspicion, known, ladder, ways)
        or _notice(known, ladder, max(stands.rung, stands.earned), reach, now, ways, lowered=bool(stands.fell)),
        suspicion=suspicion,
        rungs=_rungs(known, ladder, stands.rung, now, gives=gives, ways=ways),
        shown=_shown(known, ladder, now),
    )


def _first_notice(known: Known) -> Notice | None:
    if known.suspended:
        # What a file of the operator's says is not for the desk to hear.
        how = "send us an appeal" if known.decided else "please write to us"
        text = f"Its requests are refused just now. If you think that this is a mistake, {how}."
        return Notice("warn", "This account is suspended", text)
    return None


def _notice(
    known: Known, ladder: Ladder, rung: int, reach: int, now: float, ways: Ways, *, lowered: bool
) -> Notice | None:
    first = _first_notice(known)
    if first is not None:
        return first
    if known.filed:
        return None
    case = known.case
    said = words.CASES.get(case.state) if case is not None else None
    if case is not None and case.open and said is not None:
        waits = case.state in {State.SUBMITTED, State.REVIEW}
        tone = "warn" if case.state == State.RETRY else "busy"
        return Notice(
            tone, said.title, said.text, "" if waits or not ways.verify else "Resume verification", case.kinds
        )
    pressing = due(ladder, known.profile, now)
    if pressing and not lowered:
        return _renewal(ladder, pressing, now, ways)
    wanted = _wanted(known, ladder, range(rung + 1, reach), now)
    if not wanted or not ways.verify:
        return None
    provider = _provider(ladder, wanted[0])
    # One session is with one provider: what another gives is asked for after that.
    wanted = tuple(kind for kind in wanted if _provider(ladder, kind) == provider)
    if said is not None:
        text = words.DECLINED_HERE if case is not None and case.provider in ways.people else said.text
        return Notice("warn", said.title, text, "Try again", wanted)
    showing = words.listed([words.evidence(kind).lower() for kind in wanted])
    if provider in ways.people:
        text = f"Somebody on our side looks at: {showing}. This can take a day or two; this page shows the result."
        return Notice("calm", "You can ask to be verified now", text, "Ask for it", wanted)
    text = (
        f"A provider asks you for: {showing}. It takes a few minutes; have your document at hand, and a phone or a "
        "computer with a camera. We are told the result; we keep neither your document nor your picture."
    )
    return Notice("calm", "You can verify now", text, "Verify now", wanted)


def _wanted_by(suspicion: Suspicion | None, known: Known, ladder: Ladder, ways: Ways) -> Notice | None:
    """What suspicion asks for comes first, where it can be shown here and nothing of it is under way."""
    under_way = known.case is not None and known.case.open
    if suspicion is None or known.suspended or known.filed or under_way or not ways.verify:
        return None
    given = [kind for kind in suspicion.lacking if _provider(ladder, kind)]
    if not given:
        return None
    provider = _provider(ladder, given[0])
    same = tuple(kind for kind in given if _provider(ladder, kind) == provider)
    showing = words.listed([words.evidence(kind).lower() for kind in same])
    text = f"Your requests go on once this is shown: {showing}. We keep neither documents nor pictures."
    return Notice("warn", "You can show it now", text, "Ask for it" if provider in ways.people else "Verify now", same)


def _renewal(ladder: Ladder, pressing: tuple[Due, ...], now: float, ways: Ways) -> Notice:
    first = pressing[0]
    name, over = words.evidence(first.kind), first.ends <= now
    title = f"{name}: {'has run out' if over else 'please show it again soon'}"
    until = f"Your tier stays until {words.moment(first.goes)}."
    text = until if over else f"What you have shown runs out on {words.moment(first.ends)}. {until}"
    provider = _provider(ladder, first.kind)
    if not provider or not ways.verify:
        return Notice("warn", title, f"{text} {_how(ladder, first.kind, ways)}")
    same = tuple(one.kind for one in pressing if _provider(ladder, one.kind) == provider)
    return Notice("warn", title, text, "Verify again", same)


def _wanted(known: Known, ladder: Ladder, above: range, now: float) -> tuple[str, ...]:
    """What providers can give towards the lowest of these rungs for which they can give anything."""
    for index in above:
        given = [kind for kind in missing(ladder, index, known.profile, now) if _provider(ladder, kind)]
        if given:
            return tuple(given)
    return ()


def _provider(ladder: Ladder, kind: str) -> str:
    return ladder.proofs.get(kind, USUAL).provider


def _rungs(known: Known, ladder: Ladder, stands: int, now: float, *, gives: Gives, ways: Ways) -> tuple[Rung, ...]:
    found = []
    for index, rung in enumerate(ladder.rungs):
        lacking = missing(ladder, index, known.profile, now)
        needs = tuple(
            Need(words.evidence(kind), kind not in lacking, "" if kind not in lacking else _how(ladder, kind, ways))
            for kind in sorted(rung.requires, key=lambda kind: (kind not in lacking, words.evidence(kind)))
        )
        state = "here" if index == stands else "below" if index < stands else "above"
        found.append(Rung(rung.name, state, tuple(gives(rung.name)), needs))
    return tuple(found)


def _how(ladder: Ladder, kind: str, ways: Ways) -> str:
    if _provider(ladder, kind):
        return "Part of the verification." if ways.verify else "Part of a verification, which is not open here."
    if kind in {"email", "console"}:
        return "Sign in with a link that we send by e-mail." if ways.mail else "Ask us for a sign-in link."
    return HOW.get(kind, OTHERWISE)


def _shown(known: Known, ladder: Ladder | None, now: float) -> tuple[Shown, ...]:
    pressing = {one.kind: one for one in due(ladder, known.profile, now)} if ladder is not None else {}
    found: dict[str, Shown] = {}
    for evidence in known.profile.evidence:
        lasts = ladder.proofs.get(evidence.kind, USUAL).lasts if ladder is not None else math.inf
        ends = min(evidence.obtained + lasts, evidence.expires)
        one = pressing.get(evidence.kind)
        if one is None:
            state, goes = ("over" if ends <= now else "good"), math.inf
        else:
            state, goes = ("grace" if one.ends <= now else "due"), one.goes
        shown = Shown(words.evidence(evidence.kind), evidence.obtained, ends, state, goes)
        # Of several of a kind the one that holds longest: it is what counts.
        if evidence.kind not in found or found[evidence.kind].ends < ends:
            found[evidence.kind] = shown
    return tuple(sorted(found.values(), key=lambda one: one.name))
