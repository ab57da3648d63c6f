"""Changes of accounts as people and their systems ask for them: functions of a `Writing`, each with its audit lines."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from gateway.accounts import one_time
from gateway.accounts.keys import MintedKey
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys, standing
from gateway.accounts.sql.database import Writing
from gateway.control.account_shapes import (
    AccountShape,
    EvidenceShape,
    FallShape,
    KeyShape,
    LinksShape,
    MoveShape,
    RotateShape,
    SignInShape,
)

ACTOR: Final = re.compile(r"[^A-Za-z0-9_.@+-]")
"""What does not go into the audit from a name that somebody states."""
LONGEST_ACTOR: Final = 64


def by(who: str, actor: str) -> str:
    """Who it was, for the audit: what a credential proved, and whom its bearer names. A name alone proves nothing, so
    it can never stand first.
    """
    named = ACTOR.sub("_", actor.strip())[:LONGEST_ACTOR]
    return f"{who}:{named}" if named else who


def create(writing: Writing, secrets: Secrets, asked: AccountShape) -> MintedKey | None:
    """The first key, where one was asked for. Raises Exists."""
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
    standing.add_evidence(
        writing, account, asked.kind,
        reference=asked.reference, obtained=_unix(asked.obtained) or 0.0, expires=_unix(asked.expires),
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


def add_links(writing: Writing, secrets: Secrets, account: str, asked: LinksShape) -> None:
    """Of what identifies, only keyed hashes are kept."""
    for link in asked.links:
        standing.add_link(writing, secrets, account, link.kind, link.value, asked.source)
    kinds = sorted({link.kind for link in asked.links})
    writing.audit("links.add", account, kinds=kinds, source=asked.source)


def sign_in_token(writing: Writing, secrets: Secrets, account: str, asked: SignInShape) -> tuple[str, float]:
    """A one-time token of the scope OWNER, and the Unix time of its end. Raises NoSuch."""
    accounts.row(writing.connection, account)
    ends = writing.now + asked.lasts
    writing.audit("link.make", account, scope=one_time.Scope.OWNER, ends=int(ends))
    return one_time.make(secrets, account, one_time.Scope.OWNER, ends), ends


def _unix(moment: dt.datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
