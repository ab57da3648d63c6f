"""What is said of each state of a challenge: kind, short, and nothing that helps whoever should not pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Said(NamedTuple):
    """A page that says one thing."""

    status: int
    title: str
    text: str
    retry_after: int = 0
    """Seconds; 0 where waiting does not help."""


AGAIN: Final = "Send your request again: if a check is still needed, its answer has a new link."

PASSED: Final = Said(200, "This check is passed", "Thank you. Your program's next request is answered.")
PASSED_BACK: Final = Said(200, "This check is passed", "Thank you. You can go on to where you were.")
GOING: Final = Said(200, "This check is passed", "Thank you. You are taken back to where you were.")
EXPIRED: Final = Said(410, "This check has run out", f"It could be passed for a while only. {AGAIN}")
CLOSED: Final = Said(
    410,
    "This check is closed",
    f"It was answered wrongly too often, or another one has taken its place. {AGAIN}",
)
UNKNOWN: Final = Said(
    404,
    "There is no such check",
    "The address may have been cut off when it was copied. Take the whole link from the answer to your request.",
)
FARMED: Final = Said(
    403,
    "Please sign in instead",
    "From this browser or network checks for many accounts were passed today, so this one cannot be passed here. "
    "A member of the account can sign in, come back to it, and let the requests go on.",
)
FARMED_ALONE: Final = Said(
    403,
    "Please try from elsewhere",
    "From this browser or network checks for many accounts were passed today, so this one cannot be passed here. "
    "Please open this page in the network of your own, or try again tomorrow.",
)
NOBODY: Final = Said(
    503,
    "The check cannot be shown just now",
    "Whoever checks for us does not answer. Nothing was lost; please try again in a minute.",
    30,
)
UNAVAILABLE: Final = Said(
    503,
    "Please try again in a moment",
    "We cannot look this check up just now. Nothing was lost, and your answer can be given again.",
    5,
)

STATES: Final[Mapping[str, Said]] = {"expired": EXPIRED, "closed": CLOSED}
"""What a challenge may have become -> what is said."""

WRONG: Final = "That was not right, or it took too long. Please try once more."
EMPTY: Final = "The check was not finished. Please pass it first; then you go on by yourself."
ANOTHER: Final = "Whoever checked this does not answer just now, so here is another check. Your answer was not wrong."
SLOW: Final = "Those were many answers in a short time. Please wait a moment and try again."

ERRORS: Final[Mapping[int, Said]] = {
    403: Said(
        403,
        "Please send the form again",
        "It came from a page that is too old, or not from ours. Nothing was changed. Go back, load the page again, and "
        "send the form once more.",
    ),
    404: UNKNOWN,
    405: Said(405, "That is not possible here", "This address does not answer to what your browser asked for."),
    408: Said(408, "The form did not arrive", "It took too long to come. Nothing was changed; please send it again."),
    413: Said(413, "That was too much text", "Nothing was changed. Please go back and try again."),
    429: Said(429, "Please wait a moment", "This page was asked for very often from your network. Nothing was lost."),
}
OTHERWISE: Final = Said(400, "That did not work", "Nothing was changed. Please go back and try again.")
