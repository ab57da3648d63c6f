"""What a folder's feeds.yaml brings: its lists, and where addresses are."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.feeds.kinds import ListKind
from gateway.policy import Location
from gateway.rules.feeds_file import FeedsFile, ListFile


class Knowledge(NamedTuple):
    """Lists and databases, opened."""

    lists: Mapping[str, Container[object]] = {}
    locate: Callable[[str], Location] | None = None


def know(folder: Path, feeds: FeedsFile) -> Knowledge:
    """Raises OSError or ValueError where a list cannot be read."""
    return Knowledge({name: _list(folder, written) for name, written in feeds.lists.items()})


class _Networks:
    def __init__(self, items: list[str]) -> None:
        self._networks = [ipaddress.ip_network(item, strict=False) for item in items]

    def __contains__(self, address: object) -> bool:
        try:
            parsed = ipaddress.ip_address(str(address))
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def _list(folder: Path, written: ListFile) -> Container[object]:
    items = list(written.items or ())
    if written.path is not None:
        lines = (folder / written.path).read_text(encoding="utf-8").splitlines()
        items.extend(text for text in (line.partition("#")[0].strip() for line in lines) if text)
    if written.kind is ListKind.NETWORKS:
        return _Networks(items)
    if written.kind is ListKind.ASNS:
        return frozenset(int(item.upper().removeprefix("AS")) for item in items)
    return frozenset(items)
