"""Cases: clusters of accounts that act as one, what people said of them, and what the detector learns of that."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sql
from alembic import op
from sqlalchemy.engine import Connection

revision: Final = "0005"
down_revision: Final = "0004"

TABLES: Final = ("cases", "case_accounts", "case_notes", "rulings")
LISTS: Final = ("families", "evidence", "marks", "edges", "timeline", "models", "countries")

Number: Final = sql.BigInteger().with_variant(sql.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "cases",
        _number(),
        sql.Column("cluster", sql.String(64), nullable=False),
        sql.Column("state", sql.String(64), nullable=False),
        sql.Column("opened", sql.Double, nullable=False),
        sql.Column("updated", sql.Double, nullable=False),
        sql.Column("began", sql.Double, nullable=False),
        _count("accounts"),
        sql.Column("exchanges", sql.BigInteger, nullable=False, server_default="0"),
        sql.Column("score", sql.Double, nullable=False),
        _count("most"),
        *(sql.Column(name, sql.Text, nullable=False, server_default="[]") for name in LISTS),
        sql.Column("false_alarm", sql.Double, nullable=False),
        sql.Column("revision", Number, nullable=False),
        sql.Column("decided", sql.Double, nullable=True),
        _count("decided_accounts"),
        _text("action"),
        _text("by"),
        _text("reason"),
        _text("wanted"),
        _text("wanted_by"),
        _text("wanted_why"),
        sql.Column("wanted_at", sql.Double, nullable=True),
        sql.Column("seen", sql.Double, nullable=True),
        sql.Column("merged_into", Number, nullable=True),
        sql.UniqueConstraint("cluster", name="uq_cases_cluster"),
    )
    op.create_index("ix_cases_state_score", "cases", ["state", "score"])
    op.create_table(
        "case_accounts",
        sql.Column("case", Number, primary_key=True, autoincrement=False),
        sql.Column("account", sql.String(128), primary_key=True),
        sql.Column("nats", sql.Double, nullable=False),
        sql.Column("joined", sql.Double, nullable=False),
        sql.Column("state", sql.String(64), nullable=False),
    )
    op.create_index("ix_case_accounts_account", "case_accounts", ["account"])
    op.create_index("ix_case_accounts_case_nats_account", "case_accounts", ["case", "nats", "account"])
    _notes_and_rulings()


def _notes_and_rulings() -> None:
    op.create_table(
        "case_notes",
        _number(),
        sql.Column("case", Number, nullable=False),
        sql.Column("at", sql.Double, nullable=False),
        sql.Column("who", sql.Text, nullable=False),
        sql.Column("text", sql.Text, nullable=False),
    )
    op.create_index("ix_case_notes_case", "case_notes", ["case"])
    op.create_table(
        "rulings",
        _number(),
        sql.Column("at", sql.Double, nullable=False),
        sql.Column("ruled", sql.String(64), nullable=False),
        _text("cluster"),
        sql.Column("accounts", sql.Text, nullable=False, server_default="[]"),
        sql.Column("marks", sql.Text, nullable=False, server_default="[]"),
        _text("other"),
        sql.Column("until", sql.Double, nullable=False, server_default="0"),
        _text("by"),
        _text("reason"),
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def lost(connection: Connection) -> dict[str, int]:
    counts = {table: f"SELECT count(*) FROM {table}" for table in TABLES}  # noqa: S608
    return {what: connection.scalar(sql.text(count)) or 0 for what, count in counts.items()}


def _number() -> sql.Column[int]:
    return sql.Column("id", Number, primary_key=True, autoincrement=True)


def _count(name: str) -> sql.Column[int]:
    return sql.Column(name, sql.Integer, nullable=False, server_default="0")


def _text(name: str) -> sql.Column[str]:
    return sql.Column(name, sql.Text, nullable=False, server_default="")
