"""The corpus: files as people write them, good and bad.

A case is a file, or a folder where it takes several. It is laid over `base`, a small folder of policies that is good.
Its first lines say what it is: `# rules.yaml: what it shows` of a good one, and of a bad one each problem that is to be
found, `# rules.yaml:7:11: what is said`. A file stands for the one that its first line names.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

HERE = Path(__file__).parent
BASE = HERE / "base"
BAD = sorted((HERE / "bad").iterdir())
GOOD = sorted((HERE / "good").iterdir())

_PROBLEM = re.compile(r"# (\S+?:\d+:\d+: .+)")
_NAME = re.compile(r"# ([a-z/]+\.(?:yaml|txt)):")


def files_of(case: Path) -> dict[str, str]:
    """Name below the folder of policies -> text."""
    if case.is_dir():
        paths = [path for path in case.rglob("*") if path.is_file()]
        return {path.relative_to(case).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    text = case.read_text(encoding="utf-8")
    found = _NAME.match(text)
    assert found is not None, f"{case} does not say which file it is"
    return {found[1]: text}


def expected(case: Path) -> list[str]:
    """The problems that its first lines state, in their order."""
    found = []
    for text in files_of(case).values():
        for line in text.splitlines():
            stated = _PROBLEM.fullmatch(line)
            if stated is None:
                break
            found.append(stated[1])
    return found


def lay_out(case: Path, into: Path) -> Path:
    """The folder of policies with the case in it."""
    folder = into / "policies"
    shutil.copytree(BASE, folder)
    for name, text in files_of(case).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
