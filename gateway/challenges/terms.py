"""On what terms challenges are put and passed, as the rules in force say: for pages and answers, off the hot path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gateway.challenges.ladder import Ladder, Step


class Worth(NamedTuple):
    """What a passed challenge is good for."""

    lasts: float
    """Seconds."""
    exchanges: int
    """In the whole fleet; 0 for any number."""


class Terms(NamedTuple):
    """Of one rule (`ENTRY/NAME`)."""

    ladder: Ladder
    worth: Mapping[Step, Worth]
    """For WORK and CAPTCHA."""
    providers: tuple[str, ...]
    """Who is asked for CAPTCHA, in order: the next where one is away. `altcha` is our own, and never away."""
    subjects_at_most: int
    """For so many subjects one solver may pass within `within`."""
    within: float
    """Seconds."""
