"""Every one keeps the laws of the interface."""

from __future__ import annotations

from tests.challenges.conformance import Conformance


class TestEscalations(Conformance):
    """On memory, and by four workers on Redis 7.0, Valkey 9 and a Cluster of three."""
