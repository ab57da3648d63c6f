"""What policies are built with."""

from __future__ import annotations

from collections.abc import Callable

from gateway.accounts.live_directory import LiveDirectory
from gateway.app.clocks import wall
from gateway.feeds.folder import Feeds
from gateway.feeds.sightings_fleet import FleetSightings
from gateway.policies import Services, no_link
from gateway.rules.build import FREE
from gateway.rules.ruleset import Ruleset


def services_of(
    ruleset: Ruleset,
    feeds: Feeds,
    directory: LiveDirectory,
    sightings: FleetSightings,
    owner_link: Callable[[str], str] = no_link,
) -> Services:
    return Services(wall, directory, ruleset.prices or FREE, feeds.lists, sightings, owner_link)
