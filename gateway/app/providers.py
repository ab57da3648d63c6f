"""The providers that tidegate.yaml names."""

from __future__ import annotations

from gateway.app.clocks import wall
from gateway.rules.gateway_file import ProviderFile
from gateway.verification.provider import Provider
from gateway.verification.providers import registry
from gateway.verification.review import Manual


def providers_of(entries: tuple[ProviderFile, ...]) -> dict[str, Provider]:
    """By name. Each has an HTTP client of its own: for one event loop, which closes them."""
    built: dict[str, Provider] = {}
    for entry in entries:
        built[entry.name] = Manual(entry.name, entry.gives) if entry.kind == "manual" else registry.build(entry, wall)
    return built
