"""The policies' folder: all of it or nothing, and every problem of every file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.chain.entry import OnFailure
from gateway.policies import quota
from gateway.policy import ALLOW, Context, Decision, PolicyKind
from gateway.quantities import Count, Secret
from gateway.rules.problems import Problems
from gateway.rules.ruleset import Ruleset, load


class Config(BaseModel):
    limit: Count
    token: Secret | None = None


class Nothing:
    def __init__(self, config: Config, services: Any) -> None:
        self.config = config

    def decide(self, context: Context) -> Decision:
        return ALLOW


KINDS = {"quota": PolicyKind("quota", Config, Nothing), "auth": PolicyKind("auth", Config, Nothing)}

CHAIN = """\
chain:
  - {name: flood, kind: quota, on_failure: allow, file: floods/first.yaml}
  - {name: auth, kind: auth, on_failure: deny}
  - {name: per-minute, kind: quota, on_failure: degrade}
"""
PRICES = """\
default: {input: 5, output: $15}
m-small: {input: 0.5, cached_input: 0.05, cache_creation: 0.625, output: 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, {"chain.yaml": CHAIN, "floods/first.yaml": "limit: 1k", "auth.yaml": "limit: 1"})
    write(tmp_path, {"quota.yaml": "limit: 3", "prices.yaml": PRICES})
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def problems(folder: Path) -> list[str]:
    with pytest.raises(Problems) as found:
        load(folder, KINDS, {})
    return [str(problem).removeprefix(f"{folder}/") for problem in found.value.problems]


def test_a_folder_becomes_a_ruleset(folder: Path) -> None:
    """Entries in their order with their configs; a config is found by its file, its name, its kind."""
    ruleset = load(folder, KINDS, {})

    assert [(entry.name, entry.kind.name, entry.on_failure, entry.path.name) for entry in ruleset.entries] == [
        ("flood", "quota", OnFailure.ALLOW, "first.yaml"),
        ("auth", "auth", OnFailure.DENY, "auth.yaml"),
        ("per-minute", "quota", OnFailure.DEGRADE, "quota.yaml"),
    ]
    assert [entry.config.limit for entry in ruleset.entries if isinstance(entry.config, Config)] == [1000, 1, 3]
    assert ruleset.prices == {"default": (5.0, 5.0, 5.0, 15.0), "m-small": (0.5, 0.05, 0.625, 2.0)}
    assert [path.name for path in ruleset.files] == [
        "auth.yaml",
        "chain.yaml",
        "first.yaml",
        "prices.yaml",
        "quota.yaml",
    ]


def test_a_file_of_its_name_goes_before_one_of_its_kind(folder: Path) -> None:
    """So that a second entry of a kind gets a file of its own just by adding it."""
    write(folder, {"per-minute.yaml": "limit: 7"})

    assert load(folder, KINDS, {}).entries[2].path.name == "per-minute.yaml"


def test_an_entry_whose_file_is_lost_takes_no_other_entrys(folder: Path) -> None:
    """Else an embargo whose file was deleted would be a second copy of the rules, with no embargo in it."""
    write(folder, {"chain.yaml": CHAIN + "  - {name: quota, kind: quota, on_failure: deny}\n"})

    assert problems(folder) == [
        "chain.yaml:4:12: no file `per-minute.yaml` beside chain.yaml, and `quota.yaml` is read by entry `quota`: "
        "write `file: quota.yaml` here if both are to read it"
    ]


def test_two_entries_read_one_file_where_that_is_written(folder: Path) -> None:
    """Both say so by name: then nothing is lost."""
    shared = CHAIN.replace("on_failure: degrade", "on_failure: degrade, file: quota.yaml")
    write(folder, {"chain.yaml": shared + "  - {name: quota, kind: quota, on_failure: deny}\n"})

    assert [entry.path.name for entry in load(folder, KINDS, {}).entries[2:]] == ["quota.yaml", "quota.yaml"]


def test_a_directory_in_place_of_a_file_is_no_missing_file(folder: Path) -> None:
    """It is said that it is one: the file of the kind does not take its place."""
    (folder / "per-minute.yaml").mkdir()

    assert problems(folder) == ["per-minute.yaml:1:1: cannot be read: Is a directory"]


def test_prices_are_optional(folder: Path) -> None:
    """No table, no prices."""
    (folder / "prices.yaml").unlink()

    assert load(folder, KINDS, {}).prices == {}


@pytest.mark.parametrize("name", ["chain.yaml", "auth.yaml", "floods/first.yaml", "prices.yaml"])
def test_any_changed_byte_changes_the_digest(folder: Path, name: str) -> None:
    """A comment, too; the same bytes give the same digest wherever they lie."""
    before = load(folder, KINDS, {})
    with (folder / name).open("a") as file:
        file.write("\n# a comment\n")

    assert load(folder, KINDS, {}).digest != before.digest
    assert len(before.digest) == 32


