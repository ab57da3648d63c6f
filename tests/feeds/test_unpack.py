"""One file out of an archive, and nothing else of it."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from gateway.feeds.download import FetchFailed
from gateway.feeds.sources import Unpack
from gateway.feeds.unpack import DATABASES, TEXTS, unpack


def archive(files: dict[str, bytes], mode: str = "gz", link: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{mode}") as made:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
        if link:
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            made.addfile(entry)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "how", "member"),
    [
        pytest.param(b"x", Unpack.NOTHING, "", id="plain"),
        pytest.param(gzip.compress(b"x"), Unpack.GZIP, "", id="gzip"),
        pytest.param(archive({"a_2026/README": b"r", "a_2026/a.mmdb": b"x"}), Unpack.TAR, "", id="tar.gz"),
        pytest.param(archive({"a.mmdb": b"x"}, "xz"), Unpack.TAR, "", id="tar.xz"),
        pytest.param(archive({"a.mmdb": b"a", "b/b.mmdb": b"x"}), Unpack.TAR, "b/b.mmdb", id="member"),
        pytest.param(archive({"../../evil.mmdb": b"x"}), Unpack.TAR, "", id="a path that leads away"),
        pytest.param(archive({"a.mmdb": b"x"}, link="b.mmdb"), Unpack.TAR, "", id="a link is no file"),
    ],
)
def test_unpacked(tmp_path: Path, content: bytes, how: Unpack, member: str) -> None:
    """The content is that of the one file, and it is where it was asked to be."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "packed").write_bytes(content)
    unpack(tmp_path / "work" / "packed", how, member, DATABASES, tmp_path / "work" / "out")
    assert (tmp_path / "work" / "out").read_bytes() == b"x"
    assert [path.name for path in tmp_path.rglob("*.mmdb")] == []


@pytest.mark.parametrize(
    ("content", "how", "said"),
    [
        pytest.param(b"x", Unpack.GZIP, "cannot be unpacked as gzip", id="no gzip"),
        pytest.param(gzip.compress(b"x" * 1000)[:20], Unpack.GZIP, "cannot be unpacked", id="half a gzip"),
        pytest.param(b"x" * 2000, Unpack.TAR, "cannot be unpacked as tar", id="no tar"),
        pytest.param(archive({"a.txt": b"x" * 5000})[:60], Unpack.TAR, "cannot be unpacked", id="half a tar"),
        pytest.param(archive({"README": b"x"}), Unpack.TAR, "no file that ends in", id="not in it"),
        pytest.param(archive({"a.txt": b"x", "b.csv": b"x"}), Unpack.TAR, "several files", id="two in it"),
    ],
)
def test_not_unpacked(tmp_path: Path, content: bytes, how: Unpack, said: str) -> None:
    """What is not as it should be is told."""
    (tmp_path / "packed").write_bytes(content)
    with pytest.raises(FetchFailed, match=said):
        unpack(tmp_path / "packed", how, "", TEXTS, tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "how"),
    [(gzip.compress(b"x" * 10_000_000), Unpack.GZIP), (archive({"a.txt": b"x" * 10_000_000}), Unpack.TAR)],
    ids=["gzip", "tar"],
)
def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, how: Unpack) -> None:
    """A small file cannot become a large disk."""
    monkeypatch.setattr("gateway.feeds.unpack.MAX_BYTES", 2_000_000)
    (tmp_path / "packed").write_bytes(content)
    with pytest.raises(FetchFailed, match="larger than"):
        unpack(tmp_path / "packed", how, "", TEXTS, tmp_path / "out")
    assert not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size <= 3_000_000


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE], ids=["long name", "pax"])
def test_a_head_that_is_too_large_is_not_read(tmp_path: Path, kind: bytes) -> None:
    """A few kilobytes that unpack to gigabytes of a name must not take the supervisor's memory."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = kind, 8 * 1024 * 1024
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(entry.size + 1024), 1))
    with pytest.raises(FetchFailed, match="too large"):
        unpack(packed, Unpack.TAR, "", DATABASES, tmp_path / "out")
