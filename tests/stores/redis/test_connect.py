"""Addresses as they are written."""

from __future__ import annotations

import pytest

from gateway.stores.redis.connect import parse


@pytest.mark.parametrize(
    ("url", "kind", "hosts", "service", "db"),
    [
        pytest.param("redis://h", "single", (("h", 6379),), "", 0, id="host"),
        pytest.param("redis://h:1/2", "single", (("h", 1),), "", 2, id="port and database"),
        pytest.param("redis://[::1]:1", "single", (("::1", 1),), "", 0, id="IPv6"),
        pytest.param("rediss://h", "single", (("h", 6379),), "", 0, id="TLS"),
        pytest.param("unix:///run/r.sock?db=3", "single", (), "", 3, id="unix"),
        pytest.param("redis+sentinel://a,b:2/main/1", "sentinel", (("a", 26379), ("b", 2)), "main", 1, id="sentinel"),
        pytest.param("redis+cluster://a:1,b:2", "cluster", (("a", 1), ("b", 2)), "", 0, id="cluster"),
    ],
)
def test_parse(url: str, kind: str, hosts: tuple[tuple[str, int], ...], service: str, db: int) -> None:
    """Each form says where Redis is."""
    address = parse(url)
    assert (address.kind, address.hosts, address.service, address.base.db) == (kind, hosts, service, db)
    assert (address.base.tls is not None) == url.startswith("rediss")


def test_credentials() -> None:
    """User and password may hold what an address may not."""
    base = parse("redis://us%40er:p%2Fw@h").base
    assert (base.username, base.password) == ("us@er", "p/w")


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "redis+x://h",
        "redis://a,b",
        "redis://h/x",
        "redis+sentinel://h",
        "redis+cluster://h/1",
        "redis://h:x",
    ],
)
def test_refused(url: str) -> None:
    """What cannot be read is a ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        parse(url)
