"""`tidegate case`: clusters of accounts that act as one, looked at and decided through the operators' port."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli import case_text as text
from gateway.cli.admin_port import AdminOption, AdminPort, JsonOption, readable
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.progress import bar

app = typer.Typer(help="Accounts that act as one: look, approve, reject, split, merge, note.", no_args_is_help=True)
CONFIG: Final = Path("tidegate.yaml")
PAUSE: Final = 0.3
"""Seconds between two looks at a job."""
ENDED: Final = frozenset({"done", "failed", "cancelled"})


class State(StrEnum):
    OPEN = "open"
    DECIDED = "decided"
    ALL = "all"


class Do(StrEnum):
    RULES = "rules"
    VERIFY = "verify"
    SUSPEND = "suspend"


NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Of the case.")]
ReasonOption = Annotated[str, typer.Option(help="Why: it stands in the audit for good, so name a ticket.")]
RevisionOption = Annotated[
    int | None,
    typer.Option("--revision", min=1, help="As you have seen it: refused where somebody has decided since."),
]


@app.command("list")
def list_(
    state: Annotated[State, typer.Option(help="Which.")] = State.OPEN,
    level: Annotated[str, typer.Option(help="Only those that the rules bring to this level.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """The surest first."""
    found = AdminPort(config, admin).get("/cases", state=state, level=level, limit=limit)
    _print(found, text.cases(found["cases"]) if found["cases"] else "there is none", as_json=as_json)


@app.command()
def show(
    number: NumberArgument,
    accounts: Annotated[int, typer.Option("--accounts", min=0, max=500, help="With so many of its accounts.")] = 0,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Evidence in words, what it is known by, and what each action would do."""
    port = AdminPort(config, admin)
    found = port.get(f"/cases/{number}")
    found["preview"] = port.get(f"/cases/{number}/preview")
    if accounts:
        found["accounts_shown"] = port.get(f"/cases/{number}/accounts", limit=accounts)["accounts"]
    _print(found, text.case(found), as_json=as_json)


@app.command()
def approve(
    number: NumberArgument,
    reason: ReasonOption,
    do: Annotated[Do, typer.Option("--do", help="What becomes of its accounts, beside what the rules say.")] = Do.RULES,
    revision: RevisionOption = None,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """It is a campaign. To suspend more than a hundred accounts takes two people."""
    port = AdminPort(config, admin)
    seen = port.get(f"/cases/{number}")
    content = {"action": do.value, "reason": reason, "seen": seen["updated"]}
    done = _decide(port, number, "approve", content, revision or seen["revision"])
    _carried(port, done, as_json=as_json)


@app.command()
def reject(
    number: NumberArgument,
    reason: ReasonOption,
    mark: Annotated[list[str] | None, typer.Option("--mark", help="That counts for nothing from now on.")] = None,
    all_marks: Annotated[bool, typer.Option("--all-marks", help="All that it is known by.")] = False,
    days: Annotated[float, typer.Option(min=0, max=3650, help="For so long; 0: for good.")] = 180,
    revision: RevisionOption = None,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """It is none: its accounts go free, and the detector learns which marks say nothing."""
    port = AdminPort(config, admin)
    seen = port.get(f"/cases/{number}")
    marks = [one["id"] for one in seen["marks"]] if all_marks else list(mark or ())
    content = {"marks": marks, "days": days, "reason": reason}
    _said(_decide(port, number, "reject", content, revision or seen["revision"]), as_json=as_json)


@app.command()
def split(
    number: NumberArgument,
    account: Annotated[list[str], typer.Argument(help="Those that are not of it.")],
    reason: ReasonOption,
    revision: RevisionOption = None,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take accounts out of it."""
    port = AdminPort(config, admin)
    content = {"accounts": account, "reason": reason}
    _said(_decide(port, number, "split", content, revision or _revision(port, number)), as_json=as_json)


@app.command()
def merge(
    number: NumberArgument,
    other: Annotated[int, typer.Argument(metavar="OTHER", min=1, help="The case that goes into it.")],
    reason: ReasonOption,
    revision: RevisionOption = None,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take another case in: both are one cluster."""
    port = AdminPort(config, admin)
    content = {"other": other, "reason": reason}
    _said(_decide(port, number, "merge", content, revision or _revision(port, number)), as_json=as_json)


@app.command()
def reopen(
    number: NumberArgument,
    reason: ReasonOption,
    revision: RevisionOption = None,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Decide it once more; or withdraw what waits for a second person."""
    port = AdminPort(config, admin)
    _said(_decide(port, number, "reopen", {"reason": reason}, revision or _revision(port, number)), as_json=as_json)


@app.command()
def undo(
    number: NumberArgument,
    reason: ReasonOption,
    revision: RevisionOption = None,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take back what was done to its accounts; the case is open again."""
    port = AdminPort(config, admin)
    done = _decide(port, number, "undo", {"reason": reason}, revision or _revision(port, number))
    _carried(port, done, as_json=as_json)


@app.command()
def note(
    number: NumberArgument,
    words: Annotated[str, typer.Argument(metavar="TEXT", help="For whoever looks at it next.")],
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
) -> None:
    """Write something down."""
    AdminPort(config, admin).send("POST", f"/cases/{number}/notes", {"text": words})
    typer.echo(f"noted on case {number}")


def _revision(port: AdminPort, number: int) -> int:
    found: int = port.get(f"/cases/{number}")["revision"]
    return found


def _decide(port: AdminPort, number: int, what: str, content: dict[str, Any], revision: int) -> dict[str, Any]:
    found: dict[str, Any] = port.send("POST", f"/cases/{number}/{what}", content, etag=str(revision)).content
    return found


def _carried(port: AdminPort, done: dict[str, Any], *, as_json: bool) -> None:
    """Until the job has ended, where there is one. Whoever ends this command does not end the job."""
    result = None
    if done["job"]:
        with bar("accounts", quiet=as_json) as tell:
            job = _ended(port, done["job"], lambda share: tell(round(share * 100), 100))
        if job["state"] != "done":
            fail(f"case {done['case']['id']} is decided, and the job {job['state']}: {readable(job['error'])}")
        result = job["result"]
    _said(done | {"result": result}, as_json=as_json)


def _ended(port: AdminPort, job: str, tell: Callable[[float], None]) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = port.get(f"/jobs/{job}")
        tell(found["progress"])
        if found["state"] in ENDED:
            return found
        time.sleep(PAUSE)


def _said(done: dict[str, Any], *, as_json: bool) -> None:
    _print(done, text.decided(done), as_json=as_json)


def _print(found: Any, said: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else readable(said))
