"""One file out of what was fetched. Only that file is ever written, whatever the archive says of paths and links."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zlib
from pathlib import Path
from typing import IO

from gateway.feeds.download import MAX_BYTES, FetchFailed
from gateway.feeds.sources import Unpack

TEXTS = (".txt", ".csv", ".netset", ".ipset", ".list", ".zone")
DATABASES = (".mmdb",)
_PIECE = 1024 * 1024
_BROKEN = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile)


def unpack(packed: Path, how: Unpack, member: str, endings: tuple[str, ...], out: Path) -> None:
    """Write what is in `packed` to `out`. Without a `member`, an archive has one file with one of the `endings`.

    Raises FetchFailed, and OSError.
    """
    try:
        if how is Unpack.TAR:
            _from_tar(packed, (member,) if member else endings, out)
        elif how is Unpack.GZIP:
            with gzip.open(packed) as file:
                _copy(file, out)
        else:
            packed.replace(out)
    except _BROKEN as error:
        raise FetchFailed(f"cannot be unpacked as {how}: {error}") from error


def _from_tar(packed: Path, endings: tuple[str, ...], out: Path) -> None:
    found: list[str] = []
    size = 0
    with tarfile.open(packed, "r:*") as archive:
        for entry in archive:
            size += entry.size
            if size > MAX_BYTES:
                raise FetchFailed(f"larger than {MAX_BYTES >> 20} MiB when unpacked")
            if not entry.isreg() or not entry.name.endswith(endings):
                continue
            found.append(entry.name)
            content = archive.extractfile(entry)
            if len(found) == 1 and content is not None:
                _copy(content, out)
    wanted = " or ".join(endings)
    if not found:
        raise FetchFailed(f"the archive has no file that ends in {wanted}")
    if len(found) > 1:
        raise FetchFailed(f"the archive has several files that end in {wanted}: {', '.join(found[:5])}")


def _copy(source: IO[bytes] | gzip.GzipFile, out: Path) -> None:
    size = 0
    with out.open("wb") as target:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > MAX_BYTES:
                raise FetchFailed(f"larger than {MAX_BYTES >> 20} MiB when unpacked")
            target.write(piece)
