"""How much work a regular expression is: RE2's time is linear in the text, times what the pattern stands for."""

from __future__ import annotations

import re
from typing import Final

UNICODE_CLASS: Final = 25
"""Parts that a class such as `\\pL` stands for, about: it is hundreds of ranges of bytes."""

_TOKEN = re.compile(
    r"""
      \\Q(?P<quoted>.*?)(?:\\E|$)
    | (?P<unicode>\\[pP](?:\{[^}]*\}|.))
    | \\x\{[^}]*\} | \\x..  | \\.
    | \[\^?\]?(?:\[:\^?\w+:\]|(?P<within>\\[pP])|\\.|[^\]\\])*\]
    | \(\?[a-zA-Z-]*(?P<flags>\)) | (?P<begin>\((?:\?(?:P?<\w+>|[a-zA-Z-]*:))?)
    | (?P<end>\))
    | \{(?P<least>\d{1,4})(?P<more>,(?P<most>\d{0,4}))?\}
    | (?P<nothing>[|*+?^$])
    | .
    """,
    re.DOTALL | re.VERBOSE,
)


def parts(pattern: str) -> int:
    """Characters, classes and the like, each as often as it may be repeated by number: `(ab){3}` has 6."""
    groups, last = [0], 0
    for found in _TOKEN.finditer(pattern):
        size = 1
        if found["least"] is not None:
            most = found["most"] or found["least"]
            size = last * (max(1, int(most)) - 1)
            last += size
            groups[-1] += size
            continue
        if found["begin"] is not None:
            groups.append(0)
            continue
        if found["flags"] is not None or found["nothing"] is not None:
            continue
        if found["end"] is not None:
            size = groups.pop() if len(groups) > 1 else 0
        elif found["unicode"] is not None or found["within"] is not None:
            size = UNICODE_CLASS
        elif found["quoted"] is not None:
            size = len(found["quoted"])
        groups[-1] += size
        last = size
    return sum(groups)
