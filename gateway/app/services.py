"""What policies are built with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.accounts.live_directory import LiveDirectory
from gateway.app.clocks import wall
from gateway.feeds.folder import Feeds
from gateway.feeds.networks_fleet import FleetNetworks
from gateway.feeds.refusals_fleet import FleetRefusals
from gateway.feeds.sightings_fleet import FleetSightings
from gateway.feeds.verdicts_fleet import FleetVerdicts
from gateway.overrides.live import LiveOverrides
from gateway.policies import Challenges, Services, no_link
from gateway.rules.build import FREE
from gateway.rules.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class Seen:
    """What a worker and its fleet have seen of accounts. For all rulesets: a change of rules forgets nobody."""

    sightings: FleetSightings = field(default_factory=lambda: FleetSightings(wall))
    networks: FleetNetworks = field(default_factory=lambda: FleetNetworks(wall))
    refusals: FleetRefusals = field(default_factory=lambda: FleetRefusals(wall))
    verdicts: FleetVerdicts | None = None
    """None where nothing is observed."""

    async def caught_up(self, within: float) -> None:
        """Wait until all that was told of accounts is known, at most so many seconds; it is said where it is not."""
        if self.verdicts is not None:
            await self.verdicts.caught_up(within)


def services_of(
    ruleset: Ruleset,
    feeds: Feeds,
    directory: LiveDirectory,
    seen: Seen,
    owner_link: Callable[[str], str] = no_link,
    challenges: Challenges | None = None,
    overrides: LiveOverrides | None = None,
) -> Services:
    return Services(
        now=wall,
        directory=directory,
        prices=ruleset.prices or FREE,
        lists=feeds.lists,
        sightings=seen.sightings,
        owner_link=owner_link,
        challenges=challenges,
        networks=seen.networks,
        refusals=seen.refusals,
        overrides=overrides,
        verdicts=seen.verdicts,
    )
