"""The live directory over a real SQLite file: what it remembers, what is void, what stands without the database."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from gateway.accounts.directory import NOT_LOADED, AccountRecord, DirectoryUnavailable, KeyRecord
from gateway.accounts.file_directory import EMPTY, Snapshot, snapshot
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.model import AccountsFile
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import Database
from gateway.accounts.sql.keys import PEPPER
from gateway.accounts.stored import StoredAccounts
from gateway.policy import Profile
from gateway.tasks import spawn
from gateway.testing import Clock


class World:
    """A database, and a directory over it that hears of a change when we say so."""

    def __init__(self, database: Database, secrets: Secrets, content: Snapshot = EMPTY, **options: Any) -> None:
        self.database = database
        self.secrets = secrets
        self.stored = StoredAccounts(database, secrets, database.now, **options)
        self.directory = LiveDirectory(content, self.stored)
        self.statements = 0
        sql.event.listen(database.engine, "before_cursor_execute", self._note)

    def _note(self, *arguments: object) -> None:
        self.statements += 1

    def account(self, name: str, **values: Any) -> str:
        """The prefix of its key."""
        self.database.write("test", lambda w: accounts.create(w, NewAccount(name, **values)))
        return self.key(name)

    def key(self, account: str) -> str:
        return self.database.write("test", lambda w: keys.create(w, self.secrets, account, "ci")).prefix

    def revoke(self, prefix: str) -> str:
        """In the database. Nobody is told."""
        return self.database.write("test", lambda w: keys.revoke(w, prefix))

    async def load(self, prefix: str) -> KeyRecord:
        record = await self.directory.load(prefix)
        assert record is not None
        return record

    def cut(self) -> Callable[[], None]:
        """The database is away: the answer is what brings it back."""
        path = Path(str(self.database.url.database))
        self.database.engine.dispose()
        hidden = path.rename(path.with_suffix(".away"))
        path.mkdir()

        def mend() -> None:
            path.rmdir()
            hidden.rename(path)

        return mend


@pytest.fixture
def make_world(sqlite_url: str, open_directory: Callable[..., Database], secrets: Secrets) -> Callable[..., World]:
    return lambda content=EMPTY, **options: World(open_directory(sqlite_url), secrets, content, **options)


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


def file(**account: Any) -> Snapshot:
    """An accounts.yaml with acme and its key FilePrefix, and with a secret whose id is one of the database's, too."""
    entry = {"name": "ci", "prefix": "FilePrefix", "digest": "ab" * 32, "pepper": "s1"}
    accounts = [{"id": "acme", "tier": "gold", "organisation": "corp", "keys": [entry], **account}]
    return snapshot(AccountsFile.model_validate({"peppers": {"s1": "f" * 32}, "accounts": accounts}))


async def test_a_cold_key_is_read_once(world: World) -> None:
    """Then it is in memory, with the pepper of the secret that made its digest."""
    prefix = world.account("acme", tier="gold", organisation="corp")
    assert world.directory.find(prefix) is NOT_LOADED

    record = await world.load(prefix)

    statements = world.statements
    assert world.directory.find(prefix) == record
    assert await world.load(prefix) == record
    assert world.statements == statements
    principal = record.principal
    assert (principal.account, principal.organisation, principal.tier, principal.key) == (
        "acme",
        "corp",
        "gold",
        prefix,
    )
    assert world.directory.pepper(record.pepper) == world.secrets.key(PEPPER)
    assert (record.revoked, record.suspended, record.cell.current) == (False, False, True)


async def test_an_account_without_a_tier(world: World) -> None:
    """It has the one by default."""
    assert (await world.load(world.account("acme"))).principal.tier == "default"


async def test_a_change_voids_all_that_was_read_of_the_account(world: World) -> None:
    """Both keys and the account itself have one cell; another account has its own."""
    one, other = world.account("acme"), world.account("other")
    two = world.key("acme")
    records: list[KeyRecord | AccountRecord] = [await world.load(one), await world.load(two)]
    records.append(await world.directory.load_account("acme"))
    stranger = await world.load(other)
    assert len({id(record.cell) for record in records}) == 1

    world.directory.void(["acme"])

    assert not records[0].cell.current
    assert world.directory.find(one) is world.directory.find(two) is world.directory.account("acme") is NOT_LOADED
    assert stranger.cell.current
    assert world.directory.find(other) == stranger
    assert (await world.load(one)).cell.current


async def test_everything_may_have_changed(world: World) -> None:
    """All cells go void, memory is empty, and who remembers by generation is told as well."""
    prefix = world.account("acme")
    record, generation = await world.load(prefix), world.directory.generation

    world.directory.void_all()

    assert not record.cell.current
    assert world.directory.find(prefix) is NOT_LOADED
    assert world.directory.generation > generation


