"""redis-py clients, for what is off the hot path: revocations, pub/sub, the command line, threads."""

from __future__ import annotations

from typing import Any, Final

import redis
import redis.cluster
import redis.sentinel
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.stores.redis.connect import Address, parse

BLOCKING_TIMEOUT: Final = 0.5
"""Seconds."""


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


def blocking(url: str, timeout: float = BLOCKING_TIMEOUT) -> Any:
    """The same for threads: so many seconds for a connection, as many for an answer, and a second try. Raises
    ValueError for an address that cannot be read; for a Cluster it asks for the nodes, and raises what comes of that.
    """
    address = parse(url)
    waits = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    options = _options(address) | waits | {"retry": Retry(NoBackoff(), 1)}
    if address.kind == "sentinel":
        sentinels = redis.sentinel.Sentinel(list(address.hosts), **waits)  # type: ignore[no-untyped-call]
        return sentinels.master_for(address.service, db=address.base.db, **options)  # type: ignore[no-untyped-call]
    if address.kind == "cluster":
        nodes = [redis.cluster.ClusterNode(*host) for host in address.hosts]  # type: ignore[no-untyped-call]
        return redis.cluster.RedisCluster(startup_nodes=nodes, **options)
    if address.base.path:
        return redis.Redis(unix_socket_path=address.base.path, db=address.base.db, **options)
    return redis.Redis(host=address.base.host, port=address.base.port, db=address.base.db, **options)


def _options(address: Address) -> dict[str, Any]:
    options: dict[str, Any] = {"socket_timeout": 5.0, "socket_connect_timeout": 1.0}
    if address.base.username:
        options["username"] = address.base.username
    if address.base.password:
        options["password"] = address.base.password
    if address.base.tls is not None:
        options["ssl"] = True
    return options
