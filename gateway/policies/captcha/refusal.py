"""What a caller is told at each step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.accounts.evidence import KINDS
from gateway.challenges import addresses
from gateway.challenges.ladder import Open, Step
from gateway.policies.captcha.rule import Rule
from gateway.policy import Action, Decision, Take, Taken

CHALLENGE: Final = "challenge_required"
VERIFICATION: Final = "verification_required"
REVIEW: Final = "account_under_review"
THROTTLED: Final = "suspicion_throttled"
UNAVAILABLE: Final = "challenge_unavailable"
CROWDED: Final = 60.0
"""Seconds after which it may be worth while to ask again."""

_WORDS: Final = {
    Step.WORK: "The account behaves unusually, so a proof of work is asked for: your program can do it, "
    "or you can in a browser.",
    Step.CAPTCHA: "The account behaves unusually, so somebody has to pass a challenge in a browser.",
}
_DEMANDED: Final = "This request needs a challenge to be passed first."
_FIRST: Final = "This account is new, so a challenge has to be passed before its first request is answered."


def challenged(rule: Rule, step: Step, note: str = "", said: Decision | None = None) -> Decision:
    """A challenge that is not put to anybody yet. `said` are the words of another entry, where it demands it."""
    if said is not None:
        # Whose rule it is is known there: the matches are its own.
        return said._replace(reason=said.reason or CHALLENGE, detail=said.detail or _DEMANDED, note=note, matches=())
    detail = _FIRST if rule.ladder.fixed else _WORDS[step]
    return Decision(Action.CHALLENGE, CHALLENGE, detail, note, matches=(rule.match(step, CHALLENGE),))


def put(decision: Decision, challenge: Open, token: str, *, sign_in: bool) -> Decision:
    """The same, with all that is needed to pass it. `sign_in`: a member who is signed in can vouch for it."""
    work = challenge.step is Step.WORK
    kinds = ("work" if work else "captcha", *(("sign_in",) if sign_in else ()))
    members: dict[str, str | Sequence[str]] = {
        "challenge_id": challenge.id,
        "challenge_url": addresses.page(token),
        "status_url": addresses.status(token),
        "expires_at": moment(challenge.until),
        "kinds": kinds,
    }
    if work:
        members["puzzle_url"] = addresses.puzzle(token)
    return decision._replace(members=members)


def crowded(decision: Decision) -> Decision:
    """The same, where so many are open that none can be put to this caller."""
    said = "Too many challenges of this account are open, each for another network: one of them has to be passed first."
    return decision._replace(detail=said, retry_after=CROWDED)


def moment(at: float) -> str:
    """Unix time -> RFC 3339, in UTC, in whole seconds."""
    return datetime.fromtimestamp(math.floor(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unverified(rule: Rule, missing: tuple[str, ...], link: str) -> Decision:
    """`link` is empty where there are no pages for owners."""
    members: dict[str, str | Sequence[str]] = {"missing": missing}
    if link:
        members["verification_url"] = link
    shown = "; ".join(KINDS[kind] for kind in missing)
    return Decision(
        Action.DENY,
        VERIFICATION,
        f"The account behaves unusually, so its owner has to show again: {shown}.",
        status=403,
        matches=(rule.match(Step.VERIFY, VERIFICATION),),
        link=link,
        members=members,
    )


def reviewed(rule: Rule) -> Decision:
    return Decision(
        Action.DENY,
        REVIEW,
        "The account is under review. Its owner can ask the operator of this API.",
        status=403,
        matches=(rule.match(Step.REVIEW, REVIEW),),
    )


def unavailable(rule: Rule, step: Step) -> Decision:
    """A challenge is due, and nothing here can make one."""
    return Decision(
        Action.DENY,
        UNAVAILABLE,
        "This request needs a challenge, and none can be made at the moment.",
        "the gateway has no secrets to sign challenges with",
        status=503,
        retry_after=30.0,
        matches=(rule.match(step, UNAVAILABLE),),
    )


def throttled(rule: Rule, take: Take, taken: Taken) -> Decision:
    """The step SLOW: the account's bucket is short."""
    limit = take.bucket.limit
    rate = f"{limit.refill:,.12g} requests every {_span(limit.every)}"
    said = f"The account behaves unusually, so it has {rate} for a while."
    ever = math.isfinite(taken.wait)
    return Decision(
        Action.THROTTLE,
        THROTTLED,
        f"{said} Try again in {_span(taken.wait)}." if ever else said,
        take.bucket.partition,
        retry_after=max(taken.wait, 0.001) if ever else None,
        matches=(rule.match(Step.SLOW, THROTTLED),),
    )


def _span(seconds: float) -> str:
    for size, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"
