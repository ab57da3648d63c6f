"""Changes of accounts as people and their systems ask for them: functions of a `Writing`, each with its audit lines."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts import one_time
from gateway.accounts.evidence import IDENTIFYING
from gateway.accounts.keys import MintedKey
from gateway.accounts.ladder import IdentityLimit
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, bursts, identities, keys, standing, tables, visits
from gateway.accounts.sql.database import Writing
from gateway.control.account_shapes import (
    AccountShape,
    EvidenceShape,
    FallShape,
    KeyShape,
    LinkShape,
    LinksShape,
    MemberShape,
    MoveShape,
    RotateShape,
    SignInShape,
)

ACTOR: Final = re.compile(r"[^A-Za-z0-9_.@+-]")
"""What does not go into the audit from a name that somebody states."""
LONGEST_ACTOR: Final = 64
MOST: Final = 1000
"""Accounts that share a link and are looked at: no limit is as high."""

PUBLIC_MAIL: Final = frozenset(
    "126.com 163.com aol.com duck.com fastmail.com gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com"
    " hey.com hotmail.co.uk hotmail.com hotmail.fr icloud.com laposte.net libero.it live.com mac.com mail.com mail.ru"
    " me.com msn.com naver.com orange.fr outlook.com outlook.de pm.me proton.me protonmail.com qq.com rediffmail.com"
    " seznam.cz sina.com t-online.de tutanota.com uol.com.br wanadoo.fr web.de wp.pl yahoo.co.in yahoo.co.jp"
    " yahoo.co.uk yahoo.com yahoo.de yahoo.fr yandex.ru ymail.com zoho.com".split()
)
"""Domains at which anybody has an address: that many sign up with one of them says nothing."""

Limits = Mapping[str, IdentityLimit]
"""Kind of link -> how many organisations one person may stand behind, as the ladder's file says."""


class Linked(NamedTuple):
    """What came of some links."""

    over: tuple[str, ...]
    """Kinds by which its owner stands behind more organisations than one may: the account fell for `identity`."""
    identity: tuple[str, ...]
    """The accounts that have the same people behind them now, this one among them."""


def by(who: str, actor: str) -> str:
    """Who it was, for the audit: what a credential proved, and whom its bearer names. A name alone proves nothing, so
    it can never stand first.
    """
    named = ACTOR.sub("_", actor.strip())[:LONGEST_ACTOR]
    return f"{who}:{named}" if named else who


def create(writing: Writing, secrets: Secrets, asked: AccountShape, limits: Limits) -> MintedKey | None:
    """With its links. The first key, where one was asked for. Raises Exists."""
    accounts.create(
        writing,
        accounts.NewAccount(
            id=asked.id,
            organisation=asked.organisation,
            name=asked.name,
            tier=asked.tier,
            created=_unix(asked.created) or 0.0,
            email_domain=asked.email_domain,
            signup_country=asked.signup_country,
            billing_country=asked.billing_country,
        ),
    )
    if asked.links:
        add_links(writing, secrets, asked.id, LinksShape(links=asked.links, source=asked.source), limits)
    if asked.email_domain:
        bursts.signup_burst(writing, asked.id, PUBLIC_MAIL)
    return create_key(writing, secrets, asked.id, asked.key) if asked.key is not None else None


def create_key(writing: Writing, secrets: Secrets, account: str, asked: KeyShape) -> MintedKey:
    """Raises NoSuch."""
    return keys.create(
        writing, secrets, account, asked.name,
        models=asked.models, features=asked.features, expires=_unix(asked.expires),
    )  # fmt: skip


def rotate_key(writing: Writing, secrets: Secrets, prefix: str, asked: RotateShape) -> MintedKey:
    """Raises NoSuch."""
    return keys.rotate(writing, secrets, prefix, asked.overlap)


def move(writing: Writing, account: str, asked: MoveShape) -> None:
    """Raises NoSuch. A tier that is assigned for good takes the place of an override, too."""
    tier = asked.tier
    if asked.lasts is not None and tier:
        accounts.override_tier(writing, account, tier, writing.now + asked.lasts, asked.reason)
        tier = None
    elif tier is not None:
        accounts.withdraw_override(writing, account, "tier")
    if tier is not None or asked.organisation is not None:
        accounts.move(writing, account, tier=tier, organisation=asked.organisation, reason=asked.reason)


