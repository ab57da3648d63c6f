"""gateway.demo.world: the folder that a demo begins with is one that the gateway accepts."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.accounts.keys import digest
from gateway.accounts.sql import lookup
from gateway.accounts.sql.keys import PEPPER
from gateway.app.configuration import read_configuration
from gateway.demo.world import ACCOUNTS, Places, World, make, shipped_policies, write_private
from gateway.rules.check import check
from gateway.rules.directory_file import open_directory
from gateway.rules.gateway_file import GatewayFile
from gateway.rules.read import read
from gateway.testing import Clock

NOW = Clock()
PLACES = Places("127.0.0.1:8080", "127.0.0.1:8081", "redis://127.0.0.1:6379/0", "http://127.0.0.1:9000")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the world is to be."""
    return tmp_path / "world"


@pytest.fixture
def world(folder: Path) -> World:
    """A world, just made."""
    return make(folder, PLACES, 2, shipped_policies())


def test_the_configuration_is_accepted(world: World) -> None:
    """tidegate.yaml passes the gateway's own check and says what it was told; the upstream's key has a default."""
    file = check(read(world.config), GatewayFile, {})

    assert (file.listen, file.admin, file.workers) == (PLACES.listen, PLACES.admin, 2)
    assert file.redis.get_secret_value() == PLACES.redis
    assert file.upstreams[0].url == PLACES.upstream
    assert file.upstreams[0].bearer is not None
    assert file.upstreams[0].bearer.get_secret_value() == "upstream-secret"


def test_the_keys_open_the_accounts(world: World, folder: Path) -> None:
    """Each key that is printed is that of an account of the directory, of the tier that was meant."""
    database, secrets = open_directory(read_configuration(world.config), NOW)
    found = database.read(
        lambda connection: lookup.read(connection, [key.split("_")[1] for key in world.keys.values()], (), NOW())
    )
    database.close()

    assert set(world.keys) == set(ACCOUNTS)
    for account, key in world.keys.items():
        record = found.keys[key.split("_")[1]]
        assert record.digest == digest(secrets.key(PEPPER, record.pepper), key.encode())
        assert (record.account.id, record.account.tier) == (account, ACCOUNTS[account])


def test_nobody_else_may_read_it(world: World, folder: Path) -> None:
    """It holds keys."""
    for path in (folder, folder / "keys.json", folder / "directory.db", folder / "directory.db.secret", world.config):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_shipped_policies_are_copied(world: World, folder: Path) -> None:
    """People edit a copy."""
    copied = {path.name for path in (folder / "policies").iterdir()}
    assert copied == {path.name for path in shipped_policies().iterdir()}


def test_what_people_changed_stays(world: World, folder: Path) -> None:
    """A second start in the same folder keeps keys, accounts and policies, and moves the addresses."""
    (folder / "policies" / "mine.yaml").write_text("# mine\n")

    again = make(folder, PLACES._replace(listen="127.0.0.1:9999"), 1, shipped_policies())

    assert again.keys == world.keys
    assert (folder / "policies" / "mine.yaml").exists()
    assert check(read(again.config), GatewayFile, {}).listen == "127.0.0.1:9999"


def test_two_worlds_have_no_key_in_common(world: World, tmp_path: Path) -> None:
    """Keys are minted, not shipped."""
    other = make(tmp_path / "other", PLACES, 1, shipped_policies())
    assert not set(other.keys.values()) & set(world.keys.values())


def test_a_write_leaves_no_draft(tmp_path: Path) -> None:
    """Replaced whole: the old content or the new, and nothing beside it."""
    file = tmp_path / "ready.json"
    file.write_text("old")
    write_private(file, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]
    assert file.read_text() == "new"
