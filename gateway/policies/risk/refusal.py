"""What a caller is told at each level of a campaign, and the way out: the owner of an account may be wronged by it.

Nobody is told of the others in the group, nor by what it was found: that is for the log, and for who looks at the case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from gateway.accounts.evidence import KINDS
from gateway.campaigns.verdict import Level, Verdict
from gateway.policies.risk.campaigns import CHALLENGE, HOLD, TRACE, VERIFY, Step, rule
from gateway.policy import Action, Decision, Match, Take, Taken

EXHAUSTED: Final = "cluster_budget_exhausted"
PACED: Final = TRACE.reason
WITHHELD: Final = HOLD.reason

ALIKE: Final = "The use of this account looks like that of a group of accounts that act as one"
_ASK: Final = "Its owner can ask for a review at `verification_url`."
_ASK_OPERATOR: Final = "Its owner can ask the operator of this API."

Link = Callable[[], str]
"""Makes a path on our own pages that works once; empty where there are none."""


def refusal(step: Step, verdict: Verdict, link: Link) -> Decision:
    """Of a step that is refused, whatever the bucket holds. Raises KeyError for one that is not."""
    decision = _WORDS[step.what](step, link)
    return decision._replace(note=note_of(verdict))


def note_of(verdict: Verdict) -> str:
    """For the log."""
    families = ", ".join(f"{family} {nats:.1f}" for family, nats in verdict.families)
    return f"{verdict.cluster} of {verdict.size} accounts, score {verdict.score:.1f} ({families})"


def exhausted(take: Take, taken: Taken) -> Decision:
    """The shared bucket is short."""
    limit = take.bucket.limit
    ever = math.isfinite(taken.wait)
    said = f"{ALIKE}, so they share {limit.refill:,.12g} requests every {span(limit.every)}, which are used up."
    return Decision(
        Action.THROTTLE,
        EXHAUSTED,
        f"{said} Try again in {span(taken.wait)}." if ever else said,
        take.bucket.partition,
        retry_after=max(taken.wait, 0.001) if ever else None,
        matches=(Match(rule(Level.BUDGET), "throttle", EXHAUSTED),),
    )


def _paced(step: Step, _: Link) -> Decision:
    return Decision(
        Action.THROTTLE,
        PACED,
        f"{ALIKE}, so now and then a request is asked to come a little later. Try again in {span(step.wait)}.",
        retry_after=step.wait,
        matches=(TRACE,),
    )


def _withheld(step: Step, link: Link) -> Decision:
    what = " and ".join(f"`{one}`" for one in step.lacking)
    members, url, way = _way_out(link)
    return Decision(
        Action.DENY,
        WITHHELD,
        f"{ALIKE}, so {what} {'waits' if len(step.lacking) == 1 else 'wait'} until somebody has looked at it. "
        f"All else goes on. {way}",
        status=403,
        matches=(HOLD,),
        link=url,
        members={"withheld": step.lacking} | members,
    )


def _challenged(_: Step, __: Link) -> Decision:
    # An entry of kind `captcha` adds the links.
    return Decision(
        Action.CHALLENGE,
        CHALLENGE.reason,
        f"{ALIKE}, so somebody has to pass a challenge in a browser. Then it goes on.",
        matches=(CHALLENGE,),
    )


def _unverified(step: Step, link: Link) -> Decision:
    shown = "; ".join(KINDS[kind] for kind in step.lacking)
    members, url, way = _way_out(link)
    return Decision(
        Action.DENY,
        VERIFY.reason,
        f"{ALIKE}, so its owner has to show: {shown}. {way}",
        status=403,
        matches=(VERIFY,),
        link=url,
        members={"missing": step.lacking} | members,
    )


_WORDS: Final[dict[str, Callable[[Step, Link], Decision]]] = {
    "trace": _paced,
    "hold": _withheld,
    "challenge": _challenged,
    "verify": _unverified,
}


def _way_out(link: Link) -> tuple[dict[str, str | Sequence[str]], str, str]:
    """Members, the link, and a sentence."""
    url = link()
    return ({"verification_url": url}, url, _ASK) if url else ({}, "", _ASK_OPERATOR)


def span(seconds: float) -> str:
    """Such as `1 d`, `2.5 min`, `7 s`."""
    for size, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"
