"""What follows from what is held: the step that is asked for, and what holds after an event. Pure; `ladder` has the laws.

On the hot path: `weigh` (or `needs`) and `cleared`, which change nothing. Off it: `after`.
"""

from __future__ import annotations

from collections.abc import Container

from gateway.challenges.ladder import Clearance, Event, Held, Ladder, Open, Step


def suspicion(ladder: Ladder, held: Held, now: float) -> float:
    """At that Unix time; never below 0."""
    raise NotImplementedError


def needs(ladder: Ladder, held: Held, weight: float, now: float) -> Step:
    """What is asked for of an exchange that brings this weight: the step of `after(..., Weighed(weight), now)`."""
    raise NotImplementedError


def weigh(ladder: Ladder, held: Held, weight: float, now: float) -> tuple[Step, bool]:
    """`needs`, and whether `Weighed(weight)` is worth writing down: False where `after` would return the same object."""
    raise NotImplementedError


def cleared(
    held: Held, step: Step, key: str, network: str, now: float, spent: Container[str] = ()
) -> Clearance | None:
    """What stands in for that step. `spent` are ids of clearances whose budget is known to be empty."""
    raise NotImplementedError


def after(ladder: Ladder, held: Held, event: Event, now: float) -> Held:
    """What holds once that has happened. The same object where nothing changed that is worth writing down."""
    raise NotImplementedError


def passed(before: Held, after: Held, challenge: str) -> bool:
    """Whether the event between the two was a challenge passed for the first time."""
    raise NotImplementedError


def standing(held: Held, step: Step, key: str, network: str, now: float) -> Open | None:
    """The challenge that is open for exactly that scope; None where another one must be put (`Asked`)."""
    raise NotImplementedError


def lasts(ladder: Ladder, held: Held, now: float) -> float:
    """Seconds after which it says nothing any more and may be forgotten; 0 where it may at once."""
    raise NotImplementedError
