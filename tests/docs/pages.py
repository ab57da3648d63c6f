"""The pages that people read, taken apart: blocks of code, headings, links, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "gateway" / "policies").glob("*/README.md")]
)

NAMED: Final = re.compile(r"# (\S+)(?: \(kind: (\S+)\))?\n")
"""How a block says which file it is, and of which kind of policy."""

_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block. `line` is that of its fence."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """As people say it, and as a test is named."""
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    """Relative to the checkout."""
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(*languages: str, pages: list[Path] | None = None) -> list[Block]:
    """All fenced blocks of these languages; of any where none is named."""
    found: list[Block] = []
    for page in PAGES if pages is None else pages:
        text = text_of(page)
        found += [
            Block(page, text.count("\n", 0, match.start()) + 1, match[1], match[2])
            for match in _FENCE.finditer(text)
            if not languages or match[1] in languages
        ]
    return found


def prose(page: Path) -> str:
    """The page without its blocks, so that a comment in a shell is no heading."""
    return _FENCE.sub("", text_of(page))


def anchors(page: Path) -> set[str]:
    """Of the page's headings, as forges make them."""
    return {slug(heading) for _, heading in _HEADING.findall(prose(page))}


def slug(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def links(page: Path) -> Iterator[str]:
    """Targets of links and pictures, as written."""
    for match in _LINK.finditer(prose(page)):
        yield match[1] or match[2]


def section(page: Path, heading: str) -> str:
    """From a heading to the next one."""
    text = prose(page)
    found = [match for match in _HEADING.finditer(text) if match[2] == heading]
    assert len(found) == 1, f"{name(page)} has {len(found)} headings {heading!r}"
    following = _HEADING.search(text, found[0].end())
    return text[found[0].end() : following.start() if following else len(text)]


def rows(text: str) -> dict[str, list[str]]:
    """First cell without its backticks -> the other cells, of all tables in a text."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip()[1:-1].split("|")]
        if line.startswith("| `") and len(cells) > 1:
            found[cells[0].strip("`")] = cells[1:]
    return found
