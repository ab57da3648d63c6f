"""Small geo databases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import IPSet, MMDBWriter  # type: ignore[attr-defined]  # netaddr's; that ships no types

BUILT = 1_790_000_000
"""Unix time."""

COUNTRIES: Mapping[str, Any] = {
    "81.2.69.0/24": {"country": {"iso_code": "GB"}},
    "2.125.160.0/24": {"country": {"iso_code": "NO"}},
    "2a02:d500::/32": {"country": {"iso_code": "SE"}},
}


def database(
    path: Path, records: Mapping[str, Any] = COUNTRIES, *, kind: str = "Test-Country", built: int = BUILT, v: int = 6
) -> Path:
    """Network -> record, as a file."""

    class Writer(MMDBWriter):
        def _build_meta(self) -> dict[str, Any]:
            return {**super()._build_meta(), "build_epoch": built}

    writer = Writer(ip_version=v, ipv4_compatible=v == 6, database_type=kind, int_type="u32")
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.to_db_file(str(path))
    return path