def test_the_folder_is_no_part_of_the_digest(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two gateways with the same files agree."""
    other = tmp_path_factory.mktemp("other")
    for path in folder.rglob("*.yaml"):
        write(other, {path.relative_to(folder).as_posix(): path.read_text()})

    assert load(folder, KINDS, {}).digest == load(other, KINDS, {}).digest


def test_all_problems_of_all_files_at_once(folder: Path) -> None:
    """The chain is wrong in three places, and its files are checked all the same."""
    chain = CHAIN.replace("kind: auth", "kind: auht").replace("on_failure: degrade", "on_failur: degrade")
    write(
        folder, {"chain.yaml": chain, "floods/first.yaml": "limt: 5", "quota.yaml": "limit: [1]", "prices.yaml": "a: 1"}
    )

    assert problems(folder) == [
        "chain.yaml:3:24: unknown kind `auht`: did you mean `auth`?",
        "chain.yaml:4:5: missing key `on_failure`",
        "chain.yaml:4:37: unknown key `on_failur`: did you mean `on_failure`?",
        "floods/first.yaml:1:1: missing key `limit`",
        "floods/first.yaml:1:1: unknown key `limt`: did you mean `limit`?",
        "prices.yaml:1:4: `a` must be a mapping",
        "quota.yaml:1:8: `limit` must be a count, such as 1000, 10k or 1M, not [1]",
    ]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{name: a, kind: quota, on_failure: allow, file: ../../etc/passwd}", "53: file `../../etc/passwd` is outside"),
        ("{name: a, kind: quota, on_failure: allow, file: /etc/passwd}", "53: file `/etc/passwd` is outside"),
        ("{name: a, kind: quota, on_failure: allow, file: link.yaml}", "53: file `link.yaml` is outside"),
        ("{name: a, kind: quota, on_failure: allow, file: none.yaml}", "53: no file `none.yaml`"),
        ("{name: a, kind: quota, on_failure: allow, file: floods}", "53: no file `floods`"),
        ("{name: ../auth, kind: quota, on_failure: allow}", "12: `name` must be a name"),
        ("{name: a, kind: ../auth, on_failure: allow}", "21: `kind` must be a name"),
        ("{name: a, kind: quota, on_failure: ignore}", "40: `on_failure` must be 'deny', 'allow' or 'degrade'"),
        ("{name: a, kind: quota, on_failure: allow, whem: x}", "47: unknown key `whem`: did you mean `when`?"),
        ("{name: a, kind: captcha, on_failure: allow}", "21: unknown kind `captcha`: there are auth, quota"),
    ],
)
def test_an_entry_that_is_refused(folder: Path, entry: str, problem: str) -> None:
    """Above all: nothing outside of the folder is read, not even through a link."""
    (folder / "link.yaml").symlink_to("/etc/passwd")
    write(folder, {"chain.yaml": f"chain:\n  - {entry}\n"})

    found = problems(folder)

    assert len(found) == 1
    assert found[0].startswith(f"chain.yaml:2:{problem}")


def test_links_inside_of_the_folder_are_followed(folder: Path) -> None:
    """A mounted ConfigMap is made of links."""
    (folder / "auth.yaml").rename(folder / "floods" / "real.yaml")
    (folder / "auth.yaml").symlink_to("floods/real.yaml")

    assert len(load(folder, KINDS, {}).entries) == 3


def test_names_are_unique(folder: Path) -> None:
    """The second one is said, with the line of the first."""
    write(folder, {"chain.yaml": CHAIN.replace("name: per-minute", "name: auth")})

    assert problems(folder) == ["chain.yaml:4:12: duplicate name `auth`: it first stands in line 3"]


def test_a_price_table_needs_a_default(folder: Path) -> None:
    """A model that nobody thought of is not free."""
    write(folder, {"prices.yaml": "m: {input: 1, output: 1}"})

    assert problems(folder) == ["prices.yaml:1:1: missing key `default`: the price of every model that is not named"]


def test_no_chain_no_ruleset(tmp_path: Path) -> None:
    """An empty folder is said plainly."""
    assert problems(tmp_path) == ["chain.yaml:1:1: cannot be read: No such file or directory"]


def test_secrets_come_from_the_environment_that_is_given(folder: Path) -> None:
    """And a missing one has a place."""
    write(folder, {"auth.yaml": "limit: 1\ntoken: ${TOKEN}\n"})

    ruleset: Ruleset = load(folder, KINDS, {"TOKEN": "x"})
    config = ruleset.entries[1].config

    assert isinstance(config, Config)
    assert config.token is not None
    assert config.token.get_secret_value() == "x"
    assert problems(folder) == ["auth.yaml:2:8: `token`: the environment variable `TOKEN` is not set, or empty"]


QUOTA_CHAIN = "chain:\n  - {name: a, kind: quota, on_failure: deny}\n  - {name: b, kind: quota, on_failure: deny}\n"
QUOTA_LIMIT = "limits:\n  - {name: rpm, measure: MEASURE, per: [account], capacity: 1}\n"


@pytest.mark.parametrize(
    ("a", "b", "problem"),
    [
        ("requests", "requests", "b.yaml:2:12: limit `rpm` is counted by entry `a` already: give it another name"),
        ("spend", "requests", "a.yaml:2:26: `spend` needs prices: there is no prices.yaml"),
    ],
    ids=["one name in two entries", "money without prices"],
)
def test_laws_between_files(tmp_path: Path, a: str, b: str, problem: str) -> None:
    """What no file says wrong alone: two entries that would count in one bucket, and money that nobody priced."""
    (tmp_path / "chain.yaml").write_text(QUOTA_CHAIN)
    (tmp_path / "a.yaml").write_text(QUOTA_LIMIT.replace("MEASURE", a))
    (tmp_path / "b.yaml").write_text(QUOTA_LIMIT.replace("MEASURE", b))
    with pytest.raises(Problems) as raised:
        load(tmp_path, {"quota": quota.KIND})
    assert f"{tmp_path}/{problem}" in [str(found) for found in raised.value.problems]
