"""Traces of one worker: from tidegate.yaml to a thread that sends them."""

from __future__ import annotations

import asyncio
import importlib
import random
from types import ModuleType
from typing import Any, Final

from gateway import __version__
from gateway.rules.gateway_file import TracesFile
from gateway.telemetry.traces import Traces

MISSING: Final = "`traces` needs OpenTelemetry: pip install 'tidegate[traces]'"


class Tracing:
    """`traces` is for the edge; None where nothing is traced."""

    def __init__(self, written: TracesFile | None, worker: str) -> None:
        """Raises ImportError where what it needs is not installed."""
        self.traces: Traces | None = None
        self._spans: Any = None
        if written is None:
            return
        otlp = sender()
        headers = {name: value.get_secret_value() for name, value in written.headers.items()}
        service = {"service.name": written.service, "service.version": __version__, "service.instance.id": worker}
        self._spans = otlp.Spans(otlp.exporter(written.endpoint, headers), service)
        # Not for secrets: which exchanges are looked at, and numbers that have only to differ.
        self.traces = Traces(written.sample, random.Random(), self._spans.take)  # noqa: S311

    @property
    def dropped(self) -> int:
        """Traced exchanges that nobody took."""
        return 0 if self._spans is None else int(self._spans.dropped)

    async def close(self) -> None:
        """What waits is sent, for as long as the collector may take."""
        if self._spans is not None:
            await asyncio.to_thread(self._spans.close)


def sender() -> ModuleType:
    """Loaded where it is asked for alone: half a second, and 20 MiB. Raises ImportError."""
    try:
        return importlib.import_module("gateway.telemetry.otlp")
    except ImportError as error:
        raise ImportError(MISSING) from error
