"""An outage is said once when it begins and once when it is over, however many notice it."""

from __future__ import annotations

import logging


class Outage:
    """Of one thing that others need. `lost` and `back` are for the log; what went wrong is put after `lost`."""

    def __init__(self, log: logging.Logger, lost: str, back: str) -> None:
        self._log = log
        self._lost = lost
        self._back = back
        self.over = True
        """Whether all is well."""

    def begins(self, error: object) -> None:
        if self.over:
            self.over = False
            self._log.warning("%s: %s", self._lost, error)

    def ends(self) -> None:
        if not self.over:
            self.over = True
            self._log.warning("%s", self._back)


def said(error: BaseException) -> str:
    """In one line, as the driver said it: SQLAlchemy adds the statement and the names that were asked for."""
    text = str(getattr(error, "orig", None) or error)
    return text.partition("\n")[0] or type(error).__name__
