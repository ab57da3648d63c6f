"""Who asks for a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.edge.connection import ClientConnection


def wants_websocket(client: ClientConnection, body: bytes) -> bool:
    """RFC 6455 section 4.2.1: a GET of HTTP/1.1 without content. Other upgrades are not passed on."""
    return (
        client.method == b"GET"
        and client.version == b"1.1"
        and not body
        and client.fields.get(b"upgrade", b"").lower() == b"websocket"
    )
