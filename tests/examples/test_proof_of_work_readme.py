"""examples/proof-of-work/README.md: what people copy from it runs as it stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import ROOT, Block, blocks
from tests.examples.work_standin import MESSAGE, serving

FOLDER: Final = ROOT / "examples" / "proof-of-work"
NODE: Final = shutil.which("node") or ""
PROGRAMS: Final = {
    "python": (sys.executable, "python/proof_of_work.py", "program.py"),
    "js": (NODE, "javascript/proof-of-work.js", "program.mjs"),
}


@pytest.mark.parametrize("block", blocks(pages=[FOLDER / "README.md"]), ids=lambda block: block.place)
def test_a_program_does_what_it_says(block: Block, tmp_path: Path) -> None:
    """Beside the one file that is to be copied; one puzzle is solved on the way."""
    interpreter, module, name = PROGRAMS[block.language]
    if not interpreter:
        pytest.skip("no node: install Debian's nodejs")
    shutil.copy(FOLDER / module, tmp_path)
    if block.language == "js":
        # As package.json beside it says.
        (tmp_path / "package.json").write_text((FOLDER / "javascript" / "package.json").read_text("utf-8"))
    with serving(algorithm="PBKDF2/SHA-256", cost=500, counter=100) as gateway:
        text = block.text.replace("http://127.0.0.1:8080", gateway.address)
        (tmp_path / name).write_text(text, encoding="utf-8")
        command = [interpreter, name]
        ended = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

        assert (ended.returncode, ended.stdout) == (0, f"{MESSAGE}\n"), ended.stderr
        assert (gateway.puzzles, gateway.answers) == (1, 1)


def test_every_file_is_named() -> None:
    """The table lists what there is to be copied."""
    text = (FOLDER / "README.md").read_text("utf-8")
    for path in (*FOLDER.glob("python/*.py"), *FOLDER.glob("javascript/*.js")):
        assert f"`{path.relative_to(FOLDER)}`" in text
