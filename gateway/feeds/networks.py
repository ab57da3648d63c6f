"""From which networks a key was used, in the whole fleet: what tells its owner from whoever has found it.

What is kept of a network is when it was first used, when last, and whether somebody has passed a challenge there. To
hear of a use again, late, or in another order changes nothing: earlier, later and either are all there is to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

REMEMBERED: Final = 30 * 86_400.0
"""Seconds for which a network is kept after its last use, and a key after its last."""
REFRESHED: Final = 300.0
"""Seconds after which a network that stays in use is noted again: by so much its last use may be out of date."""
NETWORKS_AT_MOST: Final = 64
"""Of one key. Those that were left longest ago go."""


class Subject(NamedTuple):
    """What is used: a key, or an account where callers come without one. `of` says what counts as a network."""

    of: str
    account: str
    key: str


class Use(NamedTuple):
    """One key in one network. Unix times."""

    first: float
    last: float
    vouched: bool = False
    """Somebody has passed a challenge there."""


NO_USES: Final[Mapping[str, Use]] = MappingProxyType({})


class Known:
    """What is known of one subject. Who holds one sees news by the identity of `uses`."""

    __slots__ = ("asked", "looked", "members", "noted", "uses")

    def __init__(self) -> None:
        self.uses: Mapping[str, Use] = NO_USES
        """Network -> its use; replaced, and never changed."""
        self.looked = -1.0
        """Unix time at which the fleet was asked last; below 0 for never."""
        self.asked: set[str] = set()
        """Networks of which the fleet knew nothing when it was asked."""
        self.noted: dict[str, float] = {}
        """Network -> Unix time at which it was noted here."""
        self.members = 0
        """How many the fleet had of it when it was asked last."""


class Networks(Protocol):
    """Only `look` waits."""

    @property
    def available(self) -> bool:
        """Whether `look` is worth while."""

    @property
    def aside(self) -> Networks:
        """For entries in shadow: of this process, for as long as it lives, and told to nobody."""

    def of(self, subject: Subject, network: str) -> Known | None:
        """None where this process has to ask the fleet first: it never has, of that network."""

    async def look(self, subject: Subject, network: str) -> Known | None:
        """As the fleet has it. None where it gives no answer in time; raises nothing."""

    def note(self, subject: Subject, network: str, now: float, *, vouched: bool = False) -> None:
        """It is used there now. Costs little where that was noted a moment ago."""

    def renew(self, subject: Subject) -> None:
        """Somebody goes by what is known of it for a while: ask again soon, beside the exchanges."""


def join(one: Use, other: Use) -> Use:
    """What is known of one network from two sides."""
    return Use(min(one.first, other.first), max(one.last, other.last), one.vouched or other.vouched)


def joined(one: Mapping[str, Use], other: Mapping[str, Use], at_most: int = NETWORKS_AT_MOST) -> Mapping[str, Use]:
    """`one` itself where the other adds nothing."""
    news = {
        network: use for network, use in other.items() if network not in one or join(one[network], use) != one[network]
    }
    if not news:
        return one
    uses = {**one, **{network: join(one.get(network, use), use) for network, use in news.items()}}
    if len(uses) > at_most:
        latest = sorted(uses, key=lambda network: (uses[network].last, network), reverse=True)[:at_most]
        uses = {network: uses[network] for network in latest}
    return MappingProxyType(uses)
