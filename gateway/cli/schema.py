"""`tidegate schema`: JSON Schemas of all files that people write, for editors that complete and check them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from pydantic import BaseModel

from gateway.accounts.model import AccountsFile
from gateway.cli.configured import fail
from gateway.policy import PolicyKind
from gateway.quantities import COUNT_SCHEMA, MONEY_SCHEMA
from gateway.rehearsal.key_words import meanings
from gateway.rehearsal.suite import Request, TestFile
from gateway.rules.build import policy_kinds
from gateway.rules.chain_file import ChainFile
from gateway.rules.feeds_file import FeedsFile
from gateway.rules.gateway_file import GatewayFile
from gateway.rules.prices_file import PricesFile
from gateway.rules.problems import did_you_mean

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class File(NamedTuple):
    """One kind of file."""

    model: type[BaseModel]
    where: str
    """What such a file is called."""


FILES: Final[Mapping[str, File]] = {
    "tidegate": File(GatewayFile, "tidegate.yaml"),
    "accounts": File(AccountsFile, "accounts.yaml"),
    "chain": File(ChainFile, "policies/chain.yaml"),
    "feeds": File(FeedsFile, "policies/feeds.yaml"),
    "prices": File(PricesFile, "policies/prices.yaml"),
    "tests": File(TestFile, "policies/tests/*.yaml"),
    "request": File(Request, "the file of `tidegate explain`"),
}


def schema(
    what: Annotated[str, typer.Argument(help="A file, or a kind of policy; the list of all if not stated.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write WHAT.json (or all of them) into this folder.")] = None,
) -> None:
    """JSON Schemas (2020-12), so that an editor completes and checks what is written.

    Put a line at the top of a file, for every editor with yaml-language-server:

    # yaml-language-server: $schema=schemas/chain.json
    """
    kinds = policy_kinds()
    files = files_of(kinds)
    if what and what not in files:
        fail(f"there is no schema `{what}`{did_you_mean(what, files) or ': there are ' + ', '.join(files)}", 2)
    if out is not None:
        _write(out, [what] if what else list(files), files, kinds)
    elif what:
        typer.echo(json.dumps(schema_of(files[what].model, what, kinds), indent=2))
    else:
        for name, file in files.items():
            typer.echo(f"{name:12} {file.where}")
        typer.echo("\nWrite them all:  tidegate schema --out schemas")
        typer.echo("Then each file names its own in its first line, by a path from where it stands:")
        typer.echo("  # yaml-language-server: $schema=../schemas/chain.json")


def files_of(kinds: Mapping[str, PolicyKind[Any]]) -> dict[str, File]:
    """Name -> file, with one for each kind that is installed."""
    own = {name: File(kind.config, f"policies/{name}.yaml") for name, kind in sorted(kinds.items())}
    return {**FILES, **own, **FILES}


def _write(out: Path, names: list[str], files: Mapping[str, File], kinds: Mapping[str, PolicyKind[Any]]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in names:
            text = json.dumps(schema_of(files[name].model, name, kinds), indent=2)
            (out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror or error}")
    typer.echo("Put the line at the top of each file, with the path from there:")
    for name in names:
        typer.echo(f"{files[name].where:32} # yaml-language-server: $schema={(out / f'{name}.json').as_posix()}")


# -- the schema -------------------------------------------------------------------------------------------------------


def schema_of(model: type[BaseModel], name: str, kinds: Mapping[str, PolicyKind[Any]]) -> dict[str, Any]:
    """As pydantic makes it, with what the docstrings say of each key, and as strict as `tidegate check` where a schema
    can be. What takes two keys to see is left to `check`.
    """
    found = model.model_json_schema(mode="validation")
    by_name = {one.__name__: one for one in _models(model)}
    for title, part in [(model.__name__, found), *found.get("$defs", {}).items()]:
        one = by_name.get(title)
        if one is not None:
            _describe(part, one)
    _tidy(found)
    if model is PricesFile:
        found["required"] = ["default"]
    if model is ChainFile:
        found["$defs"]["ChainEntry"]["properties"]["kind"]["enum"] = sorted(kinds)
    return {"$schema": DIALECT, "title": name, **{key: value for key, value in found.items() if key != "title"}}


def _models(model: type[BaseModel]) -> set[type[BaseModel]]:
    """Itself, and all that stand in it."""
    seen: set[type[BaseModel]] = set()
    waiting: list[Any] = [model]
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            if one not in seen:
                seen.add(one)
                for field in one.model_fields.values():
                    waiting += [field.annotation, *field.metadata]
        elif one is not None:
            # What may be written where that is more than what it becomes, and what a type is made of.
            waiting += [getattr(one, "json_schema_input_type", None), *getattr(one, "__args__", ())]
            waiting += getattr(one, "__metadata__", ())
    return seen


def _describe(part: dict[str, Any], model: type[BaseModel]) -> None:
    said = meanings(model)
    for key, written in part.get("properties", {}).items():
        field = next((name for name, info in model.model_fields.items() if key in {name, info.alias}), key)
        if field in said:
            written["description"] = said[field]


def _tidy(part: Any) -> None:
    """Leave out what pydantic makes up, and what is not as it would be written."""
    if isinstance(part, list):
        for one in part:
            _tidy(one)
    if not isinstance(part, dict):
        return
    # A list that names one thing twice is read as a set all the same.
    part.pop("uniqueItems", None)
    if part.get("type") == ["number", "string"]:
        # A limit's amount: a count, or money.
        del part["type"]
        part["anyOf"] = [*COUNT_SCHEMA["anyOf"], *MONEY_SCHEMA["anyOf"]]
    if "patternProperties" in part:
        part.setdefault("additionalProperties", False)
    if "default" in part and not _is_as_written(part):
        del part["default"]
    for key, value in part.items():
        if key in {"properties", "$defs", "patternProperties"}:
            for one in value.values():
                if isinstance(one.get("title"), str) and key == "properties":
                    del one["title"]
                _tidy(one)
        elif key not in {"enum", "default", "const", "required"}:
            _tidy(value)


def _is_as_written(part: Mapping[str, Any]) -> bool:
    default = part["default"]
    if default in (None, "", [], {}):
        return False
    return not (isinstance(default, float) and part.get("type") == "string") and not isinstance(default, dict)
