"""Organisations, accounts, members and keys; evidence, falls, overrides and links; audit, changes and their version."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sql
from alembic import op
from sqlalchemy.engine import Connection

revision: Final = "0001"
down_revision: Final = None

TABLES: Final = (
    "organisations", "accounts", "members", "keys", "evidence", "falls", "overrides", "links", "audit", "changes",
    "version",
)  # fmt: skip
"""In the order in which they are made. The last always has one row."""

Number: Final = sql.BigInteger().with_variant(sql.Integer, "sqlite")


def upgrade() -> None:
    _accounts()
    _keys()
    _standing()
    _audit()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def lost(connection: Connection) -> dict[str, int]:
    return {table: connection.scalar(sql.text(f"SELECT count(*) FROM {table}")) or 0 for table in TABLES[:-1]}  # noqa: S608


def _id(name: str = "id") -> sql.Column[str]:
    return sql.Column(name, sql.String(128), primary_key=True)


def _number() -> sql.Column[int]:
    return sql.Column("id", Number, primary_key=True, autoincrement=True)


def _account() -> sql.Column[str]:
    return sql.Column("account", sql.String(128), sql.ForeignKey("accounts.id"), nullable=False, index=True)


def _word(name: str) -> sql.Column[str]:
    return sql.Column(name, sql.String(64), nullable=False)


def _text(name: str, default: str = "") -> sql.Column[str]:
    return sql.Column(name, sql.Text, nullable=False, server_default=default)


def _time(name: str, *, nullable: bool = False) -> sql.Column[float]:
    return sql.Column(name, sql.Double, nullable=nullable)


def _flag(name: str) -> sql.Column[bool]:
    return sql.Column(name, sql.Boolean, nullable=False, server_default=sql.false())


def _accounts() -> None:
    op.create_table("organisations", _id(), _text("name"), _flag("suspended"), _time("created"))
    op.create_table(
        "accounts",
        _id(),
        sql.Column("organisation", sql.String(128), sql.ForeignKey("organisations.id"), nullable=True, index=True),
        _text("name"),
        _text("tier"),
        _flag("suspended"),
        _text("suspended_for"),
        _time("created"),
        _text("email_domain"),
        _text("signup_country"),
        _text("billing_country"),
        _time("erased", nullable=True),
    )


def _keys() -> None:
    op.create_table(
        "members",
        _number(),
        _account(),
        _word("secret"),
        sql.Column("digest", sql.LargeBinary, nullable=False, index=True),
        sql.Column("role", sql.String(64), nullable=False, server_default="owner"),
        _time("created"),
        sql.UniqueConstraint("account", "digest"),
    )
    op.create_table(
        "keys",
        sql.Column("prefix", sql.String(64), primary_key=True),
        _account(),
        sql.Column("name", sql.Text, nullable=False),
        sql.Column("digest", sql.LargeBinary, nullable=False),
        _word("pepper"),
        _text("models", "[]"),
        _text("features", "[]"),
        _time("created"),
        _time("expires", nullable=True),
        _time("revoked", nullable=True),
        _text("replaces"),
    )


def _standing() -> None:
    op.create_table(
        "evidence",
        _number(),
        _account(),
        _word("kind"),
        _text("provider"),
        _text("reference"),
        _time("obtained"),
        _time("expires", nullable=True),
        _time("withdrawn", nullable=True),
        _text("why"),
        _text("by"),
    )
    op.create_table(
        "falls",
        _number(),
        _account(),
        _word("reason"),
        _text("note"),
        _text("by"),
        _time("at"),
        _time("until", nullable=True),
        _time("cleared", nullable=True),
    )
    op.create_table(
        "overrides",
        _number(),
        _account(),
        _word("name"),
        sql.Column("value", sql.Text, nullable=False),
        _text("reason"),
        _text("by"),
        _time("created"),
        _time("expires", nullable=True),
        _time("withdrawn", nullable=True),
    )
    op.create_table(
        "links",
        _number(),
        _account(),
        _word("kind"),
        _word("secret"),
        sql.Column("digest", sql.LargeBinary, nullable=False),
        _time("seen"),
        _text("source"),
        sql.UniqueConstraint("account", "kind", "digest"),
        sql.Index("ix_links_kind_digest", "kind", "digest"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        _number(),
        _time("at"),
        sql.Column("who", sql.Text, nullable=False),
        _word("did"),
        sql.Column("subject", sql.String(128), nullable=False, index=True),
        _text("detail", "{}"),
    )
    op.create_table(
        "changes",
        sql.Column("version", sql.BigInteger, primary_key=True, autoincrement=False),
        _id("account"),
        _time("at"),
    )
    version = op.create_table(
        "version",
        sql.Column("id", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("version", sql.BigInteger, nullable=False),
    )
    op.bulk_insert(version, [{"id": 1, "version": 0}])
