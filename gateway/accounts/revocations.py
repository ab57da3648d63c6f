"""Revocation for the whole fleet, through Redis: a key that is revoked stops within a second on every worker.

One hash, `tg:revoked`, holds everything: one read sees a whole, and a transaction stays in one slot of a Cluster.

    key:<prefix>     a revoked key
    account:<id>     a suspended account
    version          goes up with every change
    epoch            a random word, made with the first entry: it tells a hash that changed from one that was lost

A change is written, counted and published in one MULTI. Workers listen, and look at the version twice a second as
well, so a lost message costs half a second and no more. While Redis is away the last that was known stays in force.
When it comes back without its data, what the workers remember is written again: a revocation must not be forgotten.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from gateway.accounts.live_directory import LiveDirectory
from gateway.tasks import is_cancelled

HASH: Final = "tg:revoked"
CHANNEL: Final = "tg:revoked"

_KEY: Final = b"key:"
_ACCOUNT: Final = b"account:"
_VERSION: Final = b"version"
_EPOCH: Final = b"epoch"

_log = logging.getLogger(__name__)

State = tuple[bytes, bytes] | None
"""Epoch and version of the hash; None where there is none."""


async def revoke(redis: Redis, prefix: str) -> None:
    """Revoke the key with this public prefix, on all workers. After a RedisError nothing is certain: try again."""
    await _change(redis, {_KEY + prefix.encode(): b"1"})


async def suspend(redis: Redis, account: str) -> None:
    """Suspend an account, on all workers. As `revoke`."""
    await _change(redis, {_ACCOUNT + account.encode(): b"1"})


async def restore(redis: Redis, *, prefix: str = "", account: str = "") -> None:
    """Take back a revocation, a suspension, or both. What the accounts' file forbids stays forbidden."""
    gone = [_KEY + prefix.encode()] if prefix else []
    gone += [_ACCOUNT + account.encode()] if account else []
    await _change(redis, {}, gone)


async def _change(redis: Redis, entries: Mapping[bytes, bytes], gone: list[bytes] | None = None) -> None:
    async with redis.pipeline(transaction=True) as transaction:
        for name, value in entries.items():
            transaction.hset(HASH, name, value)
        if gone:
            transaction.hdel(HASH, *gone)
        transaction.hsetnx(HASH, _EPOCH, secrets.token_hex(8))
        transaction.hincrby(HASH, _VERSION, 1)
        if not isinstance(redis, RedisCluster):
            transaction.publish(CHANNEL, b"changed")
        await transaction.execute()


class RevocationWatcher:
    """Keeps a directory's revocations as the fleet has them. `run` is for a task of its own; it never gives up."""

    def __init__(self, redis: Redis, directory: LiveDirectory, interval: float = 0.5, timeout: float = 1.0) -> None:
        self._redis = redis
        self._directory = directory
        self._interval = interval
        self._timeout = timeout
        self._state: State = None
        self._revoked: dict[bytes, bytes] = {}
        self.available = True
        """Whether the last that was heard of Redis was an answer."""

    async def run(self) -> None:
        """Listen and look until cancelled. A connection that breaks is said once, and made again."""
        while not is_cancelled():
            try:
                if isinstance(self._redis, RedisCluster):
                    await self._poll()
                    continue
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    async with asyncio.timeout(self._timeout):
                        await pubsub.subscribe(CHANNEL)
                    await self._follow(pubsub)
            except (RedisError, RedisClusterException, OSError, TimeoutError, ValueError) as error:
                # redis-py does not count a Cluster of which no node answers among its RedisErrors.
                # ValueError: somebody has written nonsense into the hash. Nothing may end the following.
                self._note_outage(error)
                await asyncio.sleep(self._interval)

    async def _poll(self) -> None:
        """In a Cluster, where redis-py neither publishes in a transaction nor finds a channel's node before it is asked
        something else, looking has to do: half a second, as for a lost message.
        """
        while not is_cancelled():
            await self.look()
            await asyncio.sleep(self._interval)

    async def _follow(self, pubsub: PubSub) -> None:
        while not is_cancelled():
            await self.look()
            # The message only ends the wait: what it would say is read by look(), as is what came before we listened.
            # The bound is for redis-py, which tries long and silently to get a lost connection back.
            async with asyncio.timeout(self._interval + self._timeout):
                await pubsub.get_message(timeout=self._interval)

    async def look(self) -> bool:
        """Read everything if the version changed; whether it did. Raises RedisError, OSError, TimeoutError."""
        async with asyncio.timeout(self._timeout):
            state = _state(*await self._redis.hmget(HASH, [_EPOCH, _VERSION]))
            if state != self._state:
                await self._read()
                self._note_recovery()
                return True
        self._note_recovery()
        return False

    async def _read(self) -> None:
        found, state = await self._all()
        lost: dict[bytes, bytes] = {}
        if self._state is not None and _is_older(state, self._state):
            lost = {name: value for name, value in self._revoked.items() if name not in found}
        self._revoked = lost | found
        self._directory.overlay(_names(self._revoked, _KEY), _names(self._revoked, _ACCOUNT))
        if lost:
            _log.error("Redis has lost %d revocations: they stay in force, and are written again", len(lost))
            await _change(self._redis, lost)
            _, state = await self._all()
        # Last: where anything above fails, the next look does it again.
        self._state = state

    async def _all(self) -> tuple[dict[bytes, bytes], State]:
        answer = await self._redis.hgetall(HASH)
        found = {_bytes(name): _bytes(value) for name, value in answer.items()}
        return found, _state(found.pop(_EPOCH, None), found.pop(_VERSION, None))

    def _note_outage(self, error: BaseException) -> None:
        if self.available:
            self.available = False
            _log.warning(
                "revocations are not followed, the last known stay in force: %s", str(error) or type(error).__name__
            )

    def _note_recovery(self) -> None:
        if not self.available:
            self.available = True
            _log.warning("revocations are followed again")


def _is_older(state: State, known: tuple[bytes, bytes]) -> bool:
    """Whether the hash was lost (another epoch, or none), or is one from before what we know: a replica that took over
    without the last writes. Versions only go up, so it cannot be a change that somebody made.
    """
    return state is None or state[0] != known[0] or int(state[1]) < int(known[1])


def _state(epoch: Any, version: Any) -> State:
    return None if epoch is None or version is None else (_bytes(epoch), _bytes(version))


def _bytes(value: bytes | str) -> bytes:
    """What a client made with `decode_responses` gives, too."""
    return value.encode() if isinstance(value, str) else value


def _names(entries: Mapping[bytes, bytes], kind: bytes) -> frozenset[str]:
    return frozenset(name.removeprefix(kind).decode() for name in entries if name.startswith(kind))
