"""From an entry of tidegate.yaml to the adapter that speaks with that provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway.verification.providers.adapter import Adapter
from gateway.verification.providers.contract import Entry
from gateway.verification.providers.didit import Didit
from gateway.verification.providers.onfido import Onfido
from gateway.verification.providers.persona import Persona
from gateway.verification.providers.stripe import Stripe
from gateway.verification.providers.sumsub import Sumsub
from gateway.verification.providers.veriff import Veriff

ADAPTERS: Final[Mapping[str, type[Adapter]]] = {
    "stripe": Stripe,
    "persona": Persona,
    "onfido": Onfido,
    "sumsub": Sumsub,
    "didit": Didit,
    "veriff": Veriff,
}
"""Kind -> adapter. `manual` has none: people decide there (`gateway.verification.review`)."""


def build(entry: Entry, clock: Callable[[], float]) -> Adapter:
    """Raises ValueError for an entry that lacks something, and KeyError for a kind that has no adapter."""
    return ADAPTERS[entry.kind](entry, clock)
