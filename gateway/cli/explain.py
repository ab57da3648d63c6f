"""`tidegate explain`: why an exchange gets the answer that it gets, entry by entry."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from gateway import dialects
from gateway.accounts import keys
from gateway.accounts.file_directory import Snapshot
from gateway.app.configuration import Configuration, read_configuration
from gateway.cli.configured import fail, fail_with
from gateway.cli.known_accounts import accounts_of, with_stored
from gateway.cli.trail import SAID, console, show_answer, show_exchange, show_trail
from gateway.edge import reply
from gateway.policies.auth.rule import judge_key
from gateway.policy import ALLOW, Action
from gateway.rehearsal.answer import Answer
from gateway.rehearsal.exchange import Exchange
from gateway.rehearsal.imagined import exchange_of
from gateway.rehearsal.places import Places, rollouts
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.suite import Request, request
from gateway.rehearsal.telling import told
from gateway.rules.problems import Problems, did_you_mean

if TYPE_CHECKING:
    from gateway.rehearsal.past import Past

CONFIG = Path("tidegate.yaml")
POLICIES = Path("policies")


def explain(
    file: Annotated[
        Path | None, typer.Argument(help="The exchange: JSON or YAML, with the keys of `tidegate schema request`.")
    ] = None,
    exchange: Annotated[str, typer.Option(help="One that happened: its id in the exchange log.")] = "",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The gateway's configuration.", envvar="TIDEGATE_CONFIG")
    ] = None,
    policies: Annotated[Path | None, typer.Option(help="A folder of policies, instead of the configuration's.")] = None,
    log: Annotated[Path | None, typer.Option(help="The exchange log's folder, instead of the configuration's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Ask each entry of the chain about one exchange: what it read, what it said, and how long that took.

    Nothing is changed and nobody is asked: buckets are full, unless the file says what is left in them, and nothing is
    held of the account from before. Of one that happened it says what was decided then, too.
    """
    if (file is None) == (not exchange):
        fail("name one exchange: a file, or --exchange and its id", 2)
    try:
        configuration = _configuration(config, optional=policies is not None)
        folder = policies or (configuration.policies if configuration is not None else POLICIES)
        with Rehearsal(folder, accounts=_snapshot(configuration)) as rehearsal:
            if file is not None:
                asked = _imagined(file, rehearsal, configuration)
                recorded = None
            else:
                past = _recorded(exchange, rehearsal, log or _log_of(configuration))
                asked, recorded = past.exchange, past.verdict._asdict()
            answer = rehearsal.ask(asked)
            data = told(answer, Places(rehearsal.ruleset))
            data["notes"] = list(rehearsal.notes)
            if recorded is not None:
                data["recorded"] = recorded
    except Problems as problems:
        fail_with(problems)
    data["answer"] = _as_the_caller_sees_it(answer, configuration)
    if as_json:
        typer.echo(json.dumps(data, indent=2))
    else:
        _show(console(), data)


def _configuration(path: Path | None, *, optional: bool) -> Configuration | None:
    if path is not None:
        return read_configuration(path, os.environ)
    if not optional and CONFIG.exists():
        return read_configuration(CONFIG, os.environ)
    return None


def _snapshot(configuration: Configuration | None) -> Snapshot | None:
    return accounts_of(configuration) if configuration is not None else None


# -- the exchange -----------------------------------------------------------------------------------------------------


def _imagined(path: Path, rehearsal: Rehearsal, configuration: Configuration | None) -> Exchange:
    document, wanted = request(path, rehearsal.ruleset)
    if wanted.enforced:
        rehearsal.reset(enforced=wanted.enforced)
    rehearsal.store.leave(wanted.counters)
    rehearsal.store.away = wanted.store == "away"
    accounts = _snapshot(configuration)
    named = wanted.account if isinstance(wanted.account, str) and wanted.account not in wanted.accounts else None
    try:
        plain = wanted.model_copy(update={"account": None}) if named is not None else wanted
        exchange = exchange_of(plain, wanted.accounts, rollouts(rehearsal.ruleset))
    except ValueError as error:
        raise Problems([document.problem((), str(error))]) from None
    if named is not None:
        if accounts is not None and configuration is not None:
            accounts = with_stored(configuration, accounts, [named])
        principal = accounts.accounts.get(named) if accounts is not None else None
        if principal is None:
            known = [*wanted.accounts, *(accounts.accounts if accounts is not None else ())]
            said = f"unknown account `{named}`{did_you_mean(named, known)}"
            if accounts is None:
                said += ": describe it under `accounts`, or give --config so that it can be looked up"
            raise Problems([document.problem(("account",), said)])
        tier = wanted.tier or principal.tier
        suspended = accounts is not None and named in accounts.suspended
        refused = exchange.refused or ("suspended_account" if suspended else "")
        return exchange._replace(principal=dataclasses.replace(principal, tier=tier), refused=refused)
    return _by_key(exchange, wanted, accounts, configuration)


