"""What the shells complete: commands that are loaded when asked for, their options, and what the gateway knows."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import COMMANDS, HIDDEN, app
from tests.cli.ports import TOKEN, FakePort, served

SHELLS = ("bash", "zsh")


@pytest.fixture
def port() -> Iterator[FakePort]:
    """With names."""
    names = {
        "GET /accounts": {"accounts": [{"id": "acme"}, {"id": "acorn"}, {"id": "zoo"}]},
        "GET /lists": {"lists": [{"name": "tor-exits"}, {"name": "town"}]},
        "GET /operators": {"operators": [{"id": "abc", "state": "holds"}, {"id": "abd", "state": "revoked"}]},
        "GET /limits": {"limits": [{"name": "tokens"}, {"name": "requests"}]},
    }
    with served(FakePort(**names)) as port:
        yield port


def completed(shell: str, line: str, **environment: str) -> list[str]:
    """The words that the shell is told for the end of a line."""
    words = line.split(" ")
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
    }
    variables = {"_TIDEGATE_COMPLETE": f"complete_{shell}", **asked[shell], **environment}
    ended = CliRunner().invoke(app, prog_name="tidegate", env=variables)
    assert ended.exit_code == 0, ended.output
    if shell == "bash":
        return ended.stdout.split()
    return re.findall(r'"([^"]*)"(?::"[^"]*")?', ended.stdout)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command(shell: str) -> None:
    """By name, but for those that only the supervisor starts."""
    assert completed(shell, "tidegate ") == [name for name in COMMANDS if name not in HIDDEN]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("tidegate au", ["audit"]),
        ("tidegate ru", ["rules"]),
        ("tidegate wor", []),
        ("tidegate --ver", ["--version"]),
        ("tidegate audit ", ["list", "export", "verify"]),
        ("tidegate operator re", ["revoke"]),
        ("tidegate rules ro", ["rollback"]),
        ("tidegate account su", ["suspend"]),
        ("tidegate audit verify --o", ["--offline"]),
        ("tidegate status --w", ["--watch"]),
        ("tidegate operator create ann --role an", ["analyst"]),
    ],
)
def test_what_follows(shell: str, line: str, wanted: list[str]) -> None:
    """Commands below commands, options, and the words of an option."""
    assert completed(shell, line) == wanted


@pytest.mark.parametrize("shell", SHELLS)
def test_names_that_the_gateway_knows(shell: str, port: FakePort) -> None:
    """From the port that the line names, or the environment."""
    token = {"TIDEGATE_ADMIN_TOKEN": TOKEN}
    assert completed(shell, f"tidegate lists show --admin {port.address} to", **token) == ["tor-exits", "town"]
    assert completed(shell, "tidegate operator revoke a", TIDEGATE_ADMIN=port.address, **token) == ["abc"]


def test_accounts_and_limits(port: FakePort) -> None:
    """For commands that take one."""
    script = (
        "import typer, types; from gateway.cli import complete;"
        f"ctx = types.SimpleNamespace(params={{'admin': '{port.address}'}});"
        "print(complete.account(ctx, 'ac'), complete.limit(ctx, 'to'), complete.limit(ctx, ''))"
    )
    environment = {"TIDEGATE_ADMIN_TOKEN": TOKEN, "PATH": "/usr/bin:/bin"}
    printed = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environment
    ).stdout
    assert printed == "['acme', 'acorn'] ['tokens'] ['tokens', 'requests']\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_without_a_gateway_nothing_is_said(shell: str, port: FakePort, tmp_path: Path) -> None:
    """No message, no word: away, another token, a configuration that is wrong, an answer that is no answer."""
    wrong = tmp_path / "tidegate.yaml"
    wrong.write_text("nonsense: [")
    line = "tidegate lists show "
    assert completed(shell, line, TIDEGATE_ADMIN="127.0.0.1:1", TIDEGATE_ADMIN_TOKEN="x") == []
    assert completed(shell, line, TIDEGATE_ADMIN=port.address, TIDEGATE_ADMIN_TOKEN="x") == []
    assert completed(shell, line, TIDEGATE_CONFIG=str(wrong)) == []
    port.answers["GET /lists"] = ["x"]
    assert completed(shell, line, TIDEGATE_ADMIN=port.address, TIDEGATE_ADMIN_TOKEN=TOKEN) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_it_installs_itself(shell: str, tmp_path: Path) -> None:
    """`--install-completion SHELL` writes what asks us; and what bash is told can be read by bash."""
    words = [sys.executable, "-c", "from gateway.cli import app; app(prog_name='tidegate')"]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    ended = subprocess.run(
        [*words, "--install-completion", shell], capture_output=True, text=True, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "_TIDEGATE_COMPLETE" in path.read_text()]
    assert len(written) == 1
    if shell == "bash":
        subprocess.run(["/bin/bash", "-n", written[0]], check=True)


def test_names_need_nothing(tmp_path: Path) -> None:
    """Somebody waits with a finger on the key: of commands alone none is loaded."""
    script = (
        "import atexit, sys; atexit.register(lambda: print('gateway.app' in sys.modules, file=sys.stderr));"
        "from gateway.cli import app; app(prog_name='tidegate')"
    )
    environment = {
        "_TIDEGATE_COMPLETE": "complete_bash", "COMP_WORDS": "tidegate ", "COMP_CWORD": "1", "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }  # fmt: skip
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert "audit" in ended.stdout
    assert ended.stderr == "False\n"
