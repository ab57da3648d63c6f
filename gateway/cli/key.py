"""`tidegate key`: make keys, rotate them, and revoke them in the whole fleet."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from redis.exceptions import RedisClusterException, RedisError
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts import keys, revocations
from gateway.accounts.keys import MintedKey
from gateway.accounts.sql import keys as kept
from gateway.accounts.sql import migrate
from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import Writing
from gateway.app.configuration import read_configuration
from gateway.cli.columns import aligned, moment
from gateway.cli.configured import ConfigOption, fail, fail_with
from gateway.cli.directory_access import JsonOption, asked, connected, end, is_there, look, opened, why, words
from gateway.cli.known_accounts import accounts_of
from gateway.control import account_changes as changes
from gateway.control.account_shapes import KeyShape, RotateShape
from gateway.control.account_shown import keys_of
from gateway.rules.problems import Problems
from gateway.stores.redis.client import client

app = typer.Typer(help="Make API keys, rotate them, and revoke them in the whole fleet.", no_args_is_help=True)

CONFIG = Path("tidegate.yaml")
PrefixArgument = Annotated[str, typer.Argument(help="What stands between the key's first two underscores.")]
WhyOption = Annotated[str, typer.Option("--reason", help="Why, for the audit.")]


@app.command()
def create(
    account: Annotated[str, typer.Argument(help="Whose it is: an account of the directory.")],
    name: Annotated[str, typer.Option(help="What people call the key.")] = "first",
    models: Annotated[list[str] | None, typer.Option(help="Models it may ask; all, if not stated.")] = None,
    features: Annotated[list[str] | None, typer.Option(help="Features it may use; all, if not stated.")] = None,
    expires: Annotated[str, typer.Option(help="When it ends: 90d, or 2027-01-31.")] = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make a key of an account in the directory. It is shown this once."""
    values = {
        "name": name, "models": words(models or []), "features": words(features or []),
        "expires": end(expires, "--expires"),
    }  # fmt: skip
    wanted = asked(KeyShape, values)
    with opened(config) as access:
        minted = access.write(lambda writing: changes.create_key(writing, access.secrets, account, wanted))
    _show(minted, as_json=as_json)


