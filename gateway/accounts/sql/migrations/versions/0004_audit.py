"""The audit becomes a chain of hashes (`gateway.accounts.sql.audit`), and refuses what is no new line of it.

Lines that are there are linked as they stand: the chain says that nobody has changed them since, not before. A program
that is older than this one cannot append any more: its lines would be no part of the chain.
"""

from __future__ import annotations

import os
from typing import Final

import sqlalchemy as sql
from alembic import op
from sqlalchemy.engine import Connection

from gateway.accounts.sql.audit import FIRST, SALT, Line, digest_of, link_of

revision: Final = "0004"
down_revision: Final = "0003"

CHUNK: Final = 5_000

SAID: Final = "the audit is append-only"
ERASING: Final = (
    "NEW.id = OLD.id AND NEW.at = OLD.at AND NEW.did = OLD.did AND NEW.digest = OLD.digest AND NEW.link = OLD.link "
    "AND NEW.salt IS NULL AND NEW.erased <> OLD.erased"
)
"""The one change that there is: texts go, with the salt, and the line says so."""
LINKED: Final = "length(NEW.salt) = 16 AND length(NEW.digest) = 32 AND length(NEW.link) = 32 AND NEW.erased = ''"

SQLITE: Final = {
    "audit_append": f"BEFORE INSERT ON audit WHEN NOT COALESCE({LINKED}, 0)",
    "audit_change": f"BEFORE UPDATE ON audit WHEN NOT COALESCE({ERASING}, 0)",
    "audit_remove": "BEFORE DELETE ON audit",
}
"""Trigger -> when it refuses."""
POSTGRESQL: Final = {
    "audit_append": f"BEFORE INSERT ON audit FOR EACH ROW WHEN (NOT COALESCE({LINKED}, FALSE))",
    "audit_change": f"BEFORE UPDATE ON audit FOR EACH ROW WHEN (NOT COALESCE({ERASING}, FALSE))",
    "audit_remove": "BEFORE DELETE ON audit FOR EACH ROW",
    "audit_empty": "BEFORE TRUNCATE ON audit FOR EACH STATEMENT",
}

audit: Final = sql.table(
    "audit", *(sql.column(name) for name in ("id", "at", "who", "did", "subject", "detail", "salt", "digest", "link"))
)


def upgrade() -> None:
    for name in ("salt", "digest", "link"):
        op.add_column("audit", sql.Column(name, sql.LargeBinary, nullable=True))
    op.add_column("audit", sql.Column("erased", sql.Text, nullable=False, server_default=""))
    connection = op.get_bind()
    _link(connection)
    if connection.dialect.name == "sqlite":
        for name, when in SQLITE.items():
            op.execute(f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{SAID}'); END")
        return
    op.execute(
        "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{SAID}'; END $$"
    )
    for name, when in POSTGRESQL.items():
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION audit_append_only()")


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for name in SQLITE:
            op.execute(f"DROP TRIGGER {name}")
    else:
        op.execute("DROP FUNCTION audit_append_only() CASCADE")
        # Lines have numbered themselves since, and older programs let the sequence do it.
        op.execute(
            "SELECT setval(pg_get_serial_sequence('audit', 'id'), (SELECT COALESCE(max(id), 0) + 1 FROM audit), FALSE)"
        )
    for name in ("erased", "link", "digest", "salt"):
        op.drop_column("audit", name)


def lost(connection: Connection) -> dict[str, int]:
    """What proves that nobody has changed the audit: made anew, it proves nothing of the time before."""
    return {"audit.link": connection.scalar(sql.text("SELECT count(*) FROM audit WHERE link IS NOT NULL")) or 0}


def _link(connection: Connection) -> None:
    """What is there, in its order, some thousand lines at a time."""
    columns = audit.c
    texts = (columns.who, columns.did, columns.subject, columns.detail)
    page = sql.select(columns.id, columns.at, *texts).order_by(columns.id).limit(CHUNK)
    change = audit.update().where(columns.id == sql.bindparam("line"))
    values = {name: sql.bindparam(f"its_{name}", type_=sql.LargeBinary) for name in ("salt", "digest", "link")}
    change = change.values(**values)
    after, link = None, FIRST
    while rows := connection.execute(page if after is None else page.where(columns.id > after)).all():
        linked = []
        for row in rows:
            salt = os.urandom(SALT)
            digest = digest_of(salt, Line(*row[1:]))
            link = link_of(link, row.id, digest)
            linked.append({"line": row.id, "its_salt": salt, "its_digest": digest, "its_link": link})
        connection.execute(change, linked)
        after = rows[-1].id
