"""Addresses, bound once and shared among workers."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from gateway.edge.listener import address_of, bind, claim


def test_workers_share_what_the_supervisor_has_claimed() -> None:
    """A second process binds the same address, and a port of 0 is chosen once."""
    with claim("127.0.0.1:0") as first, bind(address_of(first)) as second:
        assert address_of(first) == address_of(second)


def test_an_address_that_somebody_has_is_not_claimed() -> None:
    """Two gateways on one port would each see some of the requests: that is said, not done."""
    with claim("127.0.0.1:0") as first, pytest.raises(OSError, match=address_of(first)) as raised:
        claim(address_of(first))
    assert raised.value.errno == errno.EADDRINUSE


def test_a_unix_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    """What a crash left in the file system does not keep the next start from its address."""
    address = f"unix:{tmp_path / 'gateway.sock'}"
    bind(address).close()
    with bind(address) as again:
        assert address_of(again) == address
