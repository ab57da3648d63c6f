"""From an address to a store."""

from __future__ import annotations

import ssl
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from gateway.stores.interface import LEASE_RENEWAL, LEASE_TTL
from gateway.stores.redis.call import Endpoint
from gateway.stores.redis.cluster import Cluster
from gateway.stores.redis.link import DEADLINE
from gateway.stores.redis.scripts import Scripts
from gateway.stores.redis.sentinel import master_of
from gateway.stores.redis.store import RedisStore
from gateway.stores.redis.topology import Single

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
FIRST_WAIT: Final = 1.0
"""Seconds given to the first connection. A gateway starts without Redis, and does what its policies say meanwhile."""


class Address(NamedTuple):
    """An address as written. `kind` is single, sentinel or cluster; `service` is Sentinel's name of the master."""

    kind: str
    hosts: tuple[tuple[str, int], ...]
    base: Endpoint
    service: str = ""


def parse(url: str) -> Address:
    """Read one of

    `redis://[user:password@]host[:port][/db]`, the same with `rediss://` for TLS, `unix:///path[?db=N]`,
    `redis+sentinel://[user:password@]host:port[,host:port…]/service[/db]`,
    `redis+cluster://[user:password@]host:port[,host:port…]`; `rediss+sentinel`, `rediss+cluster` for TLS.

    Raises ValueError, without the password in it.
    """
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    user, _, host_list = parts.netloc.rpartition("@")
    name, _, secret = user.partition(":")
    base = Endpoint(username=unquote(name), password=unquote(secret))
    if scheme == "unix" and not kind:
        return Address("single", (), base._replace(path=parts.path, db=_query_db(parts)))
    if scheme not in {"redis", "rediss"} or kind not in {"", "sentinel", "cluster"}:
        raise ValueError(f"not an address of a Redis: scheme {parts.scheme!r}")
    tls = ssl.create_default_context() if scheme == "rediss" else None
    base = base._replace(tls=tls)
    hosts = tuple(_host(item, SENTINEL_PORT if kind == "sentinel" else PORT) for item in host_list.split(","))
    path = [unquote(piece) for piece in parts.path.split("/") if piece]
    if kind == "cluster":
        if path:
            raise ValueError("a Redis Cluster has no numbered databases")
        return Address("cluster", hosts, base)
    service = ""
    if kind == "sentinel":
        if not path:
            raise ValueError("the address of a Sentinel names a service: redis+sentinel://host:26379/service")
        service = path.pop(0)
    elif len(hosts) > 1:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    db = _number(path[0]) if path else _query_db(parts)
    return Address(kind or "single", hosts, base._replace(host=hosts[0][0], port=hosts[0][1], db=db), service)


def _query_db(parts: SplitResult) -> int:
    return _number(parse_qs(parts.query).get("db", ["0"])[-1])


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"not the number of a database: {text!r}")
    return int(text)


def _host(item: str, port: int) -> tuple[str, int]:
    try:
        split = urlsplit(f"//{item}")
        return split.hostname or "127.0.0.1", split.port or port
    except ValueError as error:
        raise ValueError(f"not a host and port: {item!r}") from error


async def connect(
    url: str,
    *,
    deadline: float = DEADLINE,
    worker: str = "",
    lease_ttl: float = LEASE_TTL,
    lease_renewal: float = LEASE_RENEWAL,
    scripts: Scripts | None = None,
    first_wait: float = FIRST_WAIT,
) -> RedisStore:
    """A store on the running loop. It waits `first_wait` seconds for a first connection, and comes without one too.

    `deadline` in seconds, for each command. Raises ValueError for an address that cannot be read.
    """
    address = parse(url)
    scripts = scripts or Scripts()
    name = f"tidegate-{worker}" if worker else "tidegate"
    base = address.base

    async def fixed() -> Endpoint:
        return base

    topology: Single | Cluster
    if address.kind == "cluster":
        topology = Cluster(address.hosts, base, scripts, deadline=deadline, name=name)
    elif address.kind == "sentinel":
        resolve = master_of(address.service, address.hosts, base)
        topology = Single(resolve, scripts, deadline=deadline, name=name)
    else:
        topology = Single(fixed, scripts, deadline=deadline, name=name)
    store = RedisStore(topology, scripts, worker=worker, lease_ttl=lease_ttl, lease_renewal=lease_renewal)
    await topology.wait_ready(first_wait)
    return store
