"""Shared state in Redis or Valkey: `connect(url)` gives a `RedisStore`.

link      one multiplexed connection       store     the three verbs, what is held, what is owed
plan      commands said once per account   topology  standalone and Sentinel; cluster: a link a node
scripts   the Lua of `gateway/stores/lua`  joint     one take in several slots of a Cluster
"""

from __future__ import annotations

from gateway.stores.redis.connect import connect
from gateway.stores.redis.store import RedisStore

__all__ = ["RedisStore", "connect"]
