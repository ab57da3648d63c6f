"""The commands of `tidegate account` that move all accounts, or make one go for good."""

from __future__ import annotations

import enum
import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from gateway.accounts.sql import bulk, erase, export, reading
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.directory_access import USAGE, Access, JsonOption, opened, who

CONFIG = Path("tidegate.yaml")


class Format(enum.StrEnum):
    JSONL = "jsonl"
    CSV = "csv"


class OnConflict(enum.StrEnum):
    REFUSE = "refuse"
    SKIP = "skip"
    UPDATE = "update"


FormatOption = Annotated[Format | None, typer.Option("--format", help="By the name of the file, if not stated.")]


def import_(
    file: Annotated[Path, typer.Argument(help="JSONL, or CSV with a first line of names: docs/accounts.md.")],
    form: FormatOption = None,
    on_conflict: Annotated[
        OnConflict, typer.Option(help="What becomes of an account that is there already.")
    ] = OnConflict.REFUSE,
    keys: Annotated[
        Path | None, typer.Option(help="Where new keys that the file asks for are written. It must not be there yet.")
    ] = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Bring accounts in from a file: all of it, or nothing where a row is wrong."""
    with opened(config) as access:
        try:
            done = bulk.load(
                access.database, access.secrets, file,
                format=_format(file, form), who=who(), progress=_progress(), on_conflict=on_conflict.value, minted=keys,
            )  # fmt: skip
        except OSError as error:
            fail(f"{error.filename or file}: {_why(error)}")
    if done.wrong:
        shown = [f"{file}:{one.line}: {f'{one.field}: ' if one.field else ''}{one.said}" for one in done.problems]
        more = [f"and {done.wrong - len(shown):,} more"] if done.wrong > len(shown) else []
        fail("\n".join([*shown, *more, f"{done.wrong:,} problem(s): nothing is imported"]))
    if as_json:
        counts = {name: value for name, value in done._asdict().items() if name not in {"problems", "wrong"}}
        typer.echo(json.dumps(counts))
        return
    typer.echo(
        f"{done.accounts:,} accounts are new, {done.updated:,} changed, {done.skipped:,} stay as they were;"
        f" {done.keys:,} keys, {done.organisations:,} organisations"
    )
    if keys is not None:
        typer.echo(f"new keys, which nobody can make again: {keys}")


def export_(
    file: Annotated[Path, typer.Argument(help="`-` for standard output. A file must not be there yet.")],
    form: FormatOption = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Write all accounts to a file that `import` takes. It holds digests of keys: keep it as the database."""
    written = _format(file, form)
    with opened(config) as access:
        try:
            if str(file) == "-":
                done = export.dump(access.database, sys.stdout.buffer, written)
            else:
                done = _whole(access, file, written)
        except OSError as error:
            fail(f"{file}: {_why(error)}")
    typer.echo(f"{done.accounts:,} accounts, {done.organisations:,} organisations", err=True)


def erase_(
    account: Annotated[str, typer.Argument(metavar="ID", help="The account.")],
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be taken back.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Until every worker has heard of it, to forget its id, too.")
    ] = True,
    scrub: Annotated[
        bool,
        typer.Option("--scrub", help="Write the database anew, so that no old page holds any of it. Writers wait."),
    ] = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Erase an account, as its owner may ask: keys, links and evidence go, the audit keeps a pseudonym."""
    with opened(config) as access:
        if not yes:
            fail("an account that is erased cannot be brought back: say --yes", USAGE)
        done = access.write(lambda writing: erase.erase(writing, access.secrets, account))
        if wait:
            time.sleep(erase.HEARD)
            access.write(erase.forget)
        if scrub:
            erase.scrub(access.database)
    if as_json:
        typer.echo(json.dumps({"pseudonym": done.pseudonym, "counts": dict(done.counts), "elsewhere": erase.ELSEWHERE}))
        return
    went = ", ".join(f"{count:,} {table}" for table, count in done.counts.items() if count)
    typer.echo(f"account {account} is erased ({went}). In the audit it is {done.pseudonym}")
    typer.echo("\nWhat no command reaches:")
    for place, said in erase.ELSEWHERE.items():
        typer.echo(f"  {place}: {said}")


def _whole(access: Access, file: Path, form: reading.Format) -> export.Dumped:
    """Nobody else may read it; one that is not whole does not stay."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        try:
            return _dumped(access, out, form)
        except BaseException:
            file.unlink()
            raise


def _dumped(access: Access, out: BinaryIO, form: reading.Format) -> export.Dumped:
    done = export.dump(access.database, out, form, progress=_progress())
    out.flush()
    os.fsync(out.fileno())
    return done


def _why(error: OSError) -> str:
    if isinstance(error, FileExistsError):
        return "is there already, and is not written over: name another file"
    return str(error.strerror or error)


def _format(file: Path, stated: Format | None) -> reading.Format:
    if stated is not None:
        return stated.value
    return "csv" if file.suffix == ".csv" else "jsonl"


def _progress() -> bulk.Tell:
    """One line that is written over, where somebody looks on."""
    if not sys.stderr.isatty():
        return bulk.quietly

    def tell(progress: bulk.Progress) -> None:
        share = f" {100 * progress.done // progress.whole} %" if progress.whole else ""
        sys.stderr.write(f"\r\x1b[K{progress.step}{share}: {progress.rows:,} accounts")
        sys.stderr.flush()

    return tell
