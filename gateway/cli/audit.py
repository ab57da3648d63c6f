"""`tidegate audit`: who did what, and whether anybody has changed that since."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer

from gateway.accounts.sql import audit as chain
from gateway.cli.account_text import details
from gateway.cli.admin_port import AdminOption, AdminPort, JsonOption, readable
from gateway.cli.columns import aligned, second
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.directory_access import opened
from gateway.cli.period import moment
from gateway.cli.progress import bar

app = typer.Typer(help="Who did what, and whether anybody has changed that since.", no_args_is_help=True)

CONFIG: Final = Path("tidegate.yaml")
WAIT: Final = 2.0
"""Seconds between looks at how far it is."""

NOT_TOLD: Final = frozenset({"id", "by", "created", "revision", "reason"})
"""Of what stood before and after: the line says it already."""
MOMENTS: Final = frozenset({"expires", "withdrawn"})

WhoOption = Annotated[str, typer.Option(help="By whom, such as cli:ann or token:bot.")]
DidOption = Annotated[str, typer.Option(help="What was done; its beginning is enough, such as `account.` or `key.`.")]
SubjectOption = Annotated[str, typer.Option(help="To what: an account, `policies`, an erased account's pseudonym.")]
SinceOption = Annotated[str, typer.Option(help="How far back, such as 24h or 7d; or a time, such as 2026-11-21T08:00.")]
UntilOption = Annotated[str, typer.Option(help="The end: as --since. Now, if not stated.")]


@app.command("list")
def list_(
    who: WhoOption = "",
    did: DidOption = "",
    subject: SubjectOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    after: Annotated[int | None, typer.Option(min=1, help="From this line on: the next page.")] = None,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Lines of the audit, the newest first."""
    wanted = _which(who, did, subject, since, until) | {"limit": limit, "after": after}
    said = AdminPort(config, admin).get("/audit", **wanted)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    rows = [
        (one["id"], second(one["at"]), one["who"], one["did"], one["subject"], _detail(one)) for one in said["audit"]
    ]
    typer.echo(readable(aligned(("line", "at", "who", "did", "subject", "detail"), rows)))
    if said["next"]:
        typer.echo(f"there are more: --after {said['next']}", err=True)


@app.command()
def export(
    to: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A new file; standard output if not stated.")
    ] = None,
    who: WhoOption = "",
    did: DidOption = "",
    subject: SubjectOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
) -> None:
    """Lines of JSON, the oldest first, with the salt, digest and link of each: whoever has them can verify them."""
    wanted = _which(who, did, subject, since, until)
    port = AdminPort(config, admin)
    with _written(to) as file:
        port.copy("/audit/export", file.write, **wanted)


@app.command()
def verify(
    head: Annotated[
        str,
        typer.Option(help="A head that was noted before: it has to be there still. The gateway logs it once a day."),
    ] = "",
    offline: Annotated[bool, typer.Option("--offline", help="On the directory itself: no gateway has to run.")] = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Whether every line is as it was written, and none is missing in between. Status 1 if not.

    Each line is bound to all before it. What was cut off at the end only a head shows that was noted elsewhere.
    """
    if head and (len(head) != 64 or set(head.lower()) - set("0123456789abcdef")):
        fail("--head: must be 64 hexadecimal digits, as `tidegate audit verify` prints them", 2)
    with bar("verifying the audit", quiet=as_json) as tell:
        said = _offline(config, head, tell) if offline else _online(AdminPort(config, admin), head, tell)
    if as_json:
        typer.echo(json.dumps(said))
    elif said["ok"]:
        erased = f", {said['erased']:,} of them erased by law" if said["erased"] else ""
        typer.echo(f"whole: {said['lines']:,} lines{erased}")
        if said["head"]:
            typer.echo(f"head:  {said['head']}")
    else:
        rows = [(one["id"] or "", one["what"]) for one in said["broken"]]
        typer.echo(readable(aligned(("line", "what is wrong"), rows)))
        more = f" ({len(rows)} of them shown)" if said["wrong"] > len(rows) else ""
        typer.echo(
            f"the audit was changed: {said['wrong']:,} places of {said['lines']:,} lines are broken{more}", err=True
        )
    if not said["ok"]:
        raise typer.Exit(1)


def _online(port: AdminPort, head: str, tell: Callable[[int, int], None]) -> Any:
    """Asked for again until it is done."""
    while True:
        answer = port.send("GET", "/audit/verify", query={"head": head, "wait": WAIT})
        tell(answer.content["lines"], answer.content["whole"])
        if answer.status == 200:
            return answer.content


def _offline(config: Path, head: str, tell: Callable[[int, int], None]) -> dict[str, Any]:
    with opened(config) as access:
        found = access.read(lambda connection: chain.verify(connection, tell, head))
    broken = [{"id": number, "what": what} for number, what in found.broken]
    return {"state": "done", "ok": found.ok, **found._asdict(), "whole": found.lines, "broken": broken}


def _which(who: str, did: str, subject: str, since: str, until: str) -> dict[str, Any]:
    begin = moment(since, "--since") if since else None
    end = moment(until, "--until") if until else None
    if begin is not None and end is not None and begin >= end:
        fail(f"--since {since} is not before --until {until}", 2)
    return {"who": who, "did": did, "subject": subject, "since": begin, "until": end}


def _detail(line: Mapping[str, Any]) -> str:
    """What changed, rather than all that there was before and is now."""
    found = {name: value for name, value in line["detail"].items() if name != chain.SEALED}
    before, after = found.get("before"), found.get("after")
    if not isinstance(before, Mapping | None) or not isinstance(after, Mapping | None) or not (before or after):
        return details(found)
    rest = details({name: value for name, value in found.items() if name not in ("before", "after")})
    was, now = _flat(before or {}), _flat(after or {})
    changes = [
        f"{name}: {was[name]} → {now.get(name, 'none')}" if name in was else f"{name}: {value}"
        for name, value in {**was, **now}.items()
        if was.get(name) != now.get(name) and name not in NOT_TOLD
    ]
    return "; ".join([*changes, *([rest] if rest else [])])


def _flat(found: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Dotted name -> value as text. Times are times."""
    flat: dict[str, str] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{name}.")
        elif value not in (None, "", [], {}):
            flat[above + name] = second(value) if name in MOMENTS and isinstance(value, float) else str(value)
    return flat


@contextlib.contextmanager
def _written(to: Path | None) -> Iterator[IO[bytes]]:
    """A file that is whole, or is not there."""
    if to is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        file = to.open("xb")
    except OSError as error:
        fail(f"{to}: {error.strerror}")
    done = False
    try:
        with file:
            yield file
        done = True
    except OSError as error:
        fail(f"{to}: {error.strerror}")
    finally:
        if not done:
            to.unlink()
