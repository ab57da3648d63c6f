"""The shape of the gateway: rooms have the same doors, what callers see is documented, nothing grows without a word.

`lint-imports` keeps the direction of imports; this file keeps what it cannot see.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway.wire.reasons import REASONS

ROOT = Path(__file__).parents[2]
GATEWAY = ROOT / "gateway"
ROOMS = sorted(p for p in (GATEWAY / "policies").iterdir() if p.is_dir() and (p / "__init__.py").exists())
DOORS = ("__init__.py", "config.py", "rule.py", "policy.py", "README.md")

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
LONG_FILES: Mapping[str, str] = {"policy.py": "all that a policy author imports is in one place"}
"""Path under gateway/ -> why it is one file all the same."""
LONG_FUNCTIONS: Mapping[str, str] = {}
"""`path:function` -> why it is one function all the same."""

CODE = re.compile(r"[a-z][a-z0-9]*(?:[_.-][a-z0-9]+)*")
"""What a reason code looks like. A reason with spaces is prose, such as an HTTP reason phrase."""
SPEAKERS = ("policies", "chain", "edge", "dialects", "wire", "control")
"""Whose reasons reach a caller. A store's reasons reach the chain alone."""

INNER_WORDS = frozenset({"bad_answer", "broken", "client_left", "closed", "cut", "timeout"})
"""How an upstream connection or a stream ended: said between the parts of `edge` and in the log, never to a caller."""


def _sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (GATEWAY / folder).rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(GATEWAY).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_has_every_door(room: Path, door: str) -> None:
    """Whoever knows one room knows where to look in the next."""
    assert (room / door).is_file(), f"gateway/policies/{room.name} has no {door}"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_exports_its_kind(room: Path) -> None:
    """`KIND` in `__init__` is the only thing that the registry asks for."""
    targets = {
        target.id
        for node in _tree(room / "__init__.py").body
        for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
        if isinstance(target, ast.Name)
    }
    assert "KIND" in targets


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_rule_does_not_wait(room: Path) -> None:
    """`rule.py` is pure: tested by table, without a loop."""
    waits = [
        node.lineno
        for node in ast.walk(_tree(room / "rule.py"))
        if isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith)
    ]
    assert waits == []


def _config_fields(module: ast.Module) -> Iterator[str]:
    """The keys that the YAML may hold: the fields of every class in a room's config.py, by alias if any."""
    for node in module.body:
        for field in node.body if isinstance(node, ast.ClassDef) else ():
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            name = field.target.id
            if name.startswith("_") or name == "model_config" or "ClassVar" in ast.unparse(field.annotation):
                continue
            keywords = field.value.keywords if isinstance(field.value, ast.Call) else []
            aliases = [k.value.value for k in keywords if k.arg == "alias" and isinstance(k.value, ast.Constant)]
            yield str(aliases[0]) if aliases else name


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_readme_names_each_key(room: Path) -> None:
    """A key that is not in the room's README does not exist for the people who write rules."""
    readme = (room / "README.md").read_text(encoding="utf-8")
    unnamed = [key for key in _config_fields(_tree(room / "config.py")) if not re.search(rf"\b{key}\b[`:,]", readme)]
    assert unnamed == []


def _takes_reason(paths: list[Path]) -> dict[str, int]:
    """Callable -> position of its argument `reason`: functions, methods, and classes by __init__ or by their fields."""
    places = {"Decision": 1, "Refusal": 1, "MalformedRequest": 1}
    for node in (node for path in paths for node in ast.walk(_tree(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in {"self", "cls"}]
            if "reason" in names and node.name != "__init__":
                places[node.name] = names.index("reason")
        elif isinstance(node, ast.ClassDef):
            fields = [f.target.id for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)]
            inits = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
            names = [a.arg for a in inits[0].args.args[1:]] if inits else fields
            if "reason" in names:
                places[node.name] = names.index("reason")
    return places


def _literals(node: ast.expr, constants: Mapping[str, ast.expr]) -> Iterator[str]:
    """The strings that an expression may turn out to be, as far as they are written down in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body, constants)
        yield from _literals(node.orelse, constants)
    elif isinstance(node, ast.BoolOp | ast.Dict):
        for value in node.values:
            yield from _literals(value, constants)
    elif isinstance(node, ast.Subscript):
        yield from _literals(node.value, constants)
    elif isinstance(node, ast.Name) and node.id in constants:
        yield from _literals(constants[node.id], {})


def _reasons(paths: list[Path]) -> dict[str, str]:
    """Reason code -> where it is given."""
    places = _takes_reason(paths)
    found: dict[str, str] = {}
    for path in paths:
        tree = _tree(path)
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            given = [k.value for k in call.keywords if k.arg == "reason"]
            if name in places and len(call.args) > places[name]:
                given.append(call.args[places[name]])
            for code in (code for value in given for code in _literals(value, constants) if CODE.fullmatch(code)):
                found.setdefault(code, f"{path}:{call.lineno}")
    return found


def test_every_reason_is_documented() -> None:
    """A reason code is part of the API: a caller who gets one finds it in docs/reasons.md, and refusals link to it."""
    page = ROOT / "docs" / "reasons.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    documented = set(re.findall(r"`([^`\s]+)`", text)) | set(re.findall(r"^#+ +(\S+) *$", text, re.MULTILINE))

    given = {code: where for code, where in _reasons(_sources(*SPEAKERS)).items() if code not in INNER_WORDS}

    assert {code: where for code, where in given.items() if code not in REASONS} == {}, "not in gateway.wire.reasons"
    assert {code: where for code, where in given.items() if code not in documented} == {}, "not in docs/reasons.md"


def test_reasons_are_found_wherever_they_are_written(tmp_path: Path) -> None:
    """The search above sees a reason by position, by name, in a constant, in an `if`, and through a function."""
    source = tmp_path / "rule.py"
    source.write_text(
        "GONE = 'key_gone'\n"
        "WORDS = {1: 'too_early', 2: 'too_late'}\n"
        "def no(detail, reason): return Decision(DENY, reason)\n"
        "class Bad(Exception):\n"
        "    def __init__(self, reason): ...\n"
        "Decision(DENY, 'by_place'); Decision(DENY, reason='by_name'); Decision(DENY, GONE)\n"
        "no('x', 'through_function'); Bad('through_class'); Decision(DENY, WORDS[n])\n"
        "Decision(DENY, 'one' if a else 'other'); Decision(DENY, reason='Bad Request')\n"
    )

    assert set(_reasons([source])) == {
        *("by_place", "by_name", "key_gone", "through_function", "through_class"),
        *("too_early", "too_late", "one", "other"),
    }


def test_no_file_is_too_long() -> None:
    """The tail of the sizes is what separates good packages from bad: a long file needs a written reason."""
    long = {_name(p) for p in GATEWAY.rglob("*.py") if len(p.read_text("utf-8").splitlines()) > LONGEST_FILE}

    assert long == set(LONG_FILES), "split it, or write down why not; an exception that is not needed goes"


def test_no_function_is_too_long() -> None:
    """A function fits on a screen, or says why not."""
    long = {
        f"{_name(path)}:{node.name}": node.end_lineno - node.lineno + 1
        for path in GATEWAY.rglob("*.py")
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    }

    assert set(long) == set(LONG_FUNCTIONS), f"split it, or write down why not; an exception not needed goes: {long}"
