"""`tidegate quota`: limits and what is used of them, overrides and switches, through the operators' port."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from gateway.cli import quota_text as text
from gateway.cli.admin_port import AdminOption, AdminPort, Answer, JsonOption, Refused, readable, segment
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.quota_preview import tried
from gateway.cli.quota_rehearse import rehearse
from gateway.cli.quota_scope import (
    CountryOption,
    DryOption,
    ForOption,
    ModelOption,
    ReasonOption,
    ReplaceOption,
    UntilOption,
    end_of,
    scoped,
)

app = typer.Typer(help="Limits, what is used of them, and overrides: set, boost, freeze, undo.", no_args_is_help=True)
CONFIG: Final = Path("tidegate.yaml")
ALL: Final = "*"
NO_REASON: Final = "--reason is needed: it stands in the audit for good, and somebody will ask"
OPTIONS: Final = {"confirm": "--yes, if it is meant", "expires": "--for or --until"}
"""How a field of the API that was wrong is stated on the command line."""

LimitArgument = Annotated[str, typer.Argument(help="The limit's name; `tidegate quota show` lists them.")]
LimitOrAll = Annotated[str, typer.Argument(help="The limit's name, or `all`.")]
IdArgument = Annotated[int, typer.Argument(help="The override's number.")]
RevisionOption = Annotated[
    int | None, typer.Option("--revision", help="As you have seen it: refused where somebody has changed it since.")
]
CapacityOption = Annotated[str, typer.Option("--capacity", help="What a full bucket holds: 600, 10k, $5.")]
RefillOption = Annotated[str, typer.Option("--refill", help="What comes back every --every.")]
EveryOption = Annotated[str, typer.Option("--every", help="Such as 1m.")]

app.command("rehearse", hidden=True)(rehearse)


@app.command()
def show(
    account: Annotated[str, typer.Argument(help="Of this account, with what it has used; all limits if none.")] = "",
    model: ModelOption = "",
    country: CountryOption = "",
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Limits as they hold now, and which override bites; of an account what is used, what is left and until when."""
    port = AdminPort(config, admin)
    if account:
        found = port.get(f"/accounts/{segment(account)}/limits", model=model, country=country.upper())
        _print(found, text.of_account(found), as_json=as_json)
        return
    found = port.get("/limits")
    _print(found, text.limits(found), as_json=as_json)


