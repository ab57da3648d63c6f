"""Pages: they link to what is there, can be found, and every block in them says what it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from gateway import __version__
from tests.docs.pages import PAGES, ROOT, Block, anchors, blocks, links, name

LANGUAGES: Final = frozenset({"console", "json", "jsonl", "python", "sh", "text", "toml", "yaml"})
"""Those that some test reads; `text` is for pictures."""


def _target(page: Path, link: str) -> tuple[Path, str]:
    path, _, anchor = link.partition("#")
    return ((page.parent / path).resolve() if path else page), anchor


def _inner(page: Path) -> list[str]:
    return [link for link in links(page) if not link.startswith(("http://", "https://", "mailto:"))]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file, and to a heading in it, is good."""
    bad = []
    for link in _inner(page):
        target, anchor = _target(page, link)
        if not target.exists() or (anchor and anchor not in anchors(target)):
            bad.append(link)
    assert bad == []


def test_every_page_is_found_from_the_readme() -> None:
    """Nobody has to know that a page exists."""
    seen = {ROOT / "README.md"}
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        for link in _inner(page):
            target, _ = _target(page, link)
            if target.suffix == ".md" and target.exists() and target not in seen:
                seen.add(target)
                todo.append(target)
    assert [name(page) for page in PAGES if page not in seen] == []


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.place)
def test_a_block_names_its_language(block: Block) -> None:
    """What is not read by a test is not in the pages: each block is of a language that one reads."""
    assert block.language in LANGUAGES


def test_the_readme_is_short() -> None:
    """Who opens it wants to know what this is, and to try it."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_the_changelog_names_the_version() -> None:
    """What is not released stands under Unreleased, or under the version that the package says it has."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text or f"## [{__version__}]" in text


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("0*.md")), ids=name)
def test_a_decision_is_short_and_whole(page: Path) -> None:
    """Its date, why, what, what else, what follows: on one screen."""
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert text.startswith(f"# {page.name[:4]}: ")
    assert re.search(r"^20\d\d-\d\d-\d\d\. ", text, re.MULTILINE)
    assert anchors(page) >= {"context", "decision", "weighed", "consequences"}
