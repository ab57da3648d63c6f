"""docs/configuration.md and the rooms' READMEs name every key with its true default, every metric, every log field."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from pathlib import Path
from typing import Annotated, Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from gateway.accounts.model import AccountEntry, AccountsFile, KeyEntry
from gateway.edge.ended import line_of
from gateway.policies.auth.config import AuthConfig, Issuer
from gateway.policies.geo import config as geo
from gateway.policies.quota.config import LimitConfig, QuotaConfig
from gateway.policies.rules import config as rules
from gateway.rules.chain_file import ChainEntry, ChainFile
from gateway.rules.gateway_file import (
    CaptchaFile,
    DetectorFile,
    DirectoryFile,
    ExchangeLogFile,
    GatewayFile,
    MailFile,
    NoticesFile,
    OidcFile,
    OperatorsFile,
    ProviderFile,
    RouteFile,
    SizesFile,
    TimeoutsFile,
    TlsFile,
    UpstreamFile,
)
from gateway.rules.prices_file import Price
from gateway.rules.scalars import meaning
from gateway.stores.redis.store import Counts
from gateway.telemetry import detection
from gateway.telemetry.counters import Counters
from gateway.telemetry.exposition import render
from tests.docs.pages import ROOT, blocks, rows, section, text_of

PAGE: Final = ROOT / "docs" / "configuration.md"
ROOMS: Final = ROOT / "gateway" / "policies"

MODELS: Final[list[tuple[type[BaseModel], Path, str]]] = [
    (GatewayFile, PAGE, "tidegate.yaml"),
    (TlsFile, PAGE, "tls"),
    (DirectoryFile, PAGE, "directory"),
    (ProviderFile, PAGE, "providers"),
    (CaptchaFile, PAGE, "captchas"),
    (NoticesFile, PAGE, "notices"),
    (MailFile, PAGE, "mail"),
    (OperatorsFile, PAGE, "operators"),
    (OidcFile, PAGE, "oidc"),
    (UpstreamFile, PAGE, "upstreams"),
    (RouteFile, PAGE, "routes"),
    (TimeoutsFile, PAGE, "timeouts"),
    (SizesFile, PAGE, "sizes"),
    (ExchangeLogFile, PAGE, "exchange_log"),
    (DetectorFile, PAGE, "detector"),
    (AccountsFile, PAGE, "accounts.yaml"),
    (AccountEntry, PAGE, "accounts.yaml"),
    (KeyEntry, PAGE, "accounts.yaml"),
    (ChainFile, PAGE, "policies/chain.yaml"),
    (ChainEntry, PAGE, "policies/chain.yaml"),
    (Price, PAGE, "policies/prices.yaml"),
    (QuotaConfig, ROOMS / "quota" / "README.md", "Keys of the file"),
    (LimitConfig, ROOMS / "quota" / "README.md", "Keys of the file"),
    (geo.GeoConfig, ROOMS / "geo" / "README.md", "Keys of the file"),
    (geo.Answer, ROOMS / "geo" / "README.md", "Keys of the file"),
    (geo.Countries, ROOMS / "geo" / "README.md", "Keys of the file"),
    (geo.Asns, ROOMS / "geo" / "README.md", "Keys of the file"),
    (geo.Networks, ROOMS / "geo" / "README.md", "Keys of the file"),
    (geo.Unknown, ROOMS / "geo" / "README.md", "Keys of the file"),
    (geo.Mismatch, ROOMS / "geo" / "README.md", "Keys of the file"),
    (geo.Travel, ROOMS / "geo" / "README.md", "Keys of the file"),
    (geo.CountriesSeen, ROOMS / "geo" / "README.md", "Keys of the file"),
    (geo.Rule, ROOMS / "geo" / "README.md", "Keys of the file"),
    (rules.RulesConfig, ROOMS / "rules" / "README.md", "Keys of the file"),
    (rules.RuleConfig, ROOMS / "rules" / "README.md", "Keys of the file"),
    (rules.ThrottleConfig, ROOMS / "rules" / "README.md", "Keys of the file"),
    (AuthConfig, ROOMS / "auth" / "README.md", "Keys of the file"),
    (Issuer, ROOMS / "auth" / "README.md", "Keys of the file"),
]
"""A model of the YAML, and the section whose tables name its keys."""

FIELDS: Final = [
    pytest.param(page, heading, key, field, id=f"{model.__name__}.{key}")
    for model, page, heading in MODELS
    for key, field in model.model_fields.items()
]


def _default(written: str, field: FieldInfo) -> Any:
    """What a default in a table means, read as the YAML would be."""
    items = re.fullmatch(r"\[(.*)\]", written)
    value: Any = [meaning(item) for item in items[1].split(", ")] if items else meaning(written)
    # The field's whole annotation: the validators that read a quantity stand in its metadata.
    annotation: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)


@pytest.mark.parametrize(("page", "heading", "key", "field"), FIELDS)
def test_a_key_stands_in_its_table_with_its_default(page: Path, heading: str, key: str, field: FieldInfo) -> None:
    """A key that is not on the page does not exist for the people who write the file, and a wrong default misleads."""
    table = rows(section(page, heading))
    assert key in table, f"{key} is not in a table of {heading}"
    written = table[key][0]
    if field.is_required():
        assert written == "required"
    elif written.startswith("`"):
        assert _default(written.strip("`"), field) == field.get_default(call_default_factory=True)
    else:
        # Words: nothing, all, a section of its own, or another key's value.
        empty = field.get_default(call_default_factory=True)
        assert empty in (None, "", (), frozenset(), {}) or isinstance(empty, BaseModel), "the default is not stated"
        assert written in {"", "none", "all"} or re.match(r"as `|the capacity$", written)


@pytest.mark.parametrize(
    ("heading", "models"),
    [
        ("tidegate.yaml", [GatewayFile]),
        ("tls", [TlsFile]),
        ("captchas", [CaptchaFile]),
        ("notices", [NoticesFile]),
        ("operators", [OperatorsFile]),
        ("oidc", [OidcFile]),
        ("upstreams", [UpstreamFile]),
        ("routes", [RouteFile]),
        ("timeouts", [TimeoutsFile]),
        ("sizes", [SizesFile]),
        ("exchange_log", [ExchangeLogFile]),
        ("detector", [DetectorFile]),
        ("accounts.yaml", [AccountsFile, AccountEntry, KeyEntry]),
        ("policies/chain.yaml", [ChainFile, ChainEntry]),
        ("policies/prices.yaml", [Price]),
    ],
)
def test_no_key_is_made_up(heading: str, models: list[type[BaseModel]]) -> None:
    """A key on the page is a key of the file."""
    assert set(rows(section(PAGE, heading))) == {key for model in models for key in model.model_fields}


RULES: Final[dict[str, Any]] = {"reloads": {"applied": 1}, "last_success": 1.0, "files": "in_force", "lists": []}
"""As the supervisor tells it."""


def test_every_metric_is_on_the_page() -> None:
    """Metrics are part of the API: each is named with its labels, and none that is not there."""
    snapshot = _snapshot()
    told = {}
    for family in text_string_to_metric_families(render([snapshot], rules=RULES, detectors=[_detector()]).decode()):
        full = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        told[full] = labels
    table = rows(section(PAGE, "Health, readiness, metrics"))
    written = {
        metric: {label.strip() for label in cells[0].split(",") if label.strip()}
        for metric, cells in table.items()
        if metric.startswith("tidegate_")
    }
    assert written == told


def _snapshot() -> dict[str, Any]:
    """As a worker tells it, with one of everything, so that labels show."""
    counters = Counters()
    counters.exchanges["openai", "chat.completions", 200, ""] = 1
    counters.note_malformed("malformed_request")
    counters.note_upstream("inference", "closed")
    counts = Counts()
    return counters.snapshot() | {
        "connections": 0,
        "body_bytes": 0,
        "store_available": 1,
        "store": {name: getattr(counts, name) for name in counts.__slots__},
        "sightings": {"told": 1, "learnt": 0, "dropped": 0, "unreadable": 0, "failures": 0},
        "networks": {"told": 1},
        "refusals": {"told": 1},
        "verdicts": {"learnt": 1},
        "challenges": [["captcha/usual", "asked", 1]],
        "challenge_answers": [["altcha", "passed", 1]],
        "challenge_events": {"changes": 1},
        "policy_failures": [["auth", "decide", 1]],
        "matched": [["rules", "embargo", "deny", "embargo", True, 1]],
        "feeds": [["country", 1.0, False]],
        "directory": {"lookups": 1},
        "directory_available": 1,
        "directory_accounts": 0,
        "webhooks": [["identity", "stored", 1]],
        "overrides": {"revision": 1, "kinds": {"freeze": 1}},
        "traces_dropped": 0,
        "draining": 0,
        "digest": "d",
        "generation": 1,
    }


def _detector() -> dict[str, Any]:
    """As one tells of itself."""
    numbers = [key for key, _ in (*detection.GAUGES.values(), *detection.COUNTERS.values())]
    return {"name": "here:1", "leader": True, "levels": {"challenge": 1}} | dict.fromkeys(numbers, 1)


def _keys_of_lines() -> set[str]:
    """Every key that may stand in an access line."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(line_of)))):
        if isinstance(node, ast.Dict):
            found |= {str(key.value) for key in node.keys if isinstance(key, ast.Constant)}
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            found.add(str(node.slice.value))
    return found


