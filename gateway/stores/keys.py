"""Every key of buckets and leases in Redis is spelled here and nowhere else. Who else keeps something there spells its
own, under `tg:` and another letter: feeds, revocations, challenges (`gateway.challenges.fleet_calls`), notices.

`tg:q:{<tag>}<rest>`         hash: the buckets of one partition, one field a limit name
`tg:l:{<tag>}<rest>:<name>`  sorted set: who holds a slot of a concurrency limit, until when (ms)
`tg:x:{<tag>}`               sorted set: exchanges in flight that hold no slot, until when (ms)
`tg:b:{<tag>}`               sorted set: batches of debts that were posted, until when they are remembered (ms)
`tg:workers`                 sorted set: live workers, until when (ms)

What stands in the braces alone decides the slot in a Redis Cluster, so all of one tag can be had in one script.
Names come from callers (a model, an address): braces, controls and the escape itself are percent-encoded so that
nothing breaks out, and what is longer than `LONGEST` ends in a digest of the whole so that nothing grows without bound.
"""

from __future__ import annotations

import hashlib
import re
from binascii import crc_hqx
from typing import Final

from gateway.policy import Bucket

LONGEST: Final = 96
SLOTS: Final = 16384
WORKERS: Final = b"tg:workers"

_UNSAFE = re.compile(r"[\x00-\x20\x7f{}%*~:]")


def safe(text: str) -> str:
    """`text` fit for a key: one to one, and at most LONGEST characters. Empty is `*`, which nothing else becomes.

    An empty pair of braces would be no hash tag at all.
    """
    encoded = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", text)
    if len(encoded) <= LONGEST:
        return encoded or "*"
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
    # A cut escape would do no harm: the digest, after a `~` that nothing else has, tells names apart.
    return f"{encoded[: LONGEST - 41]}~{digest}"


def _name(bucket: Bucket) -> str:
    """Where the partition lives: `{<tag>}<rest>`."""
    rest = (
        bucket.partition.removeprefix(bucket.tag) if bucket.partition.startswith(bucket.tag) else f"|{bucket.partition}"
    )
    return f"{{{safe(bucket.tag)}}}{safe(rest) if rest else ''}"


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def hash_of(bucket: Bucket) -> bytes:
    """The hash of the bucket's partition."""
    return _encode(f"tg:q:{_name(bucket)}")


def field_of(bucket: Bucket) -> bytes:
    """The bucket's field in its hash."""
    return _encode(safe(bucket.limit.name))


def lease_of(bucket: Bucket) -> bytes:
    """The sorted set of a concurrency limit."""
    return _encode(f"tg:l:{_name(bucket)}:{safe(bucket.limit.name)}")


def marks_of(tag: str) -> bytes:
    """The sorted set of exchanges in flight that hold no slot."""
    return _encode(f"tg:x:{{{safe(tag)}}}")


def batches_of(tag: str) -> bytes:
    """The sorted set of debts posted."""
    return _encode(f"tg:b:{{{safe(tag)}}}")


def slot_of(tag: str) -> int:
    """The slot of a tag in a Redis Cluster: CRC16 (XMODEM) modulo 16384, as the Cluster specification says."""
    return slot_of_key(_encode(safe(tag)))


def slot_of_key(key: bytes) -> int:
    """The slot of a key without braces, or of what stands in them."""
    return crc_hqx(key, 0) % SLOTS