async def test_a_revocation_reaches_what_memory_has_forgotten(make_world: Callable[..., World]) -> None:
    """For want of room the directory has dropped the account, and auth still holds what it read: its cell goes void."""
    world = make_world(remember=2)
    held = await world.load(world.account("acme"))
    for number in range(8):
        await world.load(world.account(f"other-{number}"))
    gc.collect()
    assert world.directory.find(held.principal.key) is NOT_LOADED

    world.directory.void(["acme"])

    assert not held.cell.current


async def test_what_is_read_again_has_the_same_cell(make_world: Callable[..., World]) -> None:
    """Forgotten, read again, and then changed: who holds the older record is told, as who holds the newer one."""
    world = make_world(remember=2)
    prefix = world.account("acme")
    older = await world.load(prefix)
    for number in range(8):
        await world.load(world.account(f"other-{number}"))
    newer = await world.load(prefix)

    world.directory.void(["acme"])

    assert (older.cell.current, newer.cell.current) == (False, False)


async def test_memory_is_bounded(make_world: Callable[..., World]) -> None:
    """At most twice what was said, cells included, and of absent prefixes as well."""
    world = make_world(remember=3, absent=3)
    for number in range(20):
        await world.load(world.account(f"account-{number}"))
        await world.directory.load(f"Unknown{number:03}")
        await world.directory.load_account(f"unknown-{number}")
    gc.collect()

    memory = world.stored.memory
    assert len(memory._keys) <= 6
    assert len(memory._accounts) <= 6
    assert len(memory._absent) <= 6
    assert len(memory) <= 12


class Slow:
    """Holds the readings of a database after they were made, and before they are handed over."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = threading.Event()
        self.may_go = threading.Event()
        inner = database.read

        def read(work: Any) -> Any:
            result = inner(work)
            self.read.set()
            assert self.may_go.wait(5)
            return result

        monkeypatch.setattr(database, "read", read)

    async def until_read(self) -> None:
        assert await asyncio.to_thread(self.read.wait, 5)


@pytest.mark.parametrize("everything", [False, True], ids=["the account", "everything"])
async def test_what_was_read_before_a_change_is_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, everything: bool
) -> None:
    """The load begins before the revocation and ends after we heard of it: it answers who asked, and is void."""
    prefix = world.account("acme")
    slow = Slow(world.database, monkeypatch)
    loading = asyncio.gather(world.load(prefix))
    await slow.until_read()
    world.revoke(prefix)
    if everything:
        world.directory.void_all()
    else:
        world.directory.void(["acme"])
    asked_after = asyncio.gather(world.load(prefix))
    slow.may_go.set()

    (record,) = await loading
    assert not record.cell.current
    assert (await asked_after)[0].revoked
    assert (await world.load(prefix)).revoked


async def test_a_change_of_another_does_not_hinder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others change while an account is read: what was read of it is kept."""
    prefix = world.account("acme")
    slow = Slow(world.database, monkeypatch)
    loading = asyncio.gather(world.load(prefix))
    await slow.until_read()
    world.directory.void(["other"])
    slow.may_go.set()

    assert (await loading)[0].cell.current
    assert isinstance(world.directory.find(prefix), KeyRecord)


async def test_a_prefix_that_is_not_there(world: World, clock: Clock) -> None:
    """Remembered for some seconds, so that one wrong key in a loop costs nothing."""
    assert await world.directory.load("Unknown001") is None
    assert world.directory.find("Unknown001") is None
    clock.turn(5.1)
    assert world.directory.find("Unknown001") is NOT_LOADED