def add_evidence(writing: Writing, account: str, asked: EvidenceShape) -> None:
    # What was obtained in the future would never end, and whatever is shown later would not count beside it.
    obtained = min(_unix(asked.obtained) or writing.now, writing.now)
    standing.add_evidence(
        writing, account, asked.kind,
        reference=asked.reference, obtained=obtained, expires=_unix(asked.expires),
    )  # fmt: skip
    writing.audit("evidence.reason", account, kind=asked.kind, reason=asked.reason)


def withdraw_evidence(writing: Writing, account: str, kind: str, reason: str) -> int:
    """How many. Raises NoSuch where there is no account, or nothing to withdraw."""
    accounts.row(writing.connection, account)
    done = standing.withdraw_evidence(writing, account, (kind,), reason)
    if not done:
        raise accounts.NoSuch(f"account `{account}` has no evidence of the kind `{kind}`")
    return done


def add_fall(writing: Writing, account: str, asked: FallShape) -> None:
    until = None if asked.lasts is None else writing.now + asked.lasts
    standing.add_fall(writing, account, asked.fall, asked.reason, until)


def clear_fall(writing: Writing, account: str, fall: str, reason: str) -> int:
    """How many. Raises NoSuch where there is no account, or nothing to clear."""
    accounts.row(writing.connection, account)
    done = standing.clear_falls(writing, account, fall, reason)
    if not done:
        raise accounts.NoSuch(f"account `{account}` has not fallen for `{fall}`")
    return done


def add_links(writing: Writing, secrets: Secrets, account: str, asked: LinksShape, limits: Limits) -> Linked:
    """Of what identifies, only keyed hashes are kept. Whoever brings a link over its limit falls; who had it before
    does not, however often it is said again.
    """
    accounts.ensure(writing, account)
    over = sorted({link.kind for link in asked.links if _is_over(writing, secrets, account, link, limits)})
    for link in asked.links:
        standing.add_link(writing, secrets, account, link.kind, link.value, asked.source)
    for kind in over:
        standing.add_fall(writing, account, "identity", f"{kind} of more organisations than one may have")
    kinds = {link.kind for link in asked.links}
    if kinds & set(IDENTIFYING):
        identities.regroup(writing, account)
    if bursts.SIGNUP in kinds:
        bursts.signup_burst(writing, account, PUBLIC_MAIL)
    return Linked(tuple(over), tuple(identities.same_identity(writing.connection, account)))


def _is_over(writing: Writing, secrets: Secrets, account: str, link: LinkShape, limits: Limits) -> bool:
    limit = limits.get(link.kind)
    if limit is None or account in standing.accounts_linked_by(writing.connection, secrets, link.kind, link.value):
        return False
    mine = accounts.row(writing.connection, account).organisation or ""
    others = identities.used_elsewhere(
        writing.connection, secrets, link.kind, link.value, mine, account, writing.now - limit.within
    )
    return _organisations(writing.connection, others[:MOST]) >= limit.organisations


def _organisations(connection: Connection, of: list[str]) -> int:
    """An account without one is one of its own."""
    table = tables.accounts
    found = sql.select(table.c.id, table.c.organisation).where(table.c.id.in_(of))
    return len({(row.organisation, "" if row.organisation else row.id) for row in connection.execute(found)})


def add_member(writing: Writing, secrets: Secrets, account: str, asked: MemberShape) -> None:
    """Raises NoSuch."""
    visits.add_member(writing, secrets, account, asked.address)


def sign_in_token(writing: Writing, secrets: Secrets, account: str, asked: SignInShape) -> tuple[str, float]:
    """A one-time token of the scope OWNER, and the Unix time of its end. Raises NoSuch."""
    accounts.row(writing.connection, account)
    ends = writing.now + asked.lasts
    writing.audit("link.make", account, scope=one_time.Scope.OWNER, ends=int(ends))
    return one_time.make(secrets, account, one_time.Scope.OWNER, ends), ends


def _unix(moment: dt.datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