@app.command("list")
def list_(
    account: Annotated[str, typer.Argument(help="Whose keys.")],
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """The keys of an account in the directory, the newest first."""
    with opened(config) as access:
        now = access.database.now()
        found = access.read(lambda connection: keys_of(connection, account, now))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    rows = [
        (
            one["prefix"], one["name"], one["state"], one["models"] or "all", one["features"] or "all",
            moment(one["created"])[:10], moment(one["expires"]), one["replaces"],
        )
        for one in found
    ]  # fmt: skip
    typer.echo(aligned(("prefix", "name", "state", "models", "features", "created", "expires", "replaces"), rows))


@app.command()
def rotate(
    prefix: PrefixArgument,
    overlap: Annotated[str, typer.Option(help="How long the old key holds on.")] = "24h",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make a key that takes over from another: the same name and scopes. It is shown this once."""
    wanted, old = asked(RotateShape, {"overlap": overlap}), _prefix(prefix)
    with opened(config) as access:
        minted = access.write(lambda writing: changes.rotate_key(writing, access.secrets, old, wanted))
    _show(minted, as_json=as_json)
    if not as_json:
        typer.echo(f"\n{old} holds for {overlap} more.")


@app.command()
def mint(
    pepper: Annotated[str, typer.Option(help="Id of the pepper, as in accounts.yaml.")] = "p1",
    pepper_env: Annotated[
        str, typer.Option("--pepper-env", help="Environment variable that holds the pepper.")
    ] = "TIDEGATE_PEPPER",
    name: Annotated[str, typer.Option(help="What people call the key.")] = "first",
    as_json: JsonOption = False,
) -> None:
    """Make a key for accounts.yaml. It is shown once; what is kept of it goes under an account there."""
    secret = os.environ.get(pepper_env, "")
    if len(secret) < 16:
        fail(
            f"set {pepper_env} to the pepper `{pepper}`, at least 16 random bytes:\n"
            f"  export {pepper_env}=$(openssl rand -hex 32)"
        )
    key, prefix = keys.mint()
    digest = keys.digest(secret.encode(), key.encode()).hex()
    if as_json:
        typer.echo(json.dumps({"key": key, "prefix": prefix, "digest": digest, "pepper": pepper, "name": name}))
        return
    typer.echo(f"The key, shown this once:\n\n  {key}\n\nUnder the account's `keys:` in accounts.yaml:\n")
    typer.echo(f"      - name: {name}\n        prefix: {prefix}\n        digest: {digest}\n        pepper: {pepper}")


@app.command()
def revoke(prefix: PrefixArgument, reason: WhyOption = "", config: ConfigOption = CONFIG) -> None:
    """Revoke a key on every worker of the fleet, within a second.

    In the directory, where it is from there: for good. Else through Redis: for as long as that remembers.
    """
    public, account, unasked = _prefix(prefix), "", ""
    try:
        account = _in_directory(config, lambda writing: kept.revoke(writing, public, reason))
    except (Problems, SQLAlchemyError) as error:
        # Whoever revokes a key has a reason to hurry: what can be done is done.
        unasked = _said(error, config)
    if account:
        typer.echo(f"key {public} of account {account} is revoked in the directory, for good")
        return
    _in_fleet(config, public, undo=False)
    if unasked:
        fail(
            f"key {public} is revoked on every worker by Redis alone. Do it again when the directory answers: {unasked}"
        )
    if _in_file(config, public):
        more = "To make it last, set `revoked: true` in accounts.yaml, too."
    else:
        more = "Neither the directory nor accounts.yaml has such a key: look whether the prefix is right."
    typer.echo(f"key {public} is revoked on every worker. {more}")


@app.command()
def restore(prefix: PrefixArgument, reason: WhyOption = "", config: ConfigOption = CONFIG) -> None:
    """Take a revocation back, in the directory and in the fleet."""
    public = _prefix(prefix)
    try:
        account = _in_directory(config, lambda writing: kept.restore(writing, public, reason))
    except (Problems, SQLAlchemyError) as error:
        fail(_said(error, config))
    _in_fleet(config, public, undo=True)
    if account:
        typer.echo(f"key {public} of account {account} is no longer revoked, in the directory and by the fleet")
    else:
        typer.echo(f"key {public} is no longer revoked by the fleet")


def _in_directory(config: Path, work: Callable[[Writing], str]) -> str:
    """The account whose key it is; empty where the directory knows no such key, or is not there yet.

    Raises SQLAlchemyError and Problems where it cannot be asked.
    """
    configuration, found = look(config)
    if not is_there(found):
        return ""
    with connected(configuration) as access:
        if not migrate.status(access.database).current:
            return ""
        try:
            return access.write(work)
        except NoSuch:
            return ""


def _in_file(config: Path, prefix: str) -> bool:
    """Whether accounts.yaml has it. One that cannot be read may."""
    try:
        return prefix in accounts_of(read_configuration(config)).keys
    except Problems:
        return True


def _in_fleet(config: Path, prefix: str, *, undo: bool) -> None:
    try:
        url = read_configuration(config).file.redis.get_secret_value()
    except Problems as problems:
        fail_with(problems)

    async def change() -> None:
        redis = client(url)
        try:
            if undo:
                await revocations.restore(redis, prefix=prefix)
            else:
                await revocations.revoke(redis, prefix)
        finally:
            await redis.aclose()

    try:
        asyncio.run(change())
    except (RedisError, RedisClusterException, OSError) as error:
        fail(f"Redis did not take it, so nothing is certain; try again: {error}")


def _said(error: Problems | SQLAlchemyError, config: Path) -> str:
    return str(error) if isinstance(error, Problems) else why(error, look(config)[1].url)


def _prefix(written: str) -> str:
    """Also of a whole key: who has one at hand need not take it apart."""
    return written.split("_")[1] if written.startswith("tg_") else written


def _show(minted: MintedKey, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"key": minted.key, "prefix": minted.prefix}))
    else:
        typer.echo(f"The key, shown this once:\n\n  {minted.key}")
