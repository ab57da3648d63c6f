"""What policies are built with."""

from __future__ import annotations

from gateway.accounts.live_directory import LiveDirectory
from gateway.app.clocks import wall
from gateway.feeds.folder import Feeds
from gateway.feeds.sightings_fleet import FleetSightings
from gateway.policies import Services
from gateway.rules.build import FREE
from gateway.rules.ruleset import Ruleset


def services_of(ruleset: Ruleset, feeds: Feeds, directory: LiveDirectory, sightings: FleetSightings) -> Services:
    return Services(wall, directory, ruleset.prices or FREE, feeds.lists, sightings)
