"""`tidegate schema`: what an editor is told is what our own reader says, as far as a schema can."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from gateway import quantities
from gateway.cli.schema import FILES, files_of, schema_of
from gateway.policy import PolicyKind
from gateway.rules.build import policy_kinds
from gateway.rules.read import parse
from tests.cli.run import tidegate
from tests.corpus.cases import BASE, GOOD, HERE
from tests.corpus.cases import files_of as files_of_case

KINDS = policy_kinds()
ALL = files_of(KINDS)
SCHEMAS = {name: schema_of(file.model, name, KINDS) for name, file in ALL.items()}
ROOT = HERE.parents[1]


def name_of(path: str) -> str:
    """The schema for a file of a folder of policies."""
    if path.startswith("tests/"):
        return "tests"
    stem = Path(path).stem
    return {"flood": "quota"}.get(stem, stem)


def errors(name: str, text: str) -> list[str]:
    """What the schema says of a file."""
    document = parse(Path("file.yaml"), text.encode())
    validator = jsonschema.Draft202012Validator(SCHEMAS[name])
    return [error.message for error in validator.iter_errors(document.data)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_a_schema(name: str) -> None:
    """Of the dialect that it states, and every key has a word of explanation."""
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema


GOOD_FILES = [
    *[(case.stem, file, text) for case in GOOD for file, text in files_of_case(case).items()],
    *[(f"base {path.stem}", path.name, path.read_text()) for path in sorted(BASE.glob("*.yaml"))],
    *[(f"shipped {path.stem}", path.name, path.read_text()) for path in sorted((ROOT / "policies").glob("*.yaml"))],
    *[
        (f"cookbook {path.parent.name} {path.stem}", path.name, path.read_text())
        for path in sorted((ROOT / "docs" / "policies" / "cookbook").glob("*/*.yaml"))
    ],
]


KNOWN_FILES = [row for row in GOOD_FILES if name_of(row[1]) in SCHEMAS]
"""But for those of entries that have a name of their own."""


@pytest.mark.parametrize(("file", "text"), [row[1:] for row in KNOWN_FILES], ids=[row[0] for row in KNOWN_FILES])
def test_what_is_good_is_good_in_an_editor(file: str, text: str) -> None:
    """Nothing that `check` takes is underlined."""
    assert errors(name_of(file), text) == []


WRONG = {
    "unknown-key": ("rules", "rules: [{name: a, when: request.streaming, action: deny, reson: a}]"),
    "unknown-action": ("rules", "rules: [{name: a, when: request.streaming, action: denny}]"),
    "missing-key": ("chain", "chain: [{name: a, kind: auth}]"),
    "unknown-kind": ("chain", "chain: [{name: a, kind: quotas, on_failure: deny}]"),
    "wrong-on-failure": ("chain", "chain: [{name: a, kind: auth, on_failure: open}]"),
    "number-for-percentage": ("chain", "chain: [{name: a, kind: auth, on_failure: deny, rollout: 5}]"),
    "too-many-percent": ("chain", "chain: [{name: a, kind: auth, on_failure: deny, rollout: 101%}]"),
    "name-with-capitals": ("chain", "chain: [{name: Auth, kind: auth, on_failure: deny}]"),
    "duration-without-unit": (
        "quota",
        "limits: [{name: a, measure: requests, per: [account], capacity: 1, every: 60}]",
    ),
    "duration-in-words": (
        "quota",
        "limits: [{name: a, measure: requests, per: [account], capacity: 1, every: 1 minute}]",
    ),
    "count-in-words": ("quota", "limits: [{name: a, measure: requests, per: [account], capacity: ten}]"),
    "unknown-measure": ("quota", "limits: [{name: a, measure: tokens, per: [account], capacity: 1}]"),
    "no-dimension": ("quota", "limits: [{name: a, measure: requests, per: [], capacity: 1}]"),
    "weight-too-large": ("quota", "limits: [{name: a, measure: requests, per: [key], capacity: 1, cached_weight: 2}]"),
    "list-of-unknown-kind": ("feeds", "lists: {a: {kind: ips, items: []}}"),
    "list-with-hyphen": ("feeds", "lists: {a-b: {kind: asns, items: []}}"),
    "no-default-price": ("prices", "m-large: {input: 1, output: 1}"),
    "price-in-euro": ("prices", "default: {input: 1€, output: 1}"),
    "truth-in-words": ("auth", "api_keys: yes"),
    "shared-secret": ("auth", "jwt: [{issuer: a, audience: b, keys_file: c, algorithms: [HS256]}]"),
    "speed-without-unit": ("geo", "travel: {faster_than: 900, then: deny}"),
    "unknown-answer": ("geo", "networks: {vpn: refuse}"),
    "account-key": ("accounts", "accounts: [{id: a, teir: pro}]"),
    "no-upstream": ("tidegate", "redis: redis://127.0.0.1"),
    "test-without-name": ("tests", "tests: [{expect: {decision: deny}}]"),
    "test-of-a-made-up-decision": ("tests", "tests: [{name: a, expect: {decision: refuse}}]"),
    "request-with-a-number": ("request", "country: 47"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_wrong_in_an_editor(case: str) -> None:
    """The mistakes that a schema can see."""
    assert errors(*WRONG[case])


def test_norway(tmp_path: Path) -> None:
    """NO is text, and so are its neighbours in YAML 1.1."""
    assert errors("geo", "countries: {deny: [NO]}\nunknown: {country: allow}\n") == []


AROUND = st.text("0123456789_.kMGmshd%$ \n-e", max_size=9)


@pytest.mark.parametrize(
    ("schema", "reads"),
    [
        pytest.param(quantities.DURATION_SCHEMA, quantities.duration, id="duration"),
        pytest.param(quantities.PERCENTAGE_SCHEMA, quantities.percentage, id="percentage"),
        pytest.param(quantities.COUNT_SCHEMA["anyOf"][1], quantities.count, id="count"),
        pytest.param(quantities.MONEY_SCHEMA["anyOf"][1], quantities.money, id="money"),
        pytest.param(quantities.SIZE_SCHEMA, quantities.size, id="size"),
    ],
)
def test_patterns_are_the_readers(schema: dict[str, Any], reads: Any) -> None:
    """A pattern accepts what the parser accepts, and nothing else."""
    pattern = re.compile(schema["pattern"])

    @given(AROUND | st.from_regex(pattern).filter(lambda text: len(text) <= 9))
    def agree(text: str) -> None:
        try:
            reads(text)
        except ValueError as error:
            # A bound is no pattern.
            taken = "less than" in str(error)
        else:
            taken = True
        # Python's `$` lets a line break pass at the end, JavaScript's does not.
        assert (pattern.search(text) is not None and not text.endswith("\n")) == taken

    agree()


def test_keys_are_explained() -> None:
    """By their docstrings, also those of models that do not ask pydantic for it."""
    chain = SCHEMAS["chain"]["$defs"]["ChainEntry"]["properties"]

    assert chain["on_failure"]["description"].startswith("What happens when the policy")
    assert chain["kind"]["enum"] == sorted(KINDS)
    assert "default" not in chain["rollout"]
    assert chain["mode"]["default"] == "enforce"


class Hours(BaseModel):
    """Office hours."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    opens: int = 9
    """The hour, UTC."""


