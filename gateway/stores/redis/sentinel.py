"""Which server is the master, by the word of the Sentinels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError

from gateway.stores.interface import StoreUnavailable
from gateway.stores.redis.link import Endpoint

ASK_TIMEOUT: Final = 0.5
"""Seconds for one Sentinel; the next is asked after it."""


def master_of(
    service: str, sentinels: tuple[tuple[str, int], ...], base: Endpoint
) -> tuple[Callable[[], Awaitable[Endpoint]], Callable[[], Awaitable[None]]]:
    """A function that asks who is master now, and one that ends its connections.

    The user and password of `base` are the data servers'; TLS is used for both, as a Sentinel's own is
    configured with the same settings. The first raises StoreUnavailable where no Sentinel knows.
    """
    settings: dict[str, Any] = {"socket_timeout": ASK_TIMEOUT, "socket_connect_timeout": ASK_TIMEOUT}
    if base.tls is not None:
        settings["ssl"] = True
    asker = Sentinel(list(sentinels), sentinel_kwargs=settings)  # type: ignore[no-untyped-call]

    async def resolve() -> Endpoint:
        try:
            host, port = await asker.discover_master(service)
        except (RedisError, OSError) as error:
            raise StoreUnavailable("down", f"no Sentinel knows the master of {service}: {error}") from error
        return base._replace(host=host, port=int(port))

    async def close() -> None:
        for client in asker.sentinels:
            await client.aclose()

    return resolve, close
