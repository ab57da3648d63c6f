"""The Lua scripts of `gateway/stores/lua/`, and what it takes to call them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.resources import files

from gateway.stores.redis.resp import pack


class Script:
    """A script by its digest."""

    __slots__ = ("digest", "load", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self.load = pack("SCRIPT", "LOAD", text)

    def command(self, keys: tuple[bytes, ...], args: tuple[bytes | str | int, ...]) -> bytes:
        """The whole EVALSHA, ready to be written."""
        return pack("EVALSHA", self.digest, len(keys), *keys, *args)


class Scripts:
    """All of them. `edit` changes the text of each: tests put a clock there that they can turn."""

    __slots__ = ("beat", "loads", "renew", "settle", "take")

    def __init__(self, edit: Callable[[str], str] = str) -> None:
        folder = files("gateway.stores") / "lua"
        self.take, self.settle, self.renew, self.beat = (
            Script(edit((folder / f"{name}.lua").read_text("utf-8"))) for name in ("take", "settle", "renew", "beat")
        )
        self.loads = tuple(script.load for script in (self.take, self.settle, self.renew, self.beat))