def test_a_strangers_kind() -> None:
    """Has a schema by the same door, and is a word that chain.yaml may name."""
    kinds = {**KINDS, "hours": PolicyKind("hours", Hours, lambda config, services: None)}  # type: ignore[arg-type,return-value]
    found = schema_of(files_of(kinds)["hours"].model, "hours", kinds)

    assert found["properties"]["opens"]["description"] == "The hour, UTC."
    assert (
        "hours" in schema_of(FILES["chain"].model, "chain", kinds)["$defs"]["ChainEntry"]["properties"]["kind"]["enum"]
    )


def test_the_command(tmp_path: Path) -> None:
    """One to standard output, all into a folder with the line for editors, and a list of what there is."""
    one = tidegate("schema", "quota")
    every = tidegate("schema", "--out", tmp_path / "schemas", columns=300)
    listed = tidegate("schema")
    wrong = tidegate("schema", "quotas")

    assert json.loads(one.stdout)["title"] == "quota"
    assert {path.stem for path in (tmp_path / "schemas").iterdir()} == set(ALL)
    assert f"# yaml-language-server: $schema={tmp_path}/schemas/chain.json" in every.stdout
    assert all(name in listed.stdout for name in ALL)
    assert wrong.exit_code == 2
    assert "did you mean `quota`?" in wrong.stderr
