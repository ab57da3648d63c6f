"""The real clocks, for those whom this package hands them out to."""

from __future__ import annotations

import time

wall = time.time
"""Unix time in seconds."""
monotonic = time.monotonic
