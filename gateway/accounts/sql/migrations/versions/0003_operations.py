"""What live operations need: overrides of limits with their history, and operators' tokens."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sql
from alembic import op
from sqlalchemy.engine import Connection

revision: Final = "0003"
down_revision: Final = "0002"

TABLES: Final = ("limit_overrides", "override_changes", "operators")

Number: Final = sql.BigInteger().with_variant(sql.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "limit_overrides",
        _number(),
        _required("limit"),
        _required("scope"),
        _required("change"),
        _text("reason"),
        _text("by"),
        sql.Column("created", sql.Double, nullable=False),
        _moment("expires"),
        sql.Column("revision", Number, nullable=False),
        _moment("withdrawn"),
    )
    op.create_index("ix_limit_overrides_limit_scope", "limit_overrides", ["limit", "scope"])
    op.create_table(
        "override_changes",
        _number(),
        sql.Column("override", Number, nullable=False),
        sql.Column("at", sql.Double, nullable=False),
        _required("who"),
        sql.Column("did", sql.String(64), nullable=False),
        _text("reason"),
        _text("before"),
        _text("after"),
    )
    op.create_index("ix_override_changes_override", "override_changes", ["override"])
    op.create_table(
        "operators",
        sql.Column("id", sql.String(64), primary_key=True),
        _required("name"),
        sql.Column("role", sql.String(64), nullable=False),
        sql.Column("secret", sql.String(64), nullable=False),
        sql.Column("digest", sql.LargeBinary, nullable=False),
        sql.Column("created", sql.Double, nullable=False),
        _text("by"),
        _moment("expires"),
        _moment("revoked"),
        _moment("used"),
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def lost(connection: Connection) -> dict[str, int]:
    counts = {table: f"SELECT count(*) FROM {table}" for table in TABLES}  # noqa: S608
    return {what: connection.scalar(sql.text(count)) or 0 for what, count in counts.items()}


def _number() -> sql.Column[int]:
    return sql.Column("id", Number, primary_key=True, autoincrement=True)


def _required(name: str) -> sql.Column[str]:
    return sql.Column(name, sql.Text, nullable=False)


def _text(name: str) -> sql.Column[str]:
    return sql.Column(name, sql.Text, nullable=False, server_default="")


def _moment(name: str) -> sql.Column[float]:
    return sql.Column(name, sql.Double, nullable=True)
