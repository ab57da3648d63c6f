"""Sockets to listen on, and TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.edge.edge import Edge

BACKLOG = 4096


def bind(address: str, *, shared: bool = True) -> socket.socket:
    """A socket bound to HOST:PORT or unix:/path, not listening yet. Raises OSError where it cannot be.

    Several processes may bind a shared TCP address, and the kernel gives connections out among those that listen
    (SO_REUSEPORT).
    """
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        bound.bind(str(path))
        return bound
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        bound.bind((host, int(port)))
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"{address}: {error.strerror}") from error
    return bound


def claim(address: str) -> socket.socket:
    """As `bind`, for the first of those who will share an address: refused where somebody else has it already."""
    if address.startswith("unix:"):
        return bind(address)
    with bind(address, shared=False) as probe:
        address = address_of(probe)
    claimed = bind(address)
    # From here on only who shares the port may have it: SO_REUSEADDR on both sides would let a second probe pass, since
    # this socket never listens.
    claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return claimed


def address_of(bound: socket.socket) -> str:
    """As it is written in a configuration."""
    name = bound.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and newer, HTTP/1.1. Raises OSError or ssl.SSLError where a file is not what it should be."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def listen(edge: Edge, bound: socket.socket, tls: ssl.SSLContext | None = None) -> asyncio.Server:
    """Accept connections for the edge."""
    loop = asyncio.get_running_loop()
    # Until it has shaken hands a connection is not the edge's, so its time is said here.
    patience = edge.settings.head_timeout if tls else None
    create = loop.create_unix_server if bound.family == socket.AF_UNIX else loop.create_server
    return await create(edge.connection, sock=bound, backlog=BACKLOG, ssl=tls, ssl_handshake_timeout=patience)
