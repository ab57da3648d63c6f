"""What the value of a variable can be, where that is known: a comparison with anything else is a mistake."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from gateway import dialects
from gateway.accounts.evidence import FALLS, KINDS
from gateway.accounts.model import Feature
from gateway.dialects import anthropic, openai
from gateway.policy import NetworkKind
from gateway.wire.request_head import METHODS

_COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
    KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT
    MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG
    UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()
)
"""ISO 3166-1 alpha-2, officially assigned."""
_RESERVED = re.compile(r"AA|Q[M-Z]|X[A-Z]|ZZ|AP|EU")
"""User-assigned codes (Kosovo is XK in every database), and two that geo databases use for regions."""
_NO_COUNTRY = {"UK": "GB", "EL": "GR", "NK": "KP", "SU": "RU", "YU": "RS", "TP": "TL", "BU": "MM", "DD": "DE"}
"""Codes that people write, and those that are meant."""

_DOMAIN = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`complaint(value)` says why no value can ever be that; empty where one can. The empty value always can."""

    complaint: Callable[[object], str]
    words: tuple[str, ...] = ()
    """All that there are, where they are few."""


def _of(what: str, words: tuple[str, ...]) -> Vocabulary:
    known = frozenset(words)

    def complaint(value: object) -> str:
        if not isinstance(value, str) or value in known or not value:
            return ""
        folded = {word.lower(): word for word in words}
        near = difflib.get_close_matches(value.lower().replace("-", "_"), folded, n=1, cutoff=0.6)
        hint = f"did you mean `{folded[near[0]]}`?" if near else f"there are {', '.join(words)}"
        return f'there is no {what} "{value}": {hint}'

    return Vocabulary(complaint, words)


def _between(what: str, low: int, high: int, hint: str) -> Vocabulary:
    def complaint(value: object) -> str:
        return "" if isinstance(value, int) and low <= value <= high else f"{what} is never {value}: {hint}"

    return Vocabulary(complaint)


def _country(value: object) -> str:
    if not isinstance(value, str) or not value or value in _COUNTRIES or _RESERVED.fullmatch(value):
        return ""
    upper = value.upper()
    if upper in _NO_COUNTRY:
        return f'no country has the code "{value}": did you mean `{_NO_COUNTRY[upper]}`?'
    if upper in _COUNTRIES:
        return f'a country is two capital letters: did you mean `{upper}`, not "{value}"?'
    if len(value) == 2:
        return f'no country has the code "{value}" (ISO 3166-1 alpha-2)'
    return f'a country is its two-letter code (ISO 3166-1 alpha-2), such as NO, not "{value}"'


def _domain(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isascii() or _DOMAIN.fullmatch(value):
        return ""
    hint = value.rpartition("@")[2].strip().lower()
    meant = f": did you mean `{hint}`?" if _DOMAIN.fullmatch(hint) else ""
    return f'a domain is in lower case and without `@`, not "{value}"{meant}'


def _date(value: object) -> str:
    if not isinstance(value, str) or _DATE.fullmatch(value):
        return ""
    return f'a date is written as 2026-11-22, not "{value}"'


COUNTRY = Vocabulary(_country)
DOMAIN = Vocabulary(_domain)
DATE = Vocabulary(_date)
HOUR = _between("time.hour", 0, 23, "it is 0 to 23")
WEEKDAY = _between("time.weekday", 1, 7, "it is 1 (Monday) to 7 (Sunday)")
EVIDENCE = _of("kind of evidence", tuple(KINDS))
FALL = _of("reason to fall", tuple(FALLS))
FEATURE = _of("feature", get_args(Feature))
NETWORK_KIND = _of("network kind", tuple(NetworkKind))
DIALECT = _of("dialect", (dialects.OPENAI.name, dialects.ANTHROPIC.name))
ROUTE = _of("route", (*sorted({*openai.ROUTES.values(), *anthropic.ROUTES.values()}), "other"))
METHOD = _of("method", tuple(sorted(method.decode() for method in METHODS)))
