"""Where each character of a text stands in its file: quotes, escapes, folded lines and indentation lie between the two.

YAML 1.2.2, chapters 7.3 (flow scalars) and 8.1 (block scalars). This follows what the parser made of the text: where it
cannot, there is no answer, and the place of the whole value has to do.
"""

from __future__ import annotations

import re

Place = tuple[int, int]
"""Line and column, counted from 1."""

_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_ANCHOR = re.compile(r"&\S+\s+")
_HEX = {"x": 2, "u": 4, "U": 8}
_BLANK = " \t"


def lines(text: str) -> list[str]:
    """As YAML counts them."""
    return _BREAK.split(text)


def within(text: list[str], start: Place, value: str) -> list[Place] | None:
    """The place of each character of `value`, and of its end. `start` is where the scalar begins, in a file of these
    lines. None where they do not agree.
    """
    if not 0 < start[0] <= len(text):
        return None
    line, column = start[0] - 1, start[1] - 1
    anchor = _ANCHOR.match(text[line], column)
    column = anchor.end() if anchor else column
    style = text[line][column : column + 1]
    if style and style in "|>":
        return _block(text, line + 1, value)
    quote = style if style and style in "'\"" else ""
    return _Flow(text, line, column + len(quote), quote, value).places()


def _block(text: list[str], line: int, value: str) -> list[Place] | None:
    """A literal or a folded one: its lines in turn, and between two a space or line breaks."""
    first = next((content for content in text[line:] if content.strip(_BLANK)), "")
    written = next((content for content in value.split("\n") if content.strip(_BLANK)), "")
    indent = _indent(first) - _indent(written)
    places: list[Place] = []
    end = (line + 1, 1)
    for number in range(line, len(text)):
        content = text[number][indent:]
        if not content:
            continue
        at = len(places)
        # What joins this line to the last: a space where they were folded, else the breaks between them.
        if at and value[at : at + 1] == " ":
            places.append(end)
        while value[len(places) : len(places) + 1] == "\n":
            places.append(end)
        at = len(places)
        if at >= len(value):
            break
        if value[at : at + len(content)] != content:
            return None
        places += [(number + 1, indent + 1 + index) for index in range(len(content))]
        end = (number + 1, len(text[number]) + 1)
    places += [end] * value.count("\n", len(places))
    return [*places, end] if len(places) == len(value) else None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


class _Flow:
    """A plain or a quoted one, character by character."""

    def __init__(self, text: list[str], line: int, column: int, quote: str, value: str) -> None:
        self.text = text
        self.line = line
        self.column = column
        self.quote = quote
        self.value = value
        self.found: list[Place] = []

    def places(self) -> list[Place] | None:
        while len(self.found) < len(self.value):
            if self.line >= len(self.text) or not self.step():
                return None
        return [*self.found, (self.line + 1, self.column + 1)]

    def step(self) -> bool:
        rest = self.text[self.line][self.column :]
        if not rest.strip(_BLANK):
            return self.fold()
        if self.quote == '"' and rest[0] == "\\":
            return self.escape(rest)
        if self.quote == "'" and rest.startswith("''"):
            return self.take("'", 2)
        return self.take(rest[0], 1)

    def take(self, character: str, width: int) -> bool:
        """It is written with so many characters."""
        if self.value[len(self.found)] != character:
            return False
        self.found.append((self.line + 1, self.column + 1))
        self.column += width
        return True

    def escape(self, rest: str) -> bool:
        if not rest[1:].strip(_BLANK):
            # The line goes on in the next one, and nothing stands for the break.
            self.next_line()
            return True
        return self.take(self.value[len(self.found)], 2 + _HEX.get(rest[1], 0))

    def fold(self) -> bool:
        """One break is a space, each further one a line."""
        here = (self.line + 1, self.column + 1)
        breaks = self.next_line()
        joined = " " if breaks == 1 else "\n" * (breaks - 1)
        at = len(self.found)
        if self.value[at : at + len(joined)] != joined:
            return False
        self.found += [here] * len(joined)
        return True

    def next_line(self) -> int:
        """Go to the next line that is not blank; how many breaks were passed."""
        breaks = 1
        self.line += 1
        while self.line < len(self.text) and not self.text[self.line].strip(_BLANK):
            self.line += 1
            breaks += 1
        if self.line < len(self.text):
            self.column = len(self.text[self.line]) - len(self.text[self.line].lstrip(_BLANK))
        return breaks
