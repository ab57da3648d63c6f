"""What is wrong in a file, and where: values first, an exception to carry all of them at once."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_WIDEST = 110
"""Characters of a line that are shown."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong. `line` and `column` count from 1, as editors do."""

    path: Path
    line: int
    column: int
    message: str
    excerpt: str = field(default="", compare=False)
    """The line that it stands in; empty where that may hold a secret, or was not kept."""

    def __post_init__(self) -> None:
        # It may quote any byte of a file, and goes into logs, JSON and pages: those take text, and lines of their own.
        object.__setattr__(self, "message", _speakable(self.message))
        object.__setattr__(self, "excerpt", _speakable(self.excerpt))

    def __str__(self) -> str:
        return f"{_speakable(str(self.path))}:{self.line}:{self.column}: {self.message}"

    def shown(self) -> str:
        """For a terminal: what is wrong, the line, and a caret below its place."""
        if not self.excerpt:
            return str(self)
        at = self.column - 1
        start = max(0, min(at - _WIDEST // 2, len(self.excerpt) - _WIDEST))
        line = "".join([character if character.isprintable() else " " for character in self.excerpt])
        indent = " " * sum(_width(character) for character in line[start:at])
        number = f"{self.line:>5}"
        return f"{self}\n{number} | {line[start : start + _WIDEST]}\n{' ' * len(number)} | {indent}^"


class Problems(Exception):
    """Everything that is wrong, in the order of files and lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`: did you mean `x`?` where a known word is near, else nothing."""
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f": did you mean `{near[0]}`?" if near else ""


def _speakable(text: str) -> str:
    """The text, with a mark for what is no character, and for those that steer a terminal."""
    if text.isprintable():
        return text
    return "".join(
        ["\ufffd" if unicodedata.category(one) in {"Cs", "Cc"} and one not in "\n\t" else one for one in text]
    )


def _width(character: str) -> int:
    """Columns that it takes in a terminal."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
