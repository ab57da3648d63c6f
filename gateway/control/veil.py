"""Problems of the files on disk, for whoever may look and not see people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from gateway.control.access.roles import MAY, Permission
from gateway.control.operations import OPERATOR

_ENTRY: Final = re.compile(r"(: list `[^`\n]*`:) `.*", re.DOTALL)
"""What a problem says of a list, up to the entry that it quotes."""


def veiled(problems: Sequence[str], request: web.Request) -> list[str]:
    """Without the entries of lists, which may be accounts, but for whoever may see people."""
    operator = request.get(OPERATOR)
    if operator is not None and Permission.PEOPLE in MAY[operator.role]:
        return list(problems)
    return [_ENTRY.sub(r"\1 a line of it is wrong: whoever may see people sees which", one) for one in problems]
