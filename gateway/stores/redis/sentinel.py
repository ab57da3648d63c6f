"""Which server is the master, by the word of the Sentinels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError

from gateway.stores.interface import StoreUnavailable
from gateway.stores.redis.call import Endpoint

ASK_TIMEOUT: Final = 0.3
"""Seconds for one Sentinel; the next is asked after it."""


def master_of(
    service: str, sentinels: tuple[tuple[str, int], ...], base: Endpoint
) -> Callable[[], Awaitable[Endpoint]]:
    """A function that asks who is master now. It raises StoreUnavailable where no Sentinel knows.

    The user and password of `base` are the data servers'. TLS is used for both or for none.
    """
    settings: dict[str, Any] = {"socket_timeout": ASK_TIMEOUT, "socket_connect_timeout": ASK_TIMEOUT}
    if base.tls is not None:
        settings["ssl"] = True

    async def resolve() -> Endpoint:
        asker = Sentinel(list(sentinels), sentinel_kwargs=settings)  # type: ignore[no-untyped-call]
        try:
            host, port = await asker.discover_master(service)
        except (RedisError, OSError) as error:
            raise StoreUnavailable("down", f"no Sentinel knows the master of {service}: {error}") from error
        finally:
            for client in asker.sentinels:
                await client.aclose()
        return base._replace(host=host, port=int(port))

    return resolve