def _by_key(
    exchange: Exchange, wanted: Request, accounts: Snapshot | None, configuration: Configuration | None
) -> Exchange:
    """A captured request has a key of its own: whose it is, the accounts say. It need not be proved."""
    if wanted.account is not None or "key" in wanted.model_fields_set or "tier" in wanted.model_fields_set:
        return exchange
    bearer = exchange.fields.get(b"authorization", b"").removeprefix(b"Bearer ").strip()
    prefix = keys.parse(exchange.fields.get(b"x-api-key", b"") or bearer)
    if prefix is None or accounts is None or configuration is None:
        return exchange
    accounts = with_stored(configuration, accounts, prefixes=[prefix])
    record = accounts.keys.get(prefix)
    decision = judge_key(record, record is not None, exchange.now)
    refused = "" if decision.action is Action.ALLOW else decision.reason
    return exchange._replace(principal=record.principal if record else None, refused=refused)


def _log_of(configuration: Configuration | None) -> Path:
    if configuration is None or configuration.file.exchange_log is None:
        fail("there is no exchange log: set `exchange_log` in tidegate.yaml, or name its folder with --log")
    return configuration.path.parent / configuration.file.exchange_log.folder


def _recorded(exchange: str, rehearsal: Rehearsal, folder: Path) -> Past:
    # pyarrow takes half a second to load: only who reads the log waits for it.
    import pyarrow.compute as pc  # noqa: PLC0415

    from gateway.history.columns import HistoryError  # noqa: PLC0415
    from gateway.history.reading import read  # noqa: PLC0415
    from gateway.rehearsal.past import COLUMNS, Reader  # noqa: PLC0415

    identifying = frozenset(entry.name for entry in rehearsal.ruleset.entries if entry.kind.identifies)
    try:
        tables = (table.filter(pc.equal(table.column("exchange"), exchange)) for table in read(folder, columns=COLUMNS))
        found = next((past for table in tables for past in Reader(identifying).read(table)), None)
    except HistoryError as error:
        fail(str(error))
    if found is None:
        fail(f"no exchange `{exchange}` in {folder}: ids are those of the log, and old days are removed")
    return found


# -- the answer -------------------------------------------------------------------------------------------------------


def _as_the_caller_sees_it(answer: Answer, configuration: Configuration | None) -> dict[str, Any] | None:
    """Status, fields and content of the refusal; None where the request goes on to the inference API."""
    decision, context = answer.decision, answer.context
    if decision is ALLOW:
        return None
    base = (configuration.file.public_url.rstrip("/") if configuration is not None else "") or "http://localhost"

    def linked(path: str) -> str:
        return f"{base}{path}" if path.startswith("/") else path

    limits = tuple(take.bucket.limit for take in answer.takes) if answer.remaining else ()
    dialect = dialects.of(context.method, context.path, context.fields)
    whole = reply.refuse(
        dialect,
        reply.refusal_of(decision, context.exchange, linked),
        limits=limits,
        remaining=answer.remaining,
        now=context.now,
    )
    head, _, content = whole.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return {"status": int(first.split()[1]), "line": first, "fields": lines, "content": json.loads(content)}


def _show(out: Console, data: dict[str, Any]) -> None:
    for note in data["notes"]:
        out.print(Text(f"note: {note}", "yellow"))
    show_exchange(out, data)
    if "recorded" in data:
        _show_recorded(out, data)
    out.print()
    show_trail(out, data)
    out.print()
    show_answer(out, data)


def _show_recorded(out: Console, data: dict[str, Any]) -> None:
    """What was decided then. Where today's files say something else of it alone, it is said what they do not know."""
    then = data["recorded"]
    by = "/".join(part for part in (then["entry"], then["rule"]) if part)
    said = f"{SAID[then['action']]} {then['reason']} by {by}" if by else SAID.get(then["action"], "nobody was asked")
    out.print(Text(f"then  {said}"))
    now = (data["decision"], data.get("entry", ""), data.get("rule", ""), data.get("reason", ""))
    if now != (then["action"], then["entry"], then["rule"], then["reason"]):
        out.print(
            Text(
                "note: what follows is another answer: that of today's files to this exchange alone. What stood in"
                " buckets then, and what is held of an account, is not in the log (tidegate challenge show).",
                "yellow",
            )
        )
