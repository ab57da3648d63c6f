"""What verification needs: sessions with providers, their news, reviews, owners in a browser; whose accounts are one's.

`accounts` gets two columns and the indexes by which accounts of one identity, and of one burst, are found.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sql
from alembic import op
from sqlalchemy.engine import Connection

revision: Final = "0002"
down_revision: Final = "0001"

TABLES: Final = ("verifications", "inbox", "reviews", "spent", "sessions")

Number: Final = sql.BigInteger().with_variant(sql.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("accounts", _text("identity"))
    op.add_column("accounts", sql.Column("signup_burst", sql.Integer, nullable=False, server_default="0"))
    op.create_index("ix_accounts_identity", "accounts", ["identity"])
    op.create_index("ix_accounts_email_domain_created", "accounts", ["email_domain", "created"])
    _verifications()
    _inbox()
    _reviews()
    _visits()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_index("ix_accounts_email_domain_created", "accounts")
    op.drop_index("ix_accounts_identity", "accounts")
    op.drop_column("accounts", "signup_burst")
    op.drop_column("accounts", "identity")


def lost(connection: Connection) -> dict[str, int]:
    counts = {
        **{table: f"SELECT count(*) FROM {table}" for table in TABLES},  # noqa: S608
        "accounts.identity": "SELECT count(*) FROM accounts WHERE identity <> ''",
        "accounts.signup_burst": "SELECT count(*) FROM accounts WHERE signup_burst <> 0",
    }
    return {what: connection.scalar(sql.text(count)) or 0 for what, count in counts.items()}


def _account() -> sql.Column[str]:
    return sql.Column("account", sql.String(128), sql.ForeignKey("accounts.id"), nullable=False, index=True)


def _number() -> sql.Column[int]:
    return sql.Column("id", Number, primary_key=True, autoincrement=True)


def _word(name: str) -> sql.Column[str]:
    return sql.Column(name, sql.String(64), nullable=False)


def _text(name: str) -> sql.Column[str]:
    return sql.Column(name, sql.Text, nullable=False, server_default="")


def _time(name: str, *, nullable: bool = False, index: bool = False) -> sql.Column[float]:
    return sql.Column(name, sql.Double, nullable=nullable, index=index)


def _stated() -> sql.Column[float]:
    return sql.Column("stated", sql.Double, nullable=False, server_default="0")


def _verifications() -> None:
    op.create_table(
        "verifications",
        sql.Column("id", sql.String(64), primary_key=True),
        _account(),
        _word("provider"),
        sql.Column("kinds", sql.Text, nullable=False),
        _word("state"),
        _text("reference"),
        _text("reason"),
        _time("created"),
        _time("updated"),
        _stated(),
        sql.Index("ix_verifications_provider_reference", "provider", "reference"),
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        _number(),
        _word("provider"),
        sql.Column("event", sql.Text, nullable=False),
        sql.Column("digest", sql.LargeBinary, nullable=False),
        _text("kind"),
        _text("state"),
        _text("reference"),
        _stated(),
        _time("received"),
        sql.Column("attempts", sql.Integer, nullable=False, server_default="0"),
        _time("due", nullable=True, index=True),
        _time("done", nullable=True),
        _time("dead", nullable=True),
        _text("outcome"),
        sql.UniqueConstraint("provider", "event"),
    )


def _reviews() -> None:
    op.create_table(
        "reviews",
        _number(),
        _account(),
        _word("subject"),
        _text("verification"),
        _text("statement"),
        sql.Column("state", sql.String(64), nullable=False, index=True),
        _time("opened"),
        _text("first"),
        _time("first_at", nullable=True),
        _text("second"),
        _time("second_at", nullable=True),
        _text("reason"),
    )


def _visits() -> None:
    op.create_table("spent", sql.Column("mark", sql.String(64), primary_key=True), _time("expires", index=True))
    op.create_table(
        "sessions",
        sql.Column("digest", sql.LargeBinary, primary_key=True),
        _account(),
        _word("scope"),
        _text("key"),
        _time("created"),
        _time("expires", index=True),
    )
