"""redis-py clients, for what is off the hot path: revocations, pub/sub, the command line."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.sentinel import Sentinel

from gateway.stores.redis.connect import Address, parse


def client(url: str) -> Any:
    """A `redis.asyncio` client for an address as `connect` reads it. Raises ValueError for one that cannot be read."""
    address = parse(url)
    options = _options(address)
    if address.kind == "sentinel":
        sentinels = Sentinel(list(address.hosts), socket_timeout=1.0)  # type: ignore[no-untyped-call]
        return sentinels.master_for(address.service, db=address.base.db, **options)
    if address.kind == "cluster":
        return RedisCluster(startup_nodes=[ClusterNode(*host) for host in address.hosts], **options)
    if address.base.path:
        return Redis(unix_socket_path=address.base.path, db=address.base.db, **options)
    return Redis(host=address.base.host, port=address.base.port, db=address.base.db, **options)


def _options(address: Address) -> dict[str, Any]:
    options: dict[str, Any] = {"socket_timeout": 5.0, "socket_connect_timeout": 1.0}
    if address.base.username:
        options["username"] = address.base.username
    if address.base.password:
        options["password"] = address.base.password
    if address.base.tls is not None:
        options["ssl"] = True
    return options
