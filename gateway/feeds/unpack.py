"""One file out of what was fetched. Only that file is ever written, whatever the archive says of paths and links."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from pathlib import Path
from typing import IO, cast

from gateway.feeds.download import MAX_BYTES, FetchFailed
from gateway.feeds.sources import Unpack

TEXTS = (".txt", ".csv", ".netset", ".ipset", ".list", ".zone")
DATABASES = (".mmdb",)
_PIECE = 1024 * 1024
_LONGEST_READ = 4 * _PIECE
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
    with _layer(packed) as layer, tarfile.open(fileobj=_Bounded(layer), mode="r:") as archive:
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


def _layer(packed: Path) -> IO[bytes]:
    """The archive, without its compression."""
    with packed.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(packed))
    if magic.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.open(packed))
    if magic == b"\xfd7zXZ\0":
        return cast("IO[bytes]", lzma.open(packed))
    return packed.open("rb")


class _Bounded(io.RawIOBase):
    """As much of a file as tarfile needs. It reads a long name or a head of PAX as a whole, however long that claims
    to be: 3 MB of zeros, compressed, would take 700 MB of memory.
    """

    def __init__(self, layer: IO[bytes]) -> None:
        self._layer = layer

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise FetchFailed("the archive has a head that is too large")
        return self._layer.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._layer.seek(offset, whence)

    def tell(self) -> int:
        return self._layer.tell()


def _copy(source: IO[bytes] | gzip.GzipFile, out: Path) -> None:
    size = 0
    with out.open("wb") as target:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > MAX_BYTES:
                raise FetchFailed(f"larger than {MAX_BYTES >> 20} MiB when unpacked")
            target.write(piece)
