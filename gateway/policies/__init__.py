"""The rooms. Each has the same doors: `__init__` (KIND), `config`, `rule` (pure), `policy` (shell), README. Siblings
never import each other.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.accounts.directory import Directory
    from gateway.campaigns.verdict import Verdicts
    from gateway.challenges.interface import Escalations
    from gateway.challenges.token import Tokens
    from gateway.challenges.work import Work
    from gateway.feeds.networks import Networks
    from gateway.feeds.refusals import Refusals
    from gateway.feeds.sightings import Sightings
    from gateway.overrides.live import LiveOverrides


def no_link(_: str) -> str:
    """Where there are no pages for owners."""
    return ""


@dataclass(frozen=True, slots=True)
class Challenges:
    """What a policy needs to challenge."""

    escalations: Escalations
    tokens: Tokens
    work: Work


@dataclass(frozen=True, slots=True)
class Services:
    """What the world offers a policy, handed over once, when it is built."""

    now: Callable[[], float]
    """Unix time in seconds."""
    directory: Directory
    """Accounts and keys, as an object whose content changes under us and whose lookups never wait."""
    prices: Mapping[str, tuple[float, float, float, float]]
    """Model -> US dollars per million tokens of input, cached input, cache creation, output. `default` for the rest."""
    lists: Mapping[str, Container[object]] = field(default_factory=dict)
    """Name -> the list of `feeds.yaml`, as it was when this policy was built."""
    sightings: Sightings | None = None
    """Where accounts were seen before, in the whole fleet; None where nothing is remembered."""
    owner_link: Callable[[str], str] = no_link
    """Account -> a path on our own pages that works once: where its owner sees what is missing (accounts.one_time)."""
    challenges: Challenges | None = None
    """What escalates, and makes challenges; None where nothing does."""
    entry: str = ""
    """The name in chain.yaml of what is built; empty where it stands in no chain. Two entries may read one file."""
    rollout: float = 1.0
    """The share of accounts for whom the entry is enforced (`gateway.rollout.share_of`); for the others it must change
    nothing that the fleet sees."""
    networks: Networks | None = None
    """From which networks keys were used, in the whole fleet; None where nothing is remembered."""
    refusals: Refusals | None = None
    """How often accounts were refused lately, in the whole fleet; None where nothing is remembered."""
    overrides: LiveOverrides | None = None
    """What operators have set beside the files; None where nobody can."""
    verdicts: Verdicts | None = None
    """What the detector says of accounts; None where there is none."""
