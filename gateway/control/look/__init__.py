"""How all pages for people look: one frame, one style, one icon, and the fields that every page has."""

from __future__ import annotations

from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
"""Where `frame.html` is, which templates extend."""
STYLE: Final = (HERE / "style.css").read_bytes()
ICON: Final = (HERE / "icon.svg").read_bytes()

FIELDS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # A token stands in an address.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every page has, unless it says otherwise."""
