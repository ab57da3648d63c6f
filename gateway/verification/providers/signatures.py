"""Whether a webhook comes from whom it says: what the six providers share, with what differs as arguments.

Of every signature all expectations are compared, each in constant time, and none ends the comparison early: how long it
takes says nothing of which secret, or how much of one, was right. The time is looked at after the signature, so that
`too_old` is said only of what the provider really sent. OWASP, "Webhook security"; docs.stripe.com/webhooks/signature.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway.verification.provider import Rejected

WINDOW: Final = 300.0
"""Seconds that a time may lie before or after ours: docs.stripe.com/webhooks, docs.didit.me/integration/webhooks."""
LONGEST_FIELD: Final = 4096
MOST_SIGNATURES: Final = 8
"""In one field: one for each secret of a rotation, and then some."""

_HEX: Final[Mapping[str, re.Pattern[str]]] = {
    "sha256": re.compile(r"[0-9a-fA-F]{64}"),
    "sha512": re.compile(r"[0-9a-fA-F]{128}"),
}
"""The algorithms that there are for us, and what a digest of each looks like."""
_UNIX: Final = re.compile(r"[0-9]{1,12}")


def field(fields: Mapping[str, str], name: str) -> str:
    """The field of a signature. Raises Rejected where there is none."""
    value = fields.get(name, "").strip()
    if not value:
        raise Rejected("missing_signature", name)
    if len(value) > LONGEST_FIELD:
        raise Rejected("malformed_signature", name)
    return value


def digests(secrets: Sequence[bytes], content: bytes, algorithm: str = "sha256") -> list[str]:
    """Hex HMACs of the content, one a secret."""
    return [hmac.digest(secret, content, algorithm).hex() for secret in secrets]


def check(given: Iterable[str], expected: Sequence[str]) -> None:
    """Raises Rejected unless one that was given is one that was expected; looks at all of them in any case."""
    matches = [hmac.compare_digest(one.lower().encode(), other.encode()) for one in given for other in expected]
    if not any(matches):
        raise Rejected("wrong_signature")


def check_plain(value: str, expected: Sequence[str], algorithm: str = "sha256") -> None:
    """A field that is one hex digest and nothing else."""
    if not _HEX[algorithm].fullmatch(value):
        raise Rejected("malformed_signature")
    check([value], expected)


def check_stamped(value: str, body: bytes, secrets: Sequence[bytes], now: float, sets: int = 1) -> float:
    """`t=UNIX,v1=HEX[,v1=HEX]` over `UNIX.body`; `sets` of it may stand there, with a space between. Returns the time.

    Other schemes, such as Stripe's `v0` of test mode, are no signatures for us.
    """
    parts = value.split()
    if not 1 <= len(parts) <= sets:
        raise Rejected("malformed_signature")
    stamps = [_stamped(part) for part in parts]
    good = []
    for stamp, given in stamps:
        expected = digests(secrets, stamp.encode() + b"." + body)
        for one in given:
            good += [(stamp, hmac.compare_digest(one.lower().encode(), other.encode())) for other in expected]
    valid = [float(stamp) for stamp, matches in good if matches]
    if not valid:
        raise Rejected("wrong_signature")
    check_time(max(valid), now)
    return max(valid)


def _stamped(part: str) -> tuple[str, list[str]]:
    stamp, given, others = "", [], 0
    for pair in part.split(","):
        name, equals, value = pair.strip().partition("=")
        if not equals or (name == "t" and stamp):
            raise Rejected("malformed_signature")
        if name == "t":
            stamp = value
        elif name == "v1":
            given.append(value)
        else:
            others += 1
    if not _UNIX.fullmatch(stamp) or len(given) > MOST_SIGNATURES:
        raise Rejected("malformed_signature")
    if not given:
        raise Rejected("unsupported_algorithm" if others else "malformed_signature")
    if not all(_HEX["sha256"].fullmatch(one) for one in given):
        raise Rejected("malformed_signature")
    return stamp, given


def stamp(value: str) -> float:
    """Unix time in a field of its own."""
    if not _UNIX.fullmatch(value):
        raise Rejected("malformed_signature")
    return float(value)


def check_time(at: float, now: float) -> None:
    """Both ways: what is from the future was not sent by a clock that we believe."""
    if at < now - WINDOW:
        raise Rejected("too_old")
    if at > now + WINDOW:
        raise Rejected("from_the_future")
