"""The commands of `tidegate account` that say whose an account is, and what its owner has shown."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.accounts.sql.accounts import NoSuch, row
from gateway.cli.configured import ConfigOption
from gateway.cli.directory_access import Access, JsonOption, ReasonOption, asked, end, opened
from gateway.cli.ladder_access import limits_of
from gateway.control import account_changes as changes
from gateway.control.account_shapes import EvidenceShape, FallShape, LinksShape, MemberShape, SignInShape
from gateway.control.account_shown import NEAR, when
from gateway.control.owner.place import link_path

CONFIG = Path("tidegate.yaml")
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The account.")]
LONGEST_LINE = 4096


class Evidence(enum.StrEnum):
    ADD = "add"
    WITHDRAW = "withdraw"


class Fall(enum.StrEnum):
    ADD = "add"
    CLEAR = "clear"


def evidence(
    account: IdArgument,
    change: Evidence,
    kind: Annotated[str, typer.Argument(help="Such as email, phone, payment, document.")],
    reason: ReasonOption,
    expires: Annotated[str, typer.Option(help="When it ends by itself: 365d, or 2027-01-31.")] = "",
    reference: Annotated[str, typer.Option(help="What another system calls it.")] = "",
    config: ConfigOption = CONFIG,
) -> None:
    """Say that an account has shown something, or that it no longer counts."""
    values = {"kind": kind, "expires": end(expires, "--expires"), "reference": reference, "reason": reason}
    shown = asked(EvidenceShape, values, {"kind": "KIND"})
    with opened(config) as access:
        if change is Evidence.ADD:
            new = _is_new(access, account)
            access.write(lambda writing: changes.add_evidence(writing, account, shown))
            over = shown.expires is not None and shown.expires.timestamp() <= access.database.now()
            typer.echo(f"account {account} has shown: {kind}{', which is over already' if over else ''}{new}")
        else:
            access.write(lambda writing: changes.withdraw_evidence(writing, account, kind, shown.reason))
            typer.echo(f"account {account} no longer has: {kind}")


def fall(
    account: IdArgument,
    change: Fall,
    reason: Annotated[str, typer.Argument(help="Such as chargeback, analyst.")],
    note: Annotated[str, typer.Option(help="Why. It stands in the audit for good.")] = "",
    lasts: Annotated[str | None, typer.Option("--for", help="Until it is cleared, if not stated.")] = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Lower an account for a reason, or take that back."""
    names = {"fall": "REASON", "reason": "--note", "lasts": "--for"}
    fell = asked(FallShape, {"fall": reason, "reason": note, "lasts": lasts}, names)
    with opened(config) as access:
        if change is Fall.ADD:
            new = _is_new(access, account)
            access.write(lambda writing: changes.add_fall(writing, account, fell))
            typer.echo(f"account {account} has fallen for: {reason}{new}")
        else:
            access.write(lambda writing: changes.clear_fall(writing, account, reason, fell.reason))
            typer.echo(f"account {account} has no longer fallen for: {reason}")


def link_attribute(
    account: IdArgument,
    kind: Annotated[str, typer.Argument(help="Such as payment, device, phone, email_domain.")],
    value: Annotated[str, typer.Argument(help="What identifies; `-` to read it from standard input.")],
    source: Annotated[str, typer.Option(help="Which system says so.")] = "",
    config: ConfigOption = CONFIG,
) -> None:
    """Say what an account may have in common with others. Only a keyed hash of it is kept."""
    given = _given(value)
    names = {"links.0.kind": "KIND", "links.0.value": "VALUE"}
    links = asked(LinksShape, {"links": [{"kind": kind, "value": given}], "source": source}, names)
    with opened(config) as access:
        new = _is_new(access, account)
        limits = limits_of(access.configuration)
        done = access.write(lambda writing: changes.add_links(writing, access.secrets, account, links, limits))
    typer.echo(f"account {account} is linked by: {kind}{new}")
    if len(done.identity) > 1:
        typer.echo(f"the same people are behind: {', '.join(one for one in done.identity[:NEAR] if one != account)}")
    if done.over:
        typer.echo(f"account {account} has fallen for: identity")


def member(
    account: IdArgument,
    address: Annotated[str, typer.Argument(help="An e-mail address; `-` to read it from standard input.")],
    config: ConfigOption = CONFIG,
) -> None:
    """Say who may sign in: whoever answers from an address. Only a keyed hash of it is kept."""
    who = asked(MemberShape, {"address": _given(address)}, {"address": "ADDRESS"})
    with opened(config) as access:
        access.write(lambda writing: changes.add_member(writing, access.secrets, account, who))
    typer.echo(f"account {account}: whoever answers from this address may sign in")


def link(
    account: IdArgument,
    expires: Annotated[str, typer.Option(help="How long it works, at most 7d.")] = "15m",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """A link with which the account's owner signs in, once. Whoever has it is the owner: send it with care."""
    wanted = asked(SignInShape, {"lasts": expires}, {"lasts": "--expires"})
    with opened(config) as access:
        token, ends = access.write(lambda writing: changes.sign_in_token(writing, access.secrets, account, wanted))
        public = access.configuration.file.public_url.rstrip("/")
    url = f"{public}{link_path(token)}"
    if as_json:
        typer.echo(json.dumps({"url": url, "expires": when(ends)}))
        return
    typer.echo(url)
    if not public:
        typer.echo("set public_url in tidegate.yaml: this is a path on the gateway", err=True)


def _given(value: str) -> str:
    """What identifies need stand in no history of a shell."""
    return sys.stdin.readline(LONGEST_LINE).rstrip("\r\n") if value == "-" else value


def _is_new(access: Access, account: str) -> str:
    """Something is remembered of accounts that only tokens have named so far; and of a misspelt one, which is said."""
    try:
        access.read(lambda connection: row(connection, account))
    except NoSuch:
        return " (nothing was known of this account: it is made)"
    return ""
