"""`tidegate key`: make keys, and revoke them in the whole fleet."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated

import typer
from redis.exceptions import RedisError

from gateway.accounts import keys, revocations
from gateway.app import read_configuration
from gateway.cli.configured import ConfigOption, fail, fail_with
from gateway.rules.problems import Problems
from gateway.stores.redis.client import client

app = typer.Typer(help="Make API keys, and revoke them in the whole fleet.", no_args_is_help=True)


@app.command()
def mint(
    pepper: Annotated[str, typer.Option(help="Id of the pepper, as in accounts.yaml.")] = "p1",
    pepper_env: Annotated[
        str, typer.Option("--pepper-env", help="Environment variable that holds the pepper.")
    ] = "TIDEGATE_PEPPER",
    name: Annotated[str, typer.Option(help="What people call the key.")] = "first",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Make a key. It is shown once; what is kept of it goes under an account in accounts.yaml."""
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
def revoke(
    prefix: Annotated[str, typer.Argument(help="What stands between the key's first two underscores.")],
    config: ConfigOption = Path("tidegate.yaml"),
) -> None:
    """Revoke a key on every worker of the fleet, within a second."""
    if prefix.startswith("tg_"):
        prefix = prefix.split("_")[1]
    _change(config, prefix, undo=False)
    typer.echo(f"key {prefix} is revoked on every worker. To make it last, set `revoked: true` in accounts.yaml, too.")


@app.command()
def restore(
    prefix: Annotated[str, typer.Argument(help="The key's prefix.")], config: ConfigOption = Path("tidegate.yaml")
) -> None:
    """Take a revocation back."""
    _change(config, prefix, undo=True)
    typer.echo(f"key {prefix} is no longer revoked by the fleet")


def _change(config: Path, prefix: str, *, undo: bool) -> None:
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
    except (RedisError, OSError) as error:
        fail(f"Redis did not take it, so nothing is certain; try again: {error}")
