"""How things are called on an owner's page: kind, short, and never what an analyst has noted."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.campaigns.verdict import Level
from gateway.verification.provider import State

EVIDENCE: Final[Mapping[str, str]] = {
    "email": "E-mail address",
    "phone": "Phone number",
    "payment": "Payment method",
    "document": "Identity document",
    "liveness": "Selfie check",
    "registry": "Company registration",
    "sanctions": "Sanctions screening",
    "console": "Sign-in to this page",
}
"""Kind of evidence -> its name."""

FELL: Final[Mapping[str, str]] = {
    "chargeback": "A payment for this account was taken back.",
    "reversal": "The provider that verified you has withdrawn its approval.",
    "detector": "Automatic checks saw unusual use of this account.",
    "analyst": "Somebody on our side has looked at this account and lowered it for now.",
    "identity": "The same person or company stands behind more accounts than one may have.",
}
"""Reason to fall -> why."""
FELL_OTHERWISE: Final = "This account was lowered for now."

AMENDS: Final[Mapping[str, str]] = {
    "chargeback": "Once the payment is settled, tell us in an appeal.",
    "reversal": "If you think that this is a mistake, send us an appeal.",
    "detector": "If the use was yours and in order, tell us in an appeal.",
}
"""Reason to fall -> what to do."""
AMENDS_OTHERWISE: Final = "If you think that this is a mistake, send us an appeal."


class CaseWords(NamedTuple):
    title: str
    text: str


CASES: Final[Mapping[str, CaseWords]] = {
    State.CREATED: CaseWords("You have begun to verify", "Carry on where you stopped. It takes a few minutes."),
    State.SUBMITTED: CaseWords(
        "Your verification is being checked",
        "You have done your part. This page shows the result as soon as it is there.",
    ),
    State.REVIEW: CaseWords(
        "Your verification is being looked at by people",
        "You have done your part. This can take a day or two; you need not wait here.",
    ),
    State.RETRY: CaseWords(
        "Something has to be done again",
        "The provider could not use what you showed: often a picture was blurred or cut off. Please try once more.",
    ),
    State.DECLINED: CaseWords(
        "Your verification was not approved",
        "You can try again, with another document if you have one. If you think that it is a mistake, send an appeal.",
    ),
    State.EXPIRED: CaseWords("Your verification has run out", "Nothing was lost. You can start again at any time."),
}
"""State of the latest verification -> what it means for its owner."""


ALIKE: Final = "Its use looks like that of a group of accounts that act as one."
"""What may be said of why: not by what, and not who else."""

GROUP: Final[Mapping[Level, tuple[str, str]]] = {
    Level.BUDGET: (
        "This account shares a budget of requests",
        "So it shares a budget of requests with that group; all else goes on as ever.",
    ),
    Level.TRACE: (
        "This account shares a budget of requests",
        "So it shares a budget of requests with that group, and now and then a request is asked to come some seconds "
        "later. All else goes on as ever.",
    ),
    Level.HOLD: (
        "Some features wait for now",
        "So some features and models wait until somebody has looked at it. All else goes on.",
    ),
    Level.CHALLENGE: (
        "Somebody has to pass a challenge",
        "So its requests are answered once somebody has passed a challenge in a browser: the next request that is "
        "refused has the link.",
    ),
    Level.VERIFY: (
        "Please show who you are",
        "So its requests are answered once you have shown: {showing}.",
    ),
}
"""Level -> what it means for its owner: a title, and what comes after ALIKE."""

REVIEWED: Final = (
    "Somebody looks at this account",
    "It was used in an unusual way, so its requests are refused until somebody has looked at it.",
)

ASK: Final = "If this account is on its own, tell us: one click, and a person looks at it."
ASKED: Final = "(asked for by the button on the account's page)"
"""Stands for a statement, where the owner wrote none."""


DECLINED_HERE: Final = "You can ask again. If you think that it is a mistake, send an appeal."
"""Of a case that people on our side have declined."""


def evidence(kind: str) -> str:
    return EVIDENCE.get(kind, kind.replace("_", " ").capitalize())


def moment(at: float) -> str:
    """`12 March 2027`, in UTC."""
    found = time.gmtime(at)
    return f"{found.tm_mday} {time.strftime('%B %Y', found)}"


def minute(at: float) -> str:
    """`12 March 2027, 14:05 UTC`."""
    return f"{moment(at)}, {time.strftime('%H:%M', time.gmtime(at))} UTC"


def stamp(at: float) -> str:
    """For the attribute `datetime`: RFC 3339 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def span(seconds: float) -> str:
    """How long, rounded up: `2 minutes`, `3 hours`, `12 days`."""
    for size, name in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds > size or name == "minute":
            many = max(1, math.ceil(seconds / size))
            break
    return f"{many} {name}" if many == 1 else f"{many} {name}s"
