"""A folder with a directory, for commands: SQLite beside tidegate.yaml, a ladder of three tiers, no gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import sqlalchemy as sql
from typer.testing import Result

from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database
from tests.cli.run import data, tidegate

NOBODY: Final = "redis://127.0.0.1:1"
CHAIN: Final = "chain: [{name: auth, kind: auth, on_failure: deny}, {name: tiers, kind: kyc, on_failure: deny}]\n"
TIERS: Final = """\
tiers:
  - {name: free, withholds: {models: [m-large]}}
  - {name: known, requires: [email], withholds: {models: [m-huge]}}
  - {name: pro, requires: [email, phone]}
identities:
  payment: {organisations: 1, within: 90d}
"""


class Folder:
    """Commands in it."""

    def __init__(self, path: Path, redis: str = NOBODY, directory: str = "") -> None:
        self.path = path
        self.config = path / "tidegate.yaml"
        self.config.write_text(f"redis: {redis}\nupstreams: [{{url: http://127.0.0.1:1}}]\n{directory}")
        (path / "policies").mkdir(exist_ok=True)
        for name, text in {"chain": CHAIN, "auth": "api_keys: true\n", "tiers": TIERS}.items():
            (path / "policies" / f"{name}.yaml").write_text(text)

    def run(self, *words: object, given: str | None = None) -> Result:
        return tidegate(*words, "--config", self.config, given=given)

    def well(self, *words: object) -> str:
        """What it prints; it ends well."""
        ended = self.run(*words)
        assert ended.exit_code == 0, (words, ended.output)
        return ended.stdout

    def data(self, *words: object) -> Any:
        """What `--json` prints; it ends well."""
        ended = self.run(*words, "--json")
        assert ended.exit_code == 0, (words, ended.output)
        return data(ended)

    def bad(self, *words: object, status: int = 1) -> str:
        """What it says on standard error; it ends with that status, and no traceback."""
        ended = self.run(*words)
        assert (ended.exit_code, ended.stdout) == (status, ""), (words, ended.output)
        assert "Traceback" not in ended.stderr
        return ended.stderr

    def database(self) -> Database:
        return Database("sqlite:///directory.db", lambda: 0.0, self.path)

    def rows(self, table: sql.Table) -> list[sql.Row[Any]]:
        database = self.database()
        try:
            return database.read(lambda connection: list(connection.execute(table.select())))
        finally:
            database.close()

    def version(self) -> int:
        return int(self.rows(tables.version)[0].version)
