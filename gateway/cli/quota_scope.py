"""Options of `tidegate quota` that say for whom and until when, and what they come to."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.app.clocks import wall
from gateway.cli.configured import fail
from gateway.quantities import duration

NOBODY: Final = (
    "for whom? state --account, --cluster, --organisation, --tier, --model, --country or --new-since; or --everybody"
)

AccountOption = Annotated[str, typer.Option("--account", help="Of this account.")]
ClusterOption = Annotated[
    Path | None, typer.Option("--cluster", help="A file with an account a line: accounts that act as one.")
]
OrganisationOption = Annotated[str, typer.Option("--organisation", help="Of this organisation's accounts.")]
TierOption = Annotated[str, typer.Option("--tier", help="Of accounts on this tier.")]
ModelOption = Annotated[str, typer.Option("--model", help="For this model: a name, or a pattern such as 'm-*'.")]
CountryOption = Annotated[str, typer.Option("--country", help="For calls from there: ISO 3166-1 alpha-2, such as NO.")]
NewOption = Annotated[str, typer.Option("--new-since", help="Of new accounts: made since then, such as 24h or a time.")]
EverybodyOption = Annotated[bool, typer.Option("--everybody", help="Of all; to be said, so that it is meant.")]
ForOption = Annotated[str, typer.Option("--for", help="How long: 90s, 15m, 2h, 1d. Until taken back if not stated.")]
UntilOption = Annotated[str, typer.Option("--until", help="Until then: 14:00 or 2026-11-21T14:00, UTC.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why: it stands in the audit for good.")]
ReplaceOption = Annotated[
    int | None,
    typer.Option("--replace", help="Change the override that is there: its revision, as you have seen it."),
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only show who would have noticed in the last 24 hours.")]


def scope_of(
    *,
    account: str,
    cluster: Path | None,
    organisation: str,
    tier: str,
    model: str,
    country: str,
    new: str,
    everybody: bool,
) -> dict[str, Any]:
    """As the API has it. Ends with a sentence where nobody is meant."""
    found: dict[str, Any] = {
        "account": account, "organisation": organisation, "tier": tier, "model": model, "country": country.upper()
    }  # fmt: skip
    found = {name: value for name, value in found.items() if value}
    if cluster is not None:
        found["accounts"] = _accounts(cluster)
    if new:
        found["created_after"] = moment(new, "--new-since", past=True)
    if bool(found) == everybody:
        fail("--everybody stands beside somebody: state either" if everybody else NOBODY, 2)
    return found


def end_of(lasts: str, until: str) -> dict[str, float | str]:
    """`lasts`, by the gateway's clock, or `expires`, or nothing."""
    if lasts and until:
        fail("state --for or --until, not both", 2)
    if lasts:
        try:
            duration(lasts)
        except ValueError as error:
            fail(f"--for {lasts}: {error}", 2)
        return {"lasts": lasts}
    return {"expires": moment(until, "--until")} if until else {}


def moment(written: str, option: str, *, past: bool = False) -> float:
    """Unix time of a time in UTC; of `14:00` the next one; for what is past, a duration back from now as well."""
    now = wall()
    if past:
        try:
            return now - duration(written)
        except ValueError:
            pass
    try:
        clock = dt.time.fromisoformat(written)
        today = dt.datetime.fromtimestamp(now, dt.UTC).date()
        found = dt.datetime.combine(today, clock, dt.UTC).timestamp()
        return found if found > now else found + 86400.0
    except ValueError:
        pass
    try:
        parsed = dt.datetime.fromisoformat(written)
    except ValueError:
        fail(f"{option} {written}: must be a time in UTC, such as 14:00 or 2026-11-21T14:00", 2)
    return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)).timestamp()


def _accounts(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"--cluster {path}: {error}")
    found = sorted({line.strip() for line in lines if line.strip() and not line.startswith("#")})
    if not found:
        fail(f"--cluster {path}: there is no account in it")
    return found


def scoped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of a scope in the place of its `scope`."""
    own = inspect.signature(command, eval_str=True)
    options: dict[str, tuple[Any, Any]] = {
        "account": (AccountOption, ""), "cluster": (ClusterOption, None), "organisation": (OrganisationOption, ""),
        "tier": (TierOption, ""), "model": (ModelOption, ""), "country": (CountryOption, ""), "new": (NewOption, ""),
        "everybody": (EverybodyOption, False),
    }  # fmt: skip

    def whole(**stated: Any) -> None:
        scope = scope_of(**{name: stated.pop(name) for name in options})
        command(scope=scope, **stated)

    keyword = inspect.Parameter.KEYWORD_ONLY
    kept = [one for one in own.parameters.values() if one.name != "scope"]
    made = [
        inspect.Parameter(name, keyword, default=default, annotation=kind) for name, (kind, default) in options.items()
    ]
    parameters = [one.replace(kind=keyword) for one in kept] + made
    whole.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    whole.__annotations__ = {one.name: one.annotation for one in parameters}
    whole.__doc__, whole.__name__ = command.__doc__, command.__name__
    return whole
