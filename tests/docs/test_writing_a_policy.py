"""docs/writing-a-policy.md: its policies are run, installed, checked and tested as the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.policy import Action, Context, Outcome, PolicyKind
from gateway.stores.memory import MemoryStore
from gateway.testing import Clock, assert_conforms, context, services
from tests.docs.pages import NAMED, ROOT, blocks

PAGE: Final = ROOT / "docs" / "writing-a-policy.md"
EXAMPLE: Final = ROOT / "examples" / "office-hours"
NIGHT: Final = 22 * 3600.0
DAY: Final = 9 * 3600.0


def files(*languages: str) -> dict[str, str]:
    """File name -> the block of the page that begins with it."""
    found = {}
    for block in blocks(*languages, pages=[PAGE]):
        named = NAMED.match(block.text)
        assert named is not None, block.place
        found[named[1]] = block.text
    return found


def kind_of(module: str) -> PolicyKind[Any]:
    """The KIND of a module of the page."""
    names: dict[str, Any] = {"__name__": module}
    exec(compile(files("python")[f"{module}.py"], f"{module}.py", "exec"), names)
    kind: PolicyKind[Any] = names["KIND"]
    return kind


def chain_of(kind: PolicyKind[Any], config: Mapping[str, Any], clock: Clock) -> tuple[Chain, MemoryStore]:
    """The policy in a real chain, over a store in memory."""
    store = MemoryStore(clock)
    policy = kind.build(kind.config(**config), services(clock))
    chain = Chain((Entry.of(kind.name, kind.name, policy, OnFailure.DENY),), store, store, {})
    return chain, store


def ask(chain: Chain, asked: Context) -> Asked:
    """One exchange, decided."""
    told: list[Asked] = []
    chain.begin(asked, told.append)
    return told[0]


def test_the_first_policy_has_fewer_than_forty_lines_of_code() -> None:
    """The page promises it."""
    text = re.sub(r'"""[^"]*"""', "", files("python")["office_hours.py"])
    code = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(code) < 40


@pytest.mark.parametrize(
    ("tier", "features", "now", "action"),
    [
        pytest.param("free", {"batch"}, DAY, Action.THROTTLE, id="a batch by day"),
        pytest.param("free", {"batch"}, NIGHT, Action.ALLOW, id="a batch by night"),
        pytest.param("pro", {"batch"}, DAY, Action.ALLOW, id="another tier"),
        pytest.param("free", set(), DAY, Action.ALLOW, id="no batch"),
    ],
)
def test_office_hours_decides_in_a_chain(tier: str, features: set[str], now: float, action: Action) -> None:
    """The page's first policy does what the page says."""
    chain, _ = chain_of(kind_of("office_hours"), {"tiers": {"free"}, "opens": 8, "closes": 20}, Clock(now))

    decision = ask(chain, context(now=now, tier=tier, features=features)).decision

    assert decision.action is action
    assert decision.retry_after == (20 * 3600 - now if action is Action.THROTTLE else None)


def test_one_picture_takes_and_gives_back() -> None:
    """The page's second policy holds a slot while its exchange runs, and refuses a second picture in its own words."""
    chain, store = chain_of(kind_of("one_picture"), {}, Clock())
    pictures = [context(exchange=f"e{n}", organisation="o", features={"vision"}) for n in range(3)]

    first = ask(chain, pictures[0])
    second = ask(chain, pictures[1])
    first.settle(Outcome(200))
    third = ask(chain, pictures[2])

    assert [one.decision.action for one in (first, second, third)] == [Action.ALLOW, Action.THROTTLE, Action.ALLOW]
    assert (second.decision.reason, second.decision.retry_after) == ("one_picture", 1.0)
    third.settle(Outcome(200))
    assert store.in_flight == 0


@pytest.mark.parametrize("module", ["office_hours", "one_picture"])
def test_what_the_page_shows_conforms(module: str) -> None:
    """An example that people copy keeps the contract."""
    kind = kind_of(module)
    config = {"tiers": ["free"], "opens": 8, "closes": 20} if module == "office_hours" else {}
    assert_conforms(kind, kind.config(**config), {"a batch by day": context(now=DAY, tier="free", features={"batch"})})


def test_the_page_shows_the_example_package() -> None:
    """What people read and what they can install are one."""
    for named, text in files("python", "yaml").items():
        path = EXAMPLE / named
        if path.exists():
            assert text.split("\n", 1)[1] in path.read_text(encoding="utf-8"), named
    points = tomllib.loads(files("toml")["pyproject.toml"])["project"]["entry-points"]
    assert tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"] == points


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package, built and installed by pip, beside nothing else."""
    site = tmp_path_factory.mktemp("site")
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    source = site / "source"
    shutil.copytree(EXAMPLE, source)
    ended = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", str(site), str(source)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    return site


def _run(command: list[str], site: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _write_world(folder: Path, office_hours: str) -> None:
    shipped = ROOT / "policies"
    (folder / "policies").mkdir()
    for name in ("auth.yaml", "quota.yaml", "prices.yaml"):
        (folder / "policies" / name).write_text((shipped / name).read_text())
    (folder / "policies" / "chain.yaml").write_text(files("yaml")["policies/chain.yaml"])
    (folder / "policies" / "office-hours.yaml").write_text(office_hours)
    (folder / "accounts.yaml").write_text("accounts: []\n")
    (folder / "tidegate.yaml").write_text("redis: redis://127.0.0.1:6379\nupstreams: [{url: http://127.0.0.1:9}]\n")


def test_a_strangers_policy_enters_by_its_entry_point(installed: Path, tmp_path: Path) -> None:
    """Nothing in Tidegate has to know it, and its file is checked like ours."""
    _write_world(tmp_path, files("yaml")["policies/office-hours.yaml"])
    good = _run(["gateway", "check"], installed, tmp_path)
    (tmp_path / "policies" / "office-hours.yaml").write_text("tiers: [free]\nopens: 8\nclose: 20\n")
    bad = _run(["gateway", "check"], installed, tmp_path)

    assert good.returncode == 0, good.stderr
    assert "auth (auth, on_failure: deny) → office-hours (office-hours, on_failure: allow) → quota" in good.stdout
    assert bad.returncode == 1
    assert "office-hours.yaml:3:1: unknown key `close`: did you mean `closes`?" in bad.stderr


def test_the_packages_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    """The test that the page shows is a test that passes."""
    tests = str(EXAMPLE / "test_office_hours.py")
    ended = _run(["pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", tests], installed, tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout


def test_the_packages_policies_pass_their_tests(installed: Path, tmp_path: Path) -> None:
    """The chain that comes with it, checked and tested as its README says."""
    for command in ("check", "test"):
        ended = _run(["gateway", command, str(EXAMPLE / "policies")], installed, tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr
