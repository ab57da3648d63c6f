"""Where a browser is sent back to: a path of ours, never an address of somebody else's."""

from __future__ import annotations

import re
from typing import Final

BACK: Final = "to"
"""The name of the field, and of the parameter, that holds where a browser came from."""
LONGEST: Final = 2048
_PATH: Final = re.compile(r"/(?:[^/\\\x00-\x20\x7f-\U0010ffff][^\\\x00-\x20\x7f-\U0010ffff]*)?")
"""One slash, and no second: `//host` is another host (RFC 3986, section 4.2). Browsers take a backslash for a slash
and leave out tabs and line ends (WHATWG URL, section 4.4), so that none of them may be there. What is not ASCII comes
percent-encoded from every browser."""


def local(target: str) -> str:
    """The path to go back to; empty where there is none that may be believed."""
    return target if len(target) <= LONGEST and _PATH.fullmatch(target) else ""
