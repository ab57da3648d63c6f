"""Ids that we mint: an id of a tool call tells for which account it was made, to us alone.

A conversation that a relay moves to another account takes the ids of its tool calls along. Upstream ids say nothing
(one public set of agents' conversations has 134 different ones among 1,164 calls), so the tail of each is replaced by
one of the same length and look:

    what of the upstream's tail is longer | 19 characters: seal (4 bytes) and, hidden by it, tag (4), hour (2), salt (4)

Nothing is kept anywhere: the seal is a keyed hash of what it hides, so nobody can make one, or see whose it is.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SIZE: Final = 19
"""Characters: 62^19 is just more than 2^112, the 14 bytes that stand in them."""
LONGEST: Final = 128
"""Characters of an id that is looked at."""
LIVES: Final = 24
"""Hours for which an id tells anything: what is older may have been published since."""
ACCOUNTS_AT_MOST: Final = 65_536

_PAIRS: Final = tuple(one + other for one in DIGITS for other in DIGITS)
"""Of two digits, by their value: an id is spelled in half as many steps."""
_VALUE: Final = {digit: value for value, digit in enumerate(DIGITS)}
_SIZES: Final = {b"tag": 4, b"salt": 4, b"seal": 4, b"hide": 10}
"""What is hashed for what, and to how many bytes."""
_TWO: Final = 62**2
_SIX: Final = 62**6
_HOURS: Final = 65_536
"""Seven years: an id that was published is never taken for a young one again."""


class Read(NamedTuple):
    """What an id of ours says."""

    tag: str
    """Of the account for which it was made."""
    age: int
    """Hours, modulo 65,536."""


class Mint:
    """By a key that the whole fleet has."""

    def __init__(self, key: bytes) -> None:
        self._begun = {
            purpose: hashlib.blake2b(digest_size=size, key=key, person=purpose) for purpose, size in _SIZES.items()
        }
        self._tag = lru_cache(maxsize=ACCOUNTS_AT_MOST)(self._make_tag)

    def tag(self, account: str) -> str:
        """8 hex digits: a keyed hash of the account's id."""
        return self._tag(account).hex()

    def mint(self, given: str, account: str, exchange: str, now: float) -> str:
        """The id to answer with in place of `given`: of its length. `given` itself where that is too short to hold one.

        The same for the same exchange: an id may stand in an answer more than once.
        """
        head, tail = _parts(given)
        if len(tail) < SIZE:
            return given
        salt = self._hash(b"salt", f"{exchange} {given}".encode("utf-8", "surrogatepass"))
        hidden = self._tag(account) + (int(now // 3600) % _HOURS).to_bytes(2, "big") + salt
        seal = self._hash(b"seal", hidden)
        return head + tail[:-SIZE] + _spelled(seal + _mixed(hidden, self._hash(b"hide", seal)))

    def read(self, presented: str, now: float) -> Read | None:
        """None for an id that is not ours."""
        if not SIZE <= len(presented) <= LONGEST:
            return None
        number = _number(presented[-SIZE:])
        if number is None:
            return None
        content = number.to_bytes(14, "big")
        seal, hidden = content[:4], _mixed(content[4:], self._hash(b"hide", content[:4]))
        if self._hash(b"seal", hidden) != seal:
            return None
        return Read(hidden[:4].hex(), (int(now // 3600) - int.from_bytes(hidden[4:6], "big")) % _HOURS)

    def wandered(self, presented: str, account: str, now: float) -> str:
        """The tag of another account, for which a young id was made; empty for all other ids."""
        found = self.read(presented, now)
        return found.tag if found is not None and found.age <= LIVES and found.tag != self.tag(account) else ""

    def _make_tag(self, account: str) -> bytes:
        return self._hash(b"tag", account.encode("utf-8", "surrogatepass"))

    def _hash(self, purpose: bytes, content: bytes) -> bytes:
        begun = self._begun[purpose].copy()
        begun.update(content)
        return begun.digest()


def _parts(given: str) -> tuple[str, str]:
    """Head, with its last `_` or `-`, and tail, of which we may have the end: `toolu_01` keeps its version's digits."""
    cut = max(given.rfind("_"), given.rfind("-")) + 1
    tail = given[cut:]
    return (given[:cut], tail) if tail.isascii() and tail.isalnum() and len(given) <= LONGEST else (given, "")


def _mixed(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")


def _spelled(content: bytes) -> str:
    number = int.from_bytes(content, "big")
    # Six digits at a time are small numbers again; what is left is the first one.
    number, last = divmod(number, _SIX)
    number, middle = divmod(number, _SIX)
    first, high = divmod(number, _SIX)
    pairs = [DIGITS[first]]
    for six in (high, middle, last):
        rest, third = divmod(six, _TWO)
        one, two = divmod(rest, _TWO)
        pairs += (_PAIRS[one], _PAIRS[two], _PAIRS[third])
    return "".join(pairs)


def _number(text: str) -> int | None:
    """None where it is not one of 14 bytes in our digits."""
    number = 0
    for digit in text:
        value = _VALUE.get(digit)
        if value is None:
            return None
        number = number * 62 + value
    return number if number < 1 << 112 else None
