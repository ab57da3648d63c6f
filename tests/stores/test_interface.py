"""Every store keeps the laws of the interface."""

from __future__ import annotations

from tests.stores.conformance import Conformance


class TestStore(Conformance):
    """On memory, Redis 7.0, Valkey 9 and a Cluster of three."""
