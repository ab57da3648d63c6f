"""The directory that tidegate.yaml means: where it is, with which secrets, and what is wrong with it."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from gateway.accounts.sql import migrate
from gateway.rules.check import check
from gateway.rules.directory_file import OWN, open_directory, stated
from gateway.rules.gateway_file import GatewayFile
from gateway.rules.problems import Problems
from gateway.rules.read import read

LONG: Final = "0123456789abcdef" * 2
NEWER: Final = "fedcba9876543210" * 2


class Configuration(NamedTuple):
    file: GatewayFile
    path: Path
    source: bytes


def read_configuration(path: Path) -> Configuration:
    document = read(path)
    return Configuration(check(document, GatewayFile), path, document.source)


def written(folder: Path, directory: str = "") -> Path:
    path = folder / "tidegate.yaml"
    path.write_text(f"redis: redis://127.0.0.1:1\nupstreams: [{{url: http://127.0.0.1:1}}]\n{directory}")
    return path


def test_without_a_word_there_is_sqlite_with_a_secret_of_its_own(tmp_path: Path) -> None:
    """Beside tidegate.yaml, readable by its owner alone, and the same for all who open it."""
    configuration = read_configuration(written(tmp_path))

    first, second = open_directory(configuration, lambda: 0.0), open_directory(configuration, lambda: 0.0)

    kept = tmp_path / "directory.db.secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert first.database.url.database == str(tmp_path / "directory.db")
    assert first.secrets.newest == OWN
    assert first.secrets.key("x") == second.secrets.key("x")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """`check` says what is wrong and leaves no secret behind."""
    found = stated(read_configuration(written(tmp_path)))

    assert found.own == tmp_path / "directory.db.secret"
    assert [path.name for path in tmp_path.iterdir()] == ["tidegate.yaml"]


def test_processes_that_begin_together_have_one_secret(tmp_path: Path) -> None:
    """Whoever comes second takes the first one's, also in the same moment."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from gateway.rules.directory_file import _own\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(_own(Path(sys.argv[1]), needed=True).decode())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "directory.db.secret")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    said = {process.communicate(timeout=30)[0] for process in processes}

    assert len(said) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["directory.db.secret"]


def test_secrets_that_are_stated_later_stand_before_the_own_one(tmp_path: Path) -> None:
    """What was hashed before is still found, what is new is made by the newest."""
    before = open_directory(read_configuration(written(tmp_path)), lambda: 0.0).secrets
    path = written(tmp_path, f"directory: {{secrets: {{s2: {NEWER}, s1: {LONG}}}}}\n")

    after = open_directory(read_configuration(path), lambda: 0.0).secrets

    assert after.newest == "s2"
    assert OWN in after
    assert before.hash("email", "a@example.com") in after.hashes("email", "a@example.com")


def test_a_database_without_its_secret_is_not_opened_with_another(tmp_path: Path) -> None:
    """Every key in it would be refused: that is said at once instead."""
    configuration = read_configuration(written(tmp_path))
    opened = open_directory(configuration, lambda: 0.0)
    migrate.upgrade(opened.database)
    opened.database.close()
    (tmp_path / "directory.db.secret").unlink()

    with pytest.raises(Problems, match="no key could be checked"):
        open_directory(configuration, lambda: 0.0)
    assert not (tmp_path / "directory.db.secret").exists()


@pytest.mark.parametrize(
    ("directory", "said"),
    [
        pytest.param("{url: postgresql://u:hidden@127.0.0.1/d}", "PostgreSQL needs secrets", id="no-secrets"),
        pytest.param(f"{{url: 'mysql://u:hidden@h/d', secrets: {{s: {LONG}}}}}", "not mysql", id="another-database"),
        pytest.param(f"{{url: 'sqlite://', secrets: {{s: {LONG}}}}}", "must name a file", id="in-memory"),
        pytest.param(f"{{url: 'hidden words', secrets: {{s: {LONG}}}}}", "must be sqlite", id="no-address"),
        pytest.param("{url: 'postgresql://u:${P}@h/d'}", "stands for the whole address", id="a-part"),
        pytest.param(f"{{secrets: {{s: {LONG}, t: hidden}}}}", "secrets.t: must have at least 32", id="short"),
        pytest.param("{url: 'sqlite:///no/such/folder/d.db'}", "No such file or directory", id="no-folder"),
    ],
)
def test_what_is_wrong_has_its_line_and_no_secret(tmp_path: Path, directory: str, said: str) -> None:
    """A problem names the key; neither a password nor a secret is ever in it."""
    configuration = read_configuration(written(tmp_path, f"directory: {directory}\n"))

    with pytest.raises(Problems, match=said) as caught:
        open_directory(configuration, lambda: 0.0)

    (problem,) = caught.value.problems
    assert (problem.line, problem.excerpt) == (3, "")
    assert "hidden" not in str(problem)


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    """The address and each secret."""
    path = written(tmp_path, "directory:\n  url: redis://x\n  secrets:\n    a: short\n    b: short\n")

    with pytest.raises(Problems) as caught:
        stated(read_configuration(path))

    assert [problem.line for problem in caught.value.problems] == [4, 6, 7]


def test_an_own_secret_that_is_cut_off_is_none(tmp_path: Path) -> None:
    """An empty file would make every hash guessable."""
    (tmp_path / "directory.db.secret").write_text("\n")

    with pytest.raises(Problems, match=r"directory\.db\.secret: must hold at least 32 bytes"):
        open_directory(read_configuration(written(tmp_path)), lambda: 0.0)


def test_what_is_opened_shows_no_password(tmp_path: Path) -> None:
    """It may be logged."""
    path = written(tmp_path, f"directory: {{url: 'postgresql://u:hidden@h/d', secrets: {{s: {LONG}}}}}\n")
    configuration = read_configuration(path)

    assert "hidden" not in repr(stated(configuration)) + repr(open_directory(configuration, lambda: 0.0))
    assert LONG not in repr(stated(configuration))
