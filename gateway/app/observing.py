"""A worker's side of detection: what it notes for the sketcher, and the ids that it marks."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from gateway.accounts.secrets import Secrets
from gateway.campaigns.minted import Mint
from gateway.campaigns.observer import Observer
from gateway.edge.observed import note_of
from gateway.rules.gateway_file import DetectorFile
from gateway.telemetry.counters import Counters

SOCKET: Final = "sketcher.sock"
"""In the runtime folder: where workers hand over what they noted."""
MINTED: Final = "minted"
"""For what a key of the fleet is derived that marks ids; as in `gateway.detect.sketching.keys_of`."""


class Observing:
    """Nothing where the file has no `detector`."""

    def __init__(self, file: DetectorFile | None, secrets: Secrets, runtime: Path, counters: Counters) -> None:
        """`secrets` are the fleet's."""
        self.observer = Observer(runtime / SOCKET, counters, note_of) if file is not None else None
        self.mint = Mint(secrets.key(MINTED)) if file is not None and file.minted_ids else None

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """For tasks."""
        return [self.observer.run()] if self.observer is not None else []
