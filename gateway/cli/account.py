"""`tidegate account`: make, look at and change accounts in the directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.accounts.sql import accounts
from gateway.cli import account_bulk, account_standing
from gateway.cli.account_text import details, page_text, text
from gateway.cli.columns import aligned, moment
from gateway.cli.configured import ConfigOption
from gateway.cli.directory_access import Access, JsonOption, ReasonOption, asked, opened
from gateway.cli.ladder_access import ladder_of
from gateway.control import account_changes as changes
from gateway.control.account_shapes import AccountShape, MoveShape, PageShape, WhyShape
from gateway.control.account_shown import audit_of, listed, shown

app = typer.Typer(help="Make, look at and change accounts in the directory.", no_args_is_help=True)

CONFIG = Path("tidegate.yaml")
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The account.")]


@app.command()
def create(
    account: IdArgument,
    organisation: Annotated[str, typer.Option(help="What it belongs to; made where it is new.")] = "",
    tier: Annotated[str, typer.Option(help="Assigned; what evidence earns, if not stated.")] = "",
    name: Annotated[str, typer.Option(help="For people.")] = "",
    email_domain: Annotated[str, typer.Option(help="Of its owner's address.")] = "",
    country: Annotated[str, typer.Option(help="Where it was made, such as NO.")] = "",
    billing_country: Annotated[str, typer.Option(help="Where it pays from.")] = "",
    key: Annotated[bool, typer.Option("--key", help="With a key, which is shown this once.")] = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make an account."""
    values: dict[str, Any] = {
        "id": account, "organisation": organisation, "tier": tier, "name": name, "email_domain": email_domain,
        "signup_country": country, "billing_country": billing_country, "key": {} if key else None,
    }  # fmt: skip
    new = asked(AccountShape, values, {"id": "ID", "signup_country": "--country"})
    with opened(config) as access:
        minted = access.write(lambda writing: changes.create(writing, access.secrets, new, {}))
    if as_json:
        typer.echo(json.dumps({"id": account} | ({"key": minted.key, "prefix": minted.prefix} if minted else {})))
        return
    typer.echo(f"account {account} is made")
    if minted is not None:
        typer.echo(f"\nIts key, shown this once:\n\n  {minted.key}")


@app.command("list")
def list_(
    tier: Annotated[str | None, typer.Option(help='Assigned; "" for those to whom none is.')] = None,
    organisation: Annotated[str | None, typer.Option()] = None,
    suspended: Annotated[bool | None, typer.Option("--suspended/--not-suspended")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    after: Annotated[str, typer.Option(help="From this account on: the next page.")] = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Accounts by id, a page at a time."""
    values = {"tier": tier, "organisation": organisation, "suspended": suspended, "limit": limit, "after": after}
    page = asked(PageShape, values)
    with opened(config) as access:
        found, following = access.read(lambda connection: listed(connection, page))
    if as_json:
        typer.echo(json.dumps({"accounts": found, "next": following or None}, ensure_ascii=False))
        return
    typer.echo(page_text(found))
    if following:
        typer.echo(f"there are more: --after {following}", err=True)


@app.command()
def show(account: IdArgument, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Everything that is known of an account, and where it stands."""
    with opened(config) as access:
        ladder, now = ladder_of(access.configuration), access.database.now()
        found = access.read(lambda connection: shown(connection, account, now, ladder))
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else text(found))


@app.command()
def suspend(account: IdArgument, reason: ReasonOption, config: ConfigOption = CONFIG) -> None:
    """Refuse it from now on, whatever its key: on every worker, within a second."""
    why = asked(WhyShape, {"reason": reason})
    with opened(config) as access:
        access.write(lambda writing: accounts.suspend(writing, account, why.reason))
    typer.echo(f"account {account} is suspended")


@app.command()
def restore(account: IdArgument, reason: ReasonOption, config: ConfigOption = CONFIG) -> None:
    """Take a suspension back."""
    why = asked(WhyShape, {"reason": reason})
    with opened(config) as access:
        access.write(lambda writing: accounts.restore(writing, account, why.reason))
    typer.echo(f"account {account} is no longer suspended")


@app.command()
def move(
    account: IdArgument,
    reason: ReasonOption,
    tier: Annotated[str | None, typer.Option(help='At least this; "" for what evidence earns.')] = None,
    organisation: Annotated[str | None, typer.Option(help='"" for none.')] = None,
    lasts: Annotated[str | None, typer.Option("--for", help="The tier ends after that, such as 7d.")] = None,
    config: ConfigOption = CONFIG,
) -> None:
    """To another tier, for good or for a while, or to another organisation.

    A tier is a floor: evidence may lift the account above it. What holds it down is `account fall`.
    """
    values = {"tier": tier, "organisation": organisation, "lasts": lasts, "reason": reason}
    where = asked(MoveShape, values, {"lasts": "--for"})
    with opened(config) as access:
        access.write(lambda writing: changes.move(writing, account, where))
        stays = _stays(access, account, tier) if tier else ""
    to = [f"tier {tier or 'by evidence'}{f' for {lasts}' if lasts else ''}"] if tier is not None else []
    to += [f"organisation {organisation or 'none'}"] if organisation is not None else []
    typer.echo(f"account {account}: {', '.join(to)}")
    if stays:
        typer.echo(stays)


def _stays(access: Access, account: str, tier: str) -> str:
    """Why it does not stand on the tier that was assigned; empty where it does, or where that is no rung."""
    ladder, now = ladder_of(access.configuration), access.database.now()
    if ladder is None or ladder.index(tier) is None:
        return ""
    stands = access.read(lambda connection: shown(connection, account, now, ladder))["standing"]
    if stands["tier"] == tier:
        return ""
    if stands["fell"]:
        return f"it stands on {stands['tier']}: it has fallen for {stands['fell']}"
    down = f"to hold it down: tidegate account fall {account} add analyst"
    return f"it stands on {stands['tier']}, which its evidence has earned; {down}"


@app.command()
def audit(
    account: IdArgument,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many lines.")] = 50,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Who changed what, the newest first. Also of accounts that are erased, by their pseudonym."""
    with opened(config) as access:
        lines = access.read(lambda connection: audit_of(connection, account, limit))
        if not lines:
            raise accounts.NoSuch(f"nothing was ever done to an account `{account}`")
    if as_json:
        typer.echo(json.dumps(lines, ensure_ascii=False))
        return
    rows = [(moment(line["at"]), line["who"], line["did"], details(line["detail"])) for line in lines]
    typer.echo(aligned(("at", "who", "did", "detail"), rows))


app.command("evidence")(account_standing.evidence)
app.command("fall")(account_standing.fall)
app.command("link-attribute")(account_standing.link_attribute)
app.command("member")(account_standing.member)
app.command("link")(account_standing.link)
app.command("import")(account_bulk.import_)
app.command("export")(account_bulk.export_)
app.command("erase")(account_bulk.erase_)
