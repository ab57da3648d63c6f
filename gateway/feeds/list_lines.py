"""Lines of a list -> its items in the form in which they are compared, and what is wrong with the others.

A comment begins with `#`, or `;` as in Spamhaus's lists. What follows a comma or a space is a remark, as in the CSV
files of others, unless it could be an item itself: two items in one line are an error, not one item. Ids of accounts
may hold `#`, `;` and more (`accounts.model.ACCOUNT_ID`): there a comment begins the line, or follows a space.
"""

from __future__ import annotations

import re
import socket
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.feeds.addresses import inside
from gateway.feeds.kinds import ListKind

T = TypeVar("T")

MAX_SHOWN = 80
"""Characters of a bad line that are kept."""
MAX_REJECTED = 1000
"""Bad lines that are kept with their text; the others are counted."""

_V4_BITS = 32
_V6_BITS = 128
_MAPPED = 0xFFFF << 32
_MAX_ASN = 2**32 - 1

_SEPARATOR = re.compile(r"[\s,;#]")
_ASN = re.compile(r"(?:AS)?([0-9]{1,10})", re.IGNORECASE | re.ASCII)
_ACCOUNT = re.compile(r"[!-+\-.-<>-z|~]{1,128}")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")

_PREFIXES = {str(bits): bits for bits in range(_V4_BITS + 1)}
_HOSTS = [(1 << (_V4_BITS - bits)) - 1 for bits in range(_V4_BITS + 1)]
"""Prefix length -> the bits that a network of it leaves to its hosts."""

COUNTRIES = frozenset(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
    "TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW".split()
)
"""ISO 3166-1 alpha-2, and XK, which the geo databases use for Kosovo."""


@dataclass(slots=True)
class Networks:
    """Ranges, not yet sorted: `start << bits | end`."""

    v4: list[int] = field(default_factory=list)
    v6: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Rejected:
    """Lines that are no items."""

    lines: list[tuple[int, str, str]] = field(default_factory=list)
    """Line number from 1, text, why: the first MAX_REJECTED."""
    count: int = 0

    def note(self, number: int, text: str, why: str) -> None:
        self.count += 1
        if len(self.lines) < MAX_REJECTED:
            self.lines.append((number, text.strip()[:MAX_SHOWN], why))


def read_networks(lines: Iterable[str], rejected: Rejected) -> Networks:
    """Addresses and networks. A loop of its own for plain v4, which is what long lists are made of."""
    found = Networks()
    pton, family, prefixes, hosts, add = socket.inet_pton, socket.AF_INET, _PREFIXES, _HOSTS, found.v4.append
    for number, line in enumerate(lines, 1):
        text = line.strip()
        address, slash, prefix = text.partition("/")
        try:
            start = int.from_bytes(pton(family, address), "big")
            host = hosts[prefixes[prefix]] if slash else 0
            if start & host or host == 0xFFFF_FFFF:
                raise ValueError(text)  # The slow way has the words for it.
            add(start << 32 | start | host)
        except (OSError, ValueError, KeyError):
            try:
                item = _item(text, number, _network)
                if item:
                    _add_network(found, item)
            except ValueError as error:
                rejected.note(number, line, str(error))
    return found


def read_asns(lines: Iterable[str], rejected: Rejected) -> array[int]:
    """AS64496 or 64496."""
    return array("I", sorted(set(_items(lines, rejected, asn))))


def read_texts(kind: ListKind, lines: Iterable[str], rejected: Rejected) -> Iterator[bytes]:
    """Countries, accounts, domains, as they are compared."""
    if kind is ListKind.ACCOUNTS:
        return _read_accounts(lines, rejected)
    return map(str.encode, _items(lines, rejected, domain if kind is ListKind.DOMAINS else country))


def asn(text: str) -> int:
    """Raises ValueError."""
    found = _ASN.fullmatch(text)
    if found is None or int(found[1]) > _MAX_ASN:
        raise ValueError("not the number of an autonomous system, such as AS64496")
    return int(found[1])


def country(text: str) -> str:
    """In upper case. Raises ValueError."""
    code = text.upper()
    if code not in COUNTRIES:
        hint = ": the United Kingdom is GB" if code == "UK" else ""
        raise ValueError(f"not an ISO 3166-1 alpha-2 country code, such as NO{hint}")
    return code


