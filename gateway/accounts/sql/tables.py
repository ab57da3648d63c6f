"""The tables. Times are Unix seconds. What identifies a person stands here as a keyed hash, or not at all.

`migrations/` makes them; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sql

metadata: Final = sql.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sql.String(128)
Word = sql.String(64)
Text = sql.Text
Time = sql.Double
Number: Final = sql.BigInteger().with_variant(sql.Integer, "sqlite")
"""SQLite counts only INTEGER keys up by itself."""


def _moment(name: str) -> sql.Column[float]:
    """A time that need not be."""
    return sql.Column(name, Time, nullable=True)


def _word(name: str) -> sql.Column[str]:
    return sql.Column(name, Text, nullable=False, server_default="")


def _count(name: str) -> sql.Column[int]:
    return sql.Column(name, sql.Integer, nullable=False, server_default="0")


def _list(name: str) -> sql.Column[str]:
    """JSON."""
    return sql.Column(name, Text, nullable=False, server_default="[]")


def _account(*, index: bool = True) -> sql.Column[str]:
    return sql.Column("account", Id, sql.ForeignKey("accounts.id"), nullable=False, index=index)


organisations = sql.Table(
    "organisations",
    metadata,
    sql.Column("id", Id, primary_key=True),
    _word("name"),
    sql.Column("suspended", sql.Boolean, nullable=False, server_default=sql.false()),
    sql.Column("created", Time, nullable=False),
)

accounts = sql.Table(
    "accounts",
    metadata,
    sql.Column("id", Id, primary_key=True),
    sql.Column("organisation", Id, sql.ForeignKey("organisations.id"), nullable=True, index=True),
    _word("name"),
    _word("tier"),  # Assigned by somebody; empty where evidence decides.
    sql.Column("suspended", sql.Boolean, nullable=False, server_default=sql.false()),
    _word("suspended_for"),
    sql.Column("created", Time, nullable=False),
    _word("email_domain"),
    _word("signup_country"),
    _word("billing_country"),
    _moment("erased"),
    _word("identity"),  # Accounts with the same have the same people behind them; empty: its own.
    sql.Column("signup_burst", sql.Integer, nullable=False, server_default="0"),
    sql.Index("ix_accounts_identity", "identity"),
    sql.Index("ix_accounts_email_domain_created", "email_domain", "created"),
)

members = sql.Table(
    "members",  # People who may sign in, by the keyed hash of their address.
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    _account(),
    sql.Column("secret", Word, nullable=False),
    sql.Column("digest", sql.LargeBinary, nullable=False, index=True),
    sql.Column("role", Word, nullable=False, server_default="owner"),
    sql.Column("created", Time, nullable=False),
    sql.UniqueConstraint("account", "digest"),
)

keys = sql.Table(
    "keys",
    metadata,
    sql.Column("prefix", Word, primary_key=True),
    _account(),
    sql.Column("name", Text, nullable=False),
    sql.Column("digest", sql.LargeBinary, nullable=False),
    sql.Column("pepper", Word, nullable=False),
    sql.Column("models", Text, nullable=False, server_default="[]"),  # JSON; empty: all.
    sql.Column("features", Text, nullable=False, server_default="[]"),
    sql.Column("created", Time, nullable=False),
    _moment("expires"),
    _moment("revoked"),
    _word("replaces"),  # The prefix of the key that it took over from.
)

evidence = sql.Table(
    "evidence",
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    _account(),
    sql.Column("kind", Word, nullable=False),
    _word("provider"),  # Empty where the operator's own systems have said so.
    _word("reference"),  # The provider's session.
    sql.Column("obtained", Time, nullable=False),
    _moment("expires"),
    _moment("withdrawn"),
    _word("why"),
    _word("by"),
)

falls = sql.Table(
    "falls",
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    _account(),
    sql.Column("reason", Word, nullable=False),
    _word("note"),
    _word("by"),
    sql.Column("at", Time, nullable=False),
    _moment("until"),
    _moment("cleared"),
)

overrides = sql.Table(
    "overrides",  # What somebody has set for one account, for a while.
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    _account(),
    sql.Column("name", Word, nullable=False),  # `tier`
    sql.Column("value", Text, nullable=False),
    _word("reason"),
    _word("by"),
    sql.Column("created", Time, nullable=False),
    _moment("expires"),
    _moment("withdrawn"),
)

limit_overrides = sql.Table(
    "limit_overrides",  # What operators set beside the limits of the rules, live (`gateway.overrides`).
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    sql.Column("limit", Text, nullable=False),  # A name, or `*`.
    sql.Column("scope", Text, nullable=False),  # JSON, with its members in order: the same scope is the same text.
    sql.Column("change", Text, nullable=False),  # JSON: kind and numbers.
    _word("reason"),
    _word("by"),
    sql.Column("created", Time, nullable=False),  # Of its last change.
    _moment("expires"),
    sql.Column("revision", Number, nullable=False),  # The row of override_changes that made it what it is.
    _moment("withdrawn"),
    sql.Index("ix_limit_overrides_limit_scope", "limit", "scope"),
)

override_changes = sql.Table(
    "override_changes",  # What was done to overrides: history, undo, and one number that only grows.
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    sql.Column("override", Number, nullable=False, index=True),
    sql.Column("at", Time, nullable=False),
    sql.Column("who", Text, nullable=False),
    sql.Column("did", Word, nullable=False),  # set, change, withdraw, undo
    _word("reason"),
    sql.Column("before", Text, nullable=False, server_default=""),  # JSON of the row; empty where there was none.
    sql.Column("after", Text, nullable=False, server_default=""),
)

operators = sql.Table(
    "operators",  # Tokens for the admin API: people and programs that look and change.
    metadata,
    sql.Column("id", Word, primary_key=True),  # The token's public part.
    sql.Column("name", Text, nullable=False),
    sql.Column("role", Word, nullable=False),
    sql.Column("secret", Word, nullable=False),  # Which secret of the directory its digest was made with.
    sql.Column("digest", sql.LargeBinary, nullable=False),
    sql.Column("created", Time, nullable=False),
    _word("by"),
    _moment("expires"),
    _moment("revoked"),
    _moment("used"),  # To the minute.
)

links = sql.Table(
    "links",  # What two accounts may have in common, as keyed hashes.
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    _account(),
    sql.Column("kind", Word, nullable=False),
    sql.Column("secret", Word, nullable=False),
    sql.Column("digest", sql.LargeBinary, nullable=False),
    sql.Column("seen", Time, nullable=False),
    _word("source"),
    sql.UniqueConstraint("account", "kind", "digest"),
    sql.Index("ix_links_kind_digest", "kind", "digest"),
)

verifications = sql.Table(
    "verifications",  # One session with a provider.
    metadata,
    sql.Column("id", Word, primary_key=True),
    _account(),
    sql.Column("provider", Word, nullable=False),
    sql.Column("kinds", Text, nullable=False),  # JSON: the evidence that it is to give.
    sql.Column("state", Word, nullable=False),
    _word("reference"),  # The provider's own id of it.
    _word("reason"),  # Why it is in that state: a code.
    sql.Column("created", Time, nullable=False),
    sql.Column("updated", Time, nullable=False),
    sql.Column("stated", Time, nullable=False, server_default="0"),  # By the provider's clock: of the latest news.
    sql.Index("ix_verifications_provider_reference", "provider", "reference"),
)

inbox = sql.Table(
    "inbox",  # What providers have told us, before it is acknowledged. Never their content: what was read of it.
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    sql.Column("provider", Word, nullable=False),
    sql.Column("event", Text, nullable=False),  # The provider's id of it; its hash where there is none.
    sql.Column("digest", sql.LargeBinary, nullable=False),  # SHA-256 of the content.
    _word("kind"),
    _word("state"),
    _word("reference"),
    sql.Column("stated", Time, nullable=False, server_default="0"),
    sql.Column("received", Time, nullable=False),
    sql.Column("attempts", sql.Integer, nullable=False, server_default="0"),
    sql.Column("due", Time, nullable=True, index=True),  # When it is worked off next; null when done or dead.
    _moment("done"),
    _moment("dead"),
    _word("outcome"),  # What came of it, or why not: a code and a word.
    sql.UniqueConstraint("provider", "event"),
)

reviews = sql.Table(
    "reviews",  # What people decide: verifications of the provider `manual`, and appeals.
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    _account(),
    sql.Column("subject", Word, nullable=False),  # `verification` or `appeal`
    _word("verification"),
    _word("statement"),  # What the owner has written.
    sql.Column("state", Word, nullable=False, index=True),  # open, seconded, approved, declined
    sql.Column("opened", Time, nullable=False),
    _word("first"),  # Who decided.
    _moment("first_at"),
    _word("second"),  # Whose the second pair of eyes was.
    _moment("second_at"),
    _word("reason"),
)

spent = sql.Table(
    "spent",  # One-time links that were used.
    metadata,
    sql.Column("mark", Word, primary_key=True),
    sql.Column("expires", Time, nullable=False, index=True),
)

sessions = sql.Table(
    "sessions",  # Of account owners in a browser.
    metadata,
    sql.Column("digest", sql.LargeBinary, primary_key=True),
    _account(),
    sql.Column("scope", Word, nullable=False),
    _word("key"),  # The prefix of the key that was shown, where one was.
    sql.Column("created", Time, nullable=False),
    sql.Column("expires", Time, nullable=False, index=True),
)

cases = sql.Table(
    "cases",  # Clusters as the detector told of them last, and what people decided (`gateway.accounts.sql.cases`).
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    sql.Column("cluster", Word, nullable=False),
    sql.Column("state", Word, nullable=False),  # open, approved, rejected, merged, closed
    sql.Column("opened", Time, nullable=False),
    sql.Column("updated", Time, nullable=False),  # By the detector.
    sql.Column("began", Time, nullable=False),
    _count("accounts"),
    sql.Column("exchanges", sql.BigInteger, nullable=False, server_default="0"),
    sql.Column("score", sql.Double, nullable=False),
    _count("most"),  # A level.
    _list("families"),
    _list("evidence"),
    _list("marks"),
    _list("edges"),
    _list("timeline"),
    _list("models"),
    _list("countries"),
    sql.Column("false_alarm", sql.Double, nullable=False),
    sql.Column("revision", Number, nullable=False),  # Rises with what people do, not with the detector's news.
    _moment("decided"),
    _count("decided_accounts"),  # How many there were then.
    _word("action"),  # What was approved: rules, verify, suspend.
    _word("by"),
    _word("reason"),
    _word("wanted"),  # What waits for a second person.
    _word("wanted_by"),
    _word("wanted_why"),
    _moment("wanted_at"),
    _moment("seen"),  # Accounts that joined later are not meant.
    sql.Column("merged_into", Number, nullable=True),
    sql.UniqueConstraint("cluster"),
    sql.Index("ix_cases_state_score", "state", "score"),
)

case_accounts = sql.Table(
    "case_accounts",  # No foreign key: an account of the file may be meant.
    metadata,
    sql.Column("case", Number, primary_key=True, autoincrement=False),
    sql.Column("account", Id, primary_key=True, index=True),
    sql.Column("nats", sql.Double, nullable=False),
    sql.Column("joined", Time, nullable=False),
    sql.Column("state", Word, nullable=False),  # in, left, split, suspended, restored
    sql.Index("ix_case_accounts_case_nats_account", "case", "nats", "account"),
)

case_notes = sql.Table(
    "case_notes",
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    sql.Column("case", Number, nullable=False, index=True),
    sql.Column("at", Time, nullable=False),
    sql.Column("who", Text, nullable=False),
    sql.Column("text", Text, nullable=False),
)

rulings = sql.Table(
    "rulings",  # `gateway.campaigns.ruling.Ruling`
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    sql.Column("at", Time, nullable=False),
    sql.Column("ruled", Word, nullable=False),
    _word("cluster"),
    _list("accounts"),
    _list("marks"),
    _word("other"),
    sql.Column("until", Time, nullable=False, server_default="0"),
    _word("by"),
    _word("reason"),
)

audit = sql.Table(
    "audit",  # Every change that a person, a provider or a clock made: a chain (`gateway.accounts.sql.audit`).
    metadata,
    sql.Column("id", Number, primary_key=True, autoincrement=True),
    sql.Column("at", Time, nullable=False),
    sql.Column("who", Text, nullable=False),
    sql.Column("did", Word, nullable=False),
    sql.Column("subject", Id, nullable=False, index=True),
    sql.Column("detail", Text, nullable=False, server_default="{}"),  # JSON
    sql.Column("salt", sql.LargeBinary, nullable=True),  # Null once its texts are erased.
    sql.Column("digest", sql.LargeBinary, nullable=True),  # Of its content. A trigger lets none in without.
    sql.Column("link", sql.LargeBinary, nullable=True),  # Of the line before, and this one.
    _word("erased"),  # The pseudonyms by which its texts were replaced, with a space between.
)

changes = sql.Table(
    "changes",  # Which accounts each version changed; an empty account means all.
    metadata,
    sql.Column("version", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("account", Id, primary_key=True),
    sql.Column("at", Time, nullable=False),
)

version = sql.Table(
    "version",  # One row. Its lock puts the changes in the order in which they become visible.
    metadata,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("version", sql.BigInteger, nullable=False),
)