def test_every_field_of_a_log_line_is_on_the_page() -> None:
    """People filter and alarm on access lines: each field is explained, and none that is not written."""
    assert set(rows(section(PAGE, "Access lines"))) == _keys_of_lines()
    shown = [set(json.loads(block.text)) for block in blocks("json", pages=[PAGE])]
    assert shown
    assert all(keys <= _keys_of_lines() for keys in shown)


def test_every_event_of_upstreams_is_on_the_page() -> None:
    """The words of `tidegate_upstream_events_total` are those that the code says."""
    text = "".join(text_of(path) for path in (ROOT / "gateway" / "edge").glob("*.py"))
    said = set(re.findall(r"\bnote(?:_failure)?\(\"(\w+)\"", text))
    assert said >= {"connect_failed", "closed_early"}, "the search sees nothing"
    cell = rows(section(PAGE, "Health, readiness, metrics"))["tidegate_upstream_events_total"][-1]
    assert {word for word in said if word not in cell} == set()


def test_every_variable_is_on_the_page() -> None:
    """What the program reads from its environment by name is on the page."""
    spelled = re.compile(r"""envvar="(\w+)"|environ(?:ment)?\.get\("(\w+)"|\] = "(TIDEGATE_\w+)\"""")
    sources = (ROOT / "gateway").rglob("*.py")
    read = {word for source in sources for found in spelled.findall(text_of(source)) for word in found if word}
    assert read >= {"TIDEGATE_CONFIG", "REDIS_URL", "TIDEGATE_PEPPER"}, "the search sees nothing"
    assert read <= set(rows(section(PAGE, "Environment")))
