"""Where challenges are found on our own pages: paths, which the edge makes whole."""

from __future__ import annotations

from typing import Final

ROOT: Final = "/tidegate/challenge"
ANSWER_FIELD: Final = b"tidegate-answer"
"""The request field in which a program gives its work: base64 of the payload of ALTCHA. Not passed on upstream."""
PUZZLE_FIELD: Final = "Tidegate-Challenge"
"""The field of a refusal that says where the puzzle is."""


def page(token: str) -> str:
    """For a person with a browser."""
    return f"{ROOT}/{token}"


def puzzle(token: str) -> str:
    """ALTCHA's puzzle as JSON, for a widget or a program."""
    return f"{ROOT}/{token}/puzzle"


def status(token: str) -> str:
    """JSON; `?wait=25` answers as soon as something changed."""
    return f"{ROOT}/{token}/status"
