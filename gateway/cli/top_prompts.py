"""What `tidegate top` asks before it changes something, and what it opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Input, Label, Static

from gateway.cli.admin_port import readable
from gateway.cli.top_state import used

KEYS: Final = """\
s       rank accounts by the next measure: tokens, requests, refusals, spend
/       show only what has a text: accounts, models, reasons; Esc shows all again
Tab     to the refusals, and back
Enter   the limits of the account in the line: what it has used, what is left
b       boost that account: a factor on all its limits, for a while
f       freeze it: nothing passes, for a while
u       undo your last change here, or else the last one of that account
q       leave
"""


class Field(NamedTuple):
    """One line of a prompt."""

    name: str
    label: str
    value: str = ""
    needed: bool = True


class Prompt(ModalScreen[dict[str, str] | None]):
    """Asks; answers by name, or None where nobody wants it. Enter in the last line does it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Cancel")]

    def __init__(self, title: str, fields: Sequence[Field]) -> None:
        super().__init__()
        self._title = title
        self._fields = fields

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(Text(readable(self._title)), classes="title")
            for field in self._fields:
                yield Label(field.label)
                yield Input(field.value, id=field.name, select_on_focus=True)
            yield Static("Enter: do it    Esc: leave it", classes="hint")
            yield Static("", id="missing")

    def on_mount(self) -> None:
        first = next((field for field in self._fields if not field.value), self._fields[0])
        self.query_one(f"#{first.name}", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        found = {field.name: self.query_one(f"#{field.name}", Input).value.strip() for field in self._fields}
        missing = next((field for field in self._fields if field.needed and not found[field.name]), None)
        if missing is not None:
            self.query_one("#missing", Static).update(f"{missing.label}: has to be stated")
            self.query_one(f"#{missing.name}", Input).focus()
            return
        self.dismiss(found)

    def action_leave(self) -> None:
        self.dismiss(None)


class Details(ModalScreen[None]):
    """The limits of one account."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "leave", "Back"),
    ]
    COLUMNS: ClassVar[tuple[str, ...]] = ("limit", "measure", "used", "override")

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__()
        self._said = said

    def compose(self) -> ComposeResult:
        said = self._said
        parts = [said["account"], said.get("tier") and f"tier {said['tier']}", said.get("organisation")]
        with Vertical(classes="dialog wide"):
            yield Label(Text(readable("  ".join(part for part in parts if part))), classes="title")
            yield DataTable[Text](id="limits", cursor_type="row", zebra_stripes=True)
            for note in said.get("notes", ()):
                yield Label(Text(readable(note)), classes="hint")
            yield Static("Esc: back", classes="hint")

    def on_mount(self) -> None:
        table = self.query_one("#limits", DataTable)
        table.add_columns(*self.COLUMNS)
        for one in self._said["limits"]:
            table.add_row(*(Text(readable(cell)) for cell in limit_cells(one)))
        table.focus()

    def action_leave(self) -> None:
        self.dismiss(None)


class Help(ModalScreen[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "leave", "Back")]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(KEYS, markup=False)

    def action_leave(self) -> None:
        self.dismiss(None)


def limit_cells(limit: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """What is in use of its fullest bucket, and the override that bites."""
    name, measure = str(limit["name"]), str(limit["measure"])
    bites = next((one["said"] for one in limit.get("overrides", ()) if one.get("bites")), "")
    if not limit.get("applies", True):
        return name, measure, str(limit.get("why_not", "")), bites
    if limit["holds"] is None:
        return name, measure, str(limit.get("said", "")), bites
    capacity, buckets = limit["holds"]["capacity"], limit.get("buckets")
    if buckets is None:
        return name, measure, str(limit.get("buckets_note") or "not known"), bites
    taken = max((one["used"] or 0.0 for one in buckets), default=0.0)
    return name, measure, used(taken, capacity), bites