async def test_a_new_key_works_once_its_change_is_heard(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any change ends what is remembered as absent; an absence that was read before a change is not remembered."""
    assert await world.directory.load("Unknown001") is None
    world.directory.void(["acme"])
    assert world.directory.find("Unknown001") is NOT_LOADED

    slow = Slow(world.database, monkeypatch)
    loading = spawn(world.directory.load("Unknown001"), "load")
    await slow.until_read()
    world.directory.void(["acme"])
    slow.may_go.set()
    assert await loading is None
    assert world.directory.find("Unknown001") is NOT_LOADED


async def test_an_account_that_only_tokens_name(world: World) -> None:
    """That it has no row is remembered, until it gets one."""
    record = await world.directory.load_account("jwt:ann")
    assert (record.principal, record.suspended) == (None, False)
    assert world.directory.account("jwt:ann") == record

    world.account("jwt:ann", tier="gold")
    world.directory.void(["jwt:ann"])

    assert not record.cell.current
    assert (await world.directory.load_account("jwt:ann")).principal is not None


async def test_a_record_is_read_again_when_an_override_ends(world: World, clock: Clock) -> None:
    """Nobody changes anything, and the tier goes all the same."""
    prefix = world.account("acme", tier="gold")
    ends = clock() + 60
    world.database.write("test", lambda w: accounts.override_tier(w, "acme", "platinum", ends, "trial"))
    record = await world.load(prefix)
    account = await world.directory.load_account("acme")
    assert (record.principal.tier, record.until, account.until) == ("platinum", ends, ends)

    clock.turn(60)

    assert world.directory.find(prefix) is world.directory.account("acme") is NOT_LOADED
    assert (await world.load(prefix)).principal.tier == "gold"


async def test_while_the_database_is_away(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """What is in memory stays; what has changed and what is not there cannot be answered; afterwards all is well."""
    caplog.set_level(logging.WARNING)
    kept, changed, cold = world.account("kept"), world.account("changed"), world.account("cold")
    await world.load(kept)
    await world.load(changed)
    mend = world.cut()
    world.directory.void(["changed"])

    for prefix in (changed, cold):
        with pytest.raises(DirectoryUnavailable):
            await world.load(prefix)
    with pytest.raises(DirectoryUnavailable):
        await world.directory.load_account("jwt:ann")
    assert isinstance(world.directory.find(kept), KeyRecord)
    assert not world.stored.available

    mend()
    await asyncio.sleep(0.12)  # The pause after a failure.
    assert (await world.load(changed)).cell.current
    assert world.stored.available
    assert len([one for one in caplog.records if "stays in force" in one.message]) == 1


async def test_a_secret_that_is_gone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Its keys have no pepper, so that none of them is proved: it is said once, by the secret's id."""
    prefixes = [world.account("one"), world.account("two")]
    newer = World(world.database, Secrets({"s2": b"2" * 32}))

    for prefix in prefixes:
        assert newer.directory.pepper((await newer.load(prefix)).pepper) is None
    assert caplog.text.count("'s1'") == 1


async def test_the_file_goes_first(make_world: Callable[..., World]) -> None:
    """Its accounts are there without a question, under its own pepper, whatever the database says of that name."""
    world = make_world(file())
    stored = world.account("acme", tier="poor", organisation="other")
    statements = world.statements
    record = world.directory.find("FilePrefix")
    account = world.directory.account("acme")

    assert isinstance(record, KeyRecord)
    assert isinstance(account, AccountRecord)
    assert account.principal is not None
    assert (record.principal.tier, account.principal.tier) == ("gold", "gold")
    assert world.directory.pepper(record.pepper) == b"f" * 32
    assert world.statements == statements

    other = await world.load(stored)
    assert (other.principal.tier, other.principal.organisation, other.principal.key) == ("gold", "corp", stored)
    assert other.principal.profile == Profile()
    assert world.directory.pepper(other.pepper) == world.secrets.key(PEPPER)


@pytest.mark.parametrize("by", ["file", "database"])
async def test_a_suspension_counts_wherever_it_stands(make_world: Callable[..., World], by: str) -> None:
    """An account that is in both: its keys of the database stop, whoever suspended it."""
    world = make_world(file(suspended=by == "file"))
    prefix = world.account("acme")
    if by == "database":
        world.database.write("test", lambda w: accounts.suspend(w, "acme", "test"))

    assert (await world.load(prefix)).suspended


async def test_what_the_fleet_revokes(world: World) -> None:
    """Keys and accounts of the database, too, in memory or not; and it can be taken back."""
    one, two = world.account("one"), world.account("two")
    await world.load(one)
    world.directory.overlay(frozenset({one, two}), frozenset({"two"}))
    found = world.directory.find(one)
    assert isinstance(found, KeyRecord)
    assert (found.revoked, found.suspended) == (True, False)
    loaded = await world.load(two)
    assert (loaded.revoked, loaded.suspended) == (True, True)
    assert (await world.directory.load_account("two")).suspended

    world.directory.overlay(frozenset(), frozenset())
    found = world.directory.find(one)
    assert isinstance(found, KeyRecord)
    assert not found.revoked


async def test_a_file_that_is_read_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes first also where the question was asked before."""
    content = file(suspended=True)
    moved: Mapping[str, Any] = {"FilePrefix": content.keys["FilePrefix"]}
    slow = Slow(world.database, monkeypatch)
    loading = asyncio.gather(world.directory.load("FilePrefix"), world.directory.load_account("acme"))
    await slow.until_read()
    world.directory.replace(content)
    slow.may_go.set()

    key, account = await loading
    assert key == moved["FilePrefix"]
    assert account.suspended


async def test_without_a_database() -> None:
    """Who is not in the file is not there, at once."""
    directory = LiveDirectory(file())

    assert directory.find("Unknown001") is None
    assert await directory.load("Unknown001") is None
    assert directory.account("nobody") == await directory.load_account("nobody") == AccountRecord(None)
    directory.void(["acme"])
    directory.void_all()
    assert isinstance(directory.find("FilePrefix"), KeyRecord)
