"""What each file of the folder is: whose config, a list, tests; and whether it is what is in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from gateway.control.rules_files.folder import PolicyFolder, Seen
from gateway.feeds.kinds import ListKind
from gateway.rehearsal.suite import FOLDER
from gateway.rules.problems import Problems
from gateway.rules.read import read
from gateway.rules.ruleset import CHAIN, FEEDS, PRICES

FIXED: Final = {CHAIN: "chain", FEEDS: "feeds", PRICES: "prices"}
SHAPED: Final = frozenset({".yaml", ".yml"})


class Role(NamedTuple):
    """What a file is for."""

    kind: str
    """`chain`, `feeds`, `prices`, `tests`, `list`, a kind of policy, or `unread`."""
    readers: tuple[str, ...] = ()
    """Entries of the chain; of a list, its names."""
    people: bool = False
    """It names accounts."""


class Roles:
    """By chain.yaml and feeds.yaml as they are on the disk, also where they are wrong."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._configs: dict[str, list[tuple[str, str]]] = {}
        self._lists: dict[str, list[tuple[str, str]]] = {}
        self.feeds_readable = True
        for entry, kind, path in self._chained():
            self._configs.setdefault(path, []).append((entry, kind))
        for name, kind, path in self._listed():
            self._lists.setdefault(path, []).append((name, kind))

    def of(self, path: str) -> Role:
        if path in FIXED:
            return Role(FIXED[path])
        if path.startswith(f"{FOLDER}/"):
            return Role("tests")
        if path in self._lists:
            found = self._lists[path]
            people = any(kind not in set(ListKind) - {ListKind.ACCOUNTS} for _, kind in found)
            return Role("list", tuple(name for name, _ in found), people)
        if path in self._configs:
            readers = self._configs[path]
            return Role(readers[0][1], tuple(entry for entry, _ in readers))
        # Where nobody can tell what it lists, it may be accounts.
        people = not self.feeds_readable and PurePosixPath(path).suffix not in SHAPED
        return Role("unread", (), people)

    def _chained(self) -> Iterator[tuple[str, str, str]]:
        """(entry, kind, file): as gateway.rules.ruleset finds them."""
        chain = self._data(CHAIN).get("chain")
        for item in chain if isinstance(chain, list) else ():
            if isinstance(item, dict):
                name, kind, file = (str(item.get(key) or "") for key in ("name", "kind", "file"))
                own = f"{name}.yaml"
                there = "/" not in own and (self._root / own).exists()
                yield name, kind, file or (own if there else f"{kind}.yaml")

    def _listed(self) -> Iterator[tuple[str, str, str]]:
        try:
            lists = self._data(FEEDS).get("lists")
        except Problems:
            self.feeds_readable = False
            return
        for name, item in lists.items() if isinstance(lists, dict) else ():
            if isinstance(item, dict) and isinstance(item.get("path"), str):
                yield str(name), str(item.get("kind")), PurePosixPath(item["path"]).as_posix()

    def _data(self, name: str) -> dict[str, Any]:
        """Of a file that is there. Raises Problems for feeds.yaml alone."""
        path = self._root / name
        if not path.exists():
            return {}
        try:
            return dict(read(path).data)
        except Problems:
            if name == FEEDS:
                raise
            return {}


def tree(folder: PolicyFolder, in_force: Path) -> list[dict[str, Any]]:
    """All files, and those that are in force and gone from the disk. `in_force` is a whole's folder of policies."""
    roles = Roles(folder.root)
    serving = PolicyFolder(in_force)
    served = {seen.path: seen.digest for seen in serving.files()} if in_force.is_dir() else {}
    rows = [_row(seen, roles.of(seen.path), served) for seen in folder.files()]
    gone = served.keys() - {row["path"] for row in rows}
    rows += [_row(Seen(path, 0, 0.0, ""), roles.of(path), served) | {"state": "gone"} for path in gone]
    return sorted(rows, key=lambda row: row["path"])


def _row(seen: Seen, role: Role, served: dict[str, str]) -> dict[str, Any]:
    return {
        "path": seen.path,
        "size": seen.size,
        "modified": seen.modified,
        "digest": seen.digest,
        "kind": role.kind,
        "readers": list(role.readers),
        "people": role.people,
        "state": state(role, served.get(seen.path), seen.digest),
    }


def state(role: Role, served: str | None, digest: str) -> str:
    """`in_force`, `differs` from what is in force, `new` (read, and not yet in force), or `beside`: not part of it."""
    if served is not None:
        return "in_force" if served == digest else "differs"
    return "beside" if role.kind in {"tests", "list", "unread"} else "new"


def text_in_force(in_force: Path, path: str) -> str | None:
    """Of the whole that is in force; None where it has none of that name."""
    try:
        return (in_force / path).read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


VEILED: Final = "a line of this list is wrong: whoever may see people sees which"


def veiled(rows: list[dict[str, Any]], root: Path) -> list[dict[str, Any]]:
    """Problems without what stands in files that name accounts: a draft could call such a list another kind."""
    roles = Roles(root)
    return [row | {"message": VEILED, "excerpt": ""} if roles.of(row["path"]).people else row for row in rows]