def domain(text: str) -> str:
    """In lower case and ASCII, without the root's dot. Raises ValueError."""
    if text[:1] in {".", "*", "@"}:
        raise ValueError("not a domain: write example.com, which stands for all below it, too")
    name = text.lower().removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError as error:
            raise ValueError("not a domain: it has no form in ASCII (IDNA)") from error
    if len(name) > 253 or not _DOMAIN.fullmatch(name):
        raise ValueError("not a domain, such as example.com")
    return name


def _read_accounts(lines: Iterable[str], rejected: Rejected) -> Iterator[bytes]:
    match = _ACCOUNT.fullmatch
    for number, line in enumerate(lines, 1):
        text = _bare(line, number)
        if not text or text[0] == "#":
            continue
        if match(text):
            yield text.encode()
            continue
        item, *rest = text.split(None, 1)
        if rest and rest[0][0] != "#":
            rejected.note(number, line, "two words: one id a line, and `#` before a remark")
        elif not match(item):
            rejected.note(number, line, "not an id of an account: it holds a character that none has, or is too long")
        else:
            yield item.encode()


def _items(lines: Iterable[str], rejected: Rejected, read: Callable[[str], T]) -> Iterator[T]:
    for number, line in enumerate(lines, 1):
        try:
            item = _item(line, number, read)
            if not item:
                continue
            found = read(item)
        except ValueError as error:
            rejected.note(number, line, str(error))
        else:
            yield found


def _bare(line: str, number: int) -> str:
    return (line.removeprefix("\ufeff") if number == 1 else line).strip()


def _item(line: str, number: int, read: Callable[[str], object]) -> str:
    """What stands before any remark; empty for a line without an item. Raises ValueError for two in one line."""
    text = _bare(line, number)
    cut = _SEPARATOR.search(text)
    if cut is None:
        return text
    item, rest = text[: cut.start()], text[cut.start() :].lstrip()
    if item and rest[0] not in "#;":
        second = _SEPARATOR.split(rest.lstrip(", \t"), maxsplit=1)[0]
        if second and _is_read(second, read):
            raise ValueError("two items in one line: write one a line, and `#` before a remark")
    return item


def _is_read(text: str, read: Callable[[str], object]) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _add_network(found: Networks, item: str) -> None:
    bits, start, end = _network(item)
    (found.v4 if bits == _V4_BITS else found.v6).append(start << bits | end)


def _network(item: str) -> tuple[int, int, int]:
    """Bits of the family, first and last address. Raises ValueError."""
    address, slash, prefix = item.partition("/")
    bits, number = _number(address)
    length = bits
    if slash:
        if not (prefix.isascii() and prefix.isdecimal() and len(prefix) <= 3 and int(prefix) <= bits):
            raise ValueError(f"`/{prefix}` is no length of a prefix from 1 to {bits}")
        length = int(prefix)
    host = (1 << (bits - length)) - 1
    if number & host:
        raise ValueError(f"has bits beyond its prefix of {length}: is it the address, or the network around it?")
    if bits == _V6_BITS:
        bits, number, length = _as_v4(number, length)
        host = (1 << (bits - length)) - 1
    if length == 0:
        raise ValueError("holds every address there is")
    return bits, number, number | host


def _as_v4(number: int, length: int) -> tuple[int, int, int]:
    """Mapped networks, and those of 6to4 that are a whole v4 network, as that: so they are looked up."""
    if length >= 96 and number & ~0xFFFF_FFFF == _MAPPED:
        return _V4_BITS, number & 0xFFFF_FFFF, length - 96
    if 16 < length <= 48 and number >> 112 == 0x2002:
        v4 = number >> 80 & 0xFFFF_FFFF
        # Of one that is not public, nothing is behind: it stays what it is.
        if inside(number) >= 0:
            return _V4_BITS, v4, length - 16
    return _V6_BITS, number, length


def _number(address: str) -> tuple[int, int]:
    for family, bits in ((socket.AF_INET, _V4_BITS), (socket.AF_INET6, _V6_BITS)):
        try:
            return bits, int.from_bytes(socket.inet_pton(family, address), "big")
        except (OSError, ValueError):
            continue
    raise ValueError("not an address or network, such as 192.0.2.0/24 or 2001:db8::/32")