@app.command("list")
def list_(
    limit: Annotated[str, typer.Option(help="Only of this limit.")] = "",
    account: Annotated[str, typer.Option(help="Only those that name it.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Overrides that hold."""
    found = AdminPort(config, admin).get("/overrides", limit=limit, account=account, all=every or None)
    said = text.overrides(found["overrides"]) or "nothing is set beside the rules"
    _print(found, said, as_json=as_json)


@app.command("set")
@scoped
def set_(
    scope: Any,
    limit: LimitArgument,
    capacity: CapacityOption = "",
    refill: RefillOption = "",
    every: EveryOption = "",
    lasts: ForOption = "",
    until: UntilOption = "",
    reason: ReasonOption = "",
    replace: ReplaceOption = None,
    dry_run: DryOption = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Other numbers for a limit. What was used stays counted."""
    numbers = {"capacity": capacity, "refill": refill, "every": every}
    change = {"kind": "set", **{name: value for name, value in numbers.items() if value}}
    asked = {"limit": limit, "scope": scope, "change": change, "reason": reason, **end_of(lasts, until)}
    _put(AdminPort(config, admin), asked, replace, dry_run=dry_run, as_json=as_json)


@app.command()
@scoped
def boost(
    scope: Any,
    limit: LimitOrAll,
    times: Annotated[float, typer.Option("--times", help="What the rules say, so many times; 0.5 is half.")],
    lasts: ForOption = "",
    until: UntilOption = "",
    reason: ReasonOption = "",
    replace: ReplaceOption = None,
    dry_run: DryOption = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """More of a limit for a while, or less."""
    asked = _asked(limit, scope, {"kind": "scale", "factor": times}, reason, end_of(lasts, until))
    _put(AdminPort(config, admin), asked, replace, dry_run=dry_run, as_json=as_json)


@app.command()
@scoped
def freeze(
    scope: Any,
    limit: LimitOrAll,
    lasts: ForOption = "",
    until: UntilOption = "",
    reason: ReasonOption = "",
    replace: ReplaceOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Needed to freeze all limits for everybody.")] = False,
    dry_run: DryOption = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let nothing pass: 429 `quota_frozen`, and SDKs are told not to try again. `all` is the incident switch."""
    asked = _asked(limit, scope, {"kind": "freeze"}, reason, end_of(lasts, until))
    _put(AdminPort(config, admin), asked | {"confirm": yes}, replace, dry_run=dry_run, as_json=as_json)


@app.command()
@scoped
def unlimited(
    scope: Any,
    limit: LimitOrAll,
    lasts: ForOption = "",
    until: UntilOption = "",
    reason: ReasonOption = "",
    replace: ReplaceOption = None,
    dry_run: DryOption = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Neither ask a limit nor count it."""
    asked = _asked(limit, scope, {"kind": "unlimited"}, reason, end_of(lasts, until))
    _put(AdminPort(config, admin), asked, replace, dry_run=dry_run, as_json=as_json)


@app.command()
def shadow(
    lasts: ForOption = "",
    until: UntilOption = "",
    reason: ReasonOption = "",
    replace: ReplaceOption = None,
    dry_run: DryOption = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Every entry but those of kind auth only watches: for everybody, for 24 hours at most."""
    asked = _asked("all", {}, {"kind": "shadow"}, reason, end_of(lasts, until))
    _put(AdminPort(config, admin), asked, replace, dry_run=dry_run, as_json=as_json)


@app.command()
def undo(
    override: IdArgument,
    reason: ReasonOption = "",
    revision: RevisionOption = None,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """What an override was before its last change, to the digit; one that was just set is taken back."""
    port = AdminPort(config, admin)
    _needs(reason)
    if revision is None:
        _not_undone(port, override)
    _take("POST", f"/overrides/{override}/undo", port, override, reason, revision, as_json=as_json)


@app.command()
def remove(
    override: IdArgument,
    reason: ReasonOption = "",
    revision: RevisionOption = None,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take an override back: the rules hold again."""
    _take("DELETE", f"/overrides/{override}", AdminPort(config, admin), override, reason, revision, as_json=as_json)


@app.command()
def history(
    override: Annotated[int | None, typer.Argument(help="Of this one; of all if none.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 50,
    after: Annotated[int, typer.Option(help="Only older than this revision.", min=0)] = 0,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """What was done to overrides, by whom, when and why."""
    path = "/overrides/history" if override is None else f"/overrides/{override}/history"
    found = AdminPort(config, admin).get(path, limit=limit, after=after or None)
    _print(found, text.history(found), as_json=as_json)


@app.command()
def reset(
    account: Annotated[str, typer.Argument(help="The account.")],
    limit: LimitArgument,
    model: ModelOption = "",
    country: CountryOption = "",
    reason: ReasonOption = "",
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Usage of a limit back to nothing."""
    _needs(reason)
    asked = {"limit": limit, "reason": reason, "model": model, "country": country.upper()}
    port = AdminPort(config, admin)
    found = port.send("POST", f"/accounts/{segment(account)}/limits/reset", asked).content
    measures = {} if as_json else {one["name"]: one["measure"] for one in port.get("/limits")["limits"]}
    _print(found, text.reset(found, measures.get(limit, "")), as_json=as_json)


@app.command()
@scoped
def preview(
    scope: Any,
    limit: LimitOrAll,
    capacity: CapacityOption = "",
    refill: RefillOption = "",
    every: EveryOption = "",
    times: Annotated[float | None, typer.Option("--times", help="So many times what the rules say.")] = None,
    frozen: Annotated[bool, typer.Option("--freeze", help="As if it were frozen.")] = False,
    no_limit: Annotated[bool, typer.Option("--unlimited", help="As if it were not there.")] = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Who would have been refused in the last 24 hours, or no longer. Nothing is changed."""
    numbers = {name: value for name, value in (("capacity", capacity), ("refill", refill), ("every", every)) if value}
    ways: list[dict[str, Any]] = [{"kind": "set", **numbers}] if numbers else []
    ways += [{"kind": "scale", "factor": times}] if times is not None else []
    ways += [{"kind": "freeze"}] if frozen else []
    ways += [{"kind": "unlimited"}] if no_limit else []
    if len(ways) != 1:
        fail("state one of --capacity/--refill/--every, --times, --freeze, --unlimited", 2)
    # To look does nothing to anybody, so no end is asked for.
    asked = _asked(limit, scope, ways[0], "preview", {"lasts": "1h"})
    _try(AdminPort(config, admin), asked, as_json=as_json)


# -- what they share --------------------------------------------------------------------------------------------------


def _asked(limit: str, scope: Any, change: Mapping[str, Any], reason: str, end: Mapping[str, Any]) -> dict[str, Any]:
    return {"limit": ALL if limit == "all" else limit, "scope": scope, "change": change, "reason": reason, **end}


def _put(port: AdminPort, asked: dict[str, Any], replace: int | None, *, dry_run: bool, as_json: bool) -> None:
    """Set it; with `replace`, change the one that is there for the same limit and scope."""
    if dry_run:
        _try(port, asked, as_json=as_json)
        return
    _needs(asked["reason"])
    try:
        if replace is None:
            answer = port.ask("POST", "/overrides", asked)
        else:
            number = _there(port, asked, replace)
            again = {name: asked[name] for name in ("change", "reason", "expires", "lasts", "confirm") if name in asked}
            answer = port.ask("PUT", f"/overrides/{number}", again, etag=str(replace))
    except Refused as refused:
        _refused(refused, again=replace is None)
    _changed(answer, as_json=as_json)


def _there(port: AdminPort, asked: Mapping[str, Any], replace: int) -> int:
    """The override of the same limit and scope."""
    found = port.get("/overrides", limit=asked["limit"])["overrides"]
    # By what was seen first: a scope may hold a moment, and beside shadow of all there may be another one.
    same = [one for one in found if one["revision"] == replace or one["scope"] == asked["scope"]]
    same.sort(key=lambda one: one["revision"] != replace)
    if not same:
        fail("there is none for this limit and scope that could be changed: leave --replace out")
    return int(same[0]["id"])


def _take(
    method: str, path: str, port: AdminPort, override: int, reason: str, revision: int | None, *, as_json: bool
) -> None:
    _needs(reason)
    seen = revision if revision is not None else port.get(f"/overrides/{override}")["revision"]
    try:
        answer = port.ask(method, path, {"reason": reason}, etag=str(seen))
    except Refused as refused:
        _refused(refused, again=False)
    _changed(answer, as_json=as_json)


def _not_undone(port: AdminPort, override: int) -> None:
    """Undone once more it goes forward again: that has to be meant, and not come of a command that was sent twice."""
    latest = port.get(f"/overrides/{override}/history", limit=1)["changes"]
    if latest and latest[0]["did"] == "undo":
        seen = latest[0]["revision"]
        fail(
            f"override {override} was undone already, at revision {seen}: nothing is changed. "
            f"To put back what was undone: tidegate quota undo {override} --revision {seen} --reason WHY"
        )


def _refused(refused: Refused, *, again: bool) -> NoReturn:
    """The sentence, who has changed it and to what, and what helps."""
    current = refused.content.get("current")
    lines = [str(refused)]
    fields = refused.content.get("fields")
    if isinstance(fields, dict):
        lines += [f"here: {option}" for field, option in OPTIONS.items() if field in fields]
    if isinstance(current, dict) and refused.status == 409 and again:
        lines.append(f"to change it: the same command with --replace {current['revision']}")
    elif isinstance(current, dict) and refused.status == 412:
        number = shlex.quote(str(current["id"]))
        lines.append(f"what was done to it: tidegate quota history {number}")
    fail(readable("\n".join(lines)))


def _needs(reason: str) -> None:
    if not reason.strip():
        fail(NO_REASON, 2)


def _changed(answer: Answer, *, as_json: bool) -> None:
    _print(answer.content, text.changed(answer.content), as_json=as_json)


def _try(port: AdminPort, asked: Mapping[str, Any], *, as_json: bool) -> None:
    result = tried(port, {name: value for name, value in asked.items() if name != "reason"}, quiet=as_json)
    _print(result, text.previewed(result), as_json=as_json)


def _print(found: Any, said: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else said)
