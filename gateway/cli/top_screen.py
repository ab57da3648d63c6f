"""The screen of `tidegate top`. It goes by `top_state`, and asks the operators' port for everything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.widgets import DataTable, Footer, Input, Sparkline, Static

from gateway.app.clocks import wall
from gateway.cli.admin_port import Client, Door, Refused, readable, segment
from gateway.cli.columns import second, short
from gateway.cli.top_prompts import Details, Field, Help, Prompt
from gateway.cli.top_state import State, alarms, does, header, health, whom

EVERY: Final = 2.0
"""Seconds between looks at the busiest accounts, and at overrides."""
AGAIN: Final = 1.0
"""Seconds before a feed that ended is asked for again."""
DRAWN: Final = 0.5
"""Seconds between drawings of the list of refusals."""
LASTING: Final = 30.0
"""Seconds for which a message about a change is shown."""
BUSIEST: Final = 50

ACCOUNTS: Final = {"account": 32, "requests": 9, "refusals": 9, "tokens": 9, "spend": 10, "share": 6}
"""Column -> how wide: what moves all the time is no table."""
REFUSALS: Final = {
    "time": 8, "account": 20, "model": 20, "country": 7, "reason": 22, "entry": 14, "status": 6,
}  # fmt: skip

STYLE: Final = """
#figures, #health { height: 1; padding: 0 1; }
#figures { text-style: bold; }
#alarm { height: auto; padding: 0 1; background: $error; color: $text; text-style: bold; display: none; }
#alarm.on { display: block; }
#requests { height: 3; margin: 0 1; }
#accounts { height: 2fr; }
#refusals { height: 1fr; border-top: solid $primary; }
#filter { display: none; dock: bottom; height: 3; }
#filter.on { display: block; }
Prompt, Details, Help { align: center middle; }
.dialog { width: 64; height: auto; max-height: 80%; padding: 1 2; border: thick $primary; background: $surface; }
.wide { width: 96%; }
.title { text-style: bold; }
.hint { color: $text-muted; }
#missing { color: $error; }
"""


class Top(App[None]):
    """`said` is why it ended, where that was no wish of who looks."""

    CSS: ClassVar[str] = STYLE
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort"),
        Binding("slash", "filter", "Filter"),
        Binding("enter", "details", "Limits", priority=False),
        Binding("b", "boost", "Boost"),
        Binding("f", "freeze", "Freeze"),
        Binding("u", "undo", "Undo"),
        Binding("question_mark", "keys", "Keys"),
        Binding("escape", "all", "All", show=False),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, door: Door, *, minutes: int = 5) -> None:
        super().__init__()
        self.state = State()
        self.said = ""
        self._client = Client(door)
        self._minutes = minutes
        self._mine: list[dict[str, Any]] = []
        """Overrides as this screen's changes left them, the newest last."""
        self._stale = False
        """Whether refusals came that are not drawn yet."""

    def compose(self) -> ComposeResult:
        yield Static(id="figures", markup=False)
        yield Static(id="health", markup=False)
        yield Static(id="alarm", markup=False)
        yield Sparkline(list(self.state.requests), id="requests")
        yield DataTable[Text](id="accounts", cursor_type="row", zebra_stripes=True)
        yield DataTable[Text](id="refusals", cursor_type="row")
        yield Input(placeholder="part of an account, a model, a reason", id="filter")
        yield Footer()

    async def on_mount(self) -> None:
        await self._client.__aenter__()
        self.title = f"tidegate {self._client.door.address}"
        for table, columns in ((self._accounts, ACCOUNTS), (self._refusals, REFUSALS)):
            for name, width in columns.items():
                table.add_column(name, width=width)
        self._accounts.focus()
        self._head()
        self.run_worker(self._kept_up(self._seconds), name="seconds")
        self.run_worker(self._kept_up(self._decisions), name="decisions")
        self.run_worker(self._looking(), name="accounts")
        self.set_interval(DRAWN, self._draw_refusals)

    async def on_unmount(self) -> None:
        await self._client.__aexit__(None, None, None)

    # -- what comes ---------------------------------------------------------------------------------------------------

    async def _kept_up(self, follow: Callable[[], Awaitable[None]]) -> None:
        """For as long as the screen is there. A token that is not taken ends it: nothing would ever come."""
        while True:
            try:
                await follow()
            except Refused as refused:
                if refused.status == 401:
                    self.said = str(refused)
                    self.exit()
                    return
                if refused.status == 403:
                    self.notify(readable(refused), severity="warning", timeout=LASTING, markup=False)
                    return
            self.state.live = False
            self._head()
            await asyncio.sleep(AGAIN)

    async def _seconds(self) -> None:
        async for name, data in self._client.events("/live/overview"):
            if name == "second":
                self.state.take_second(data)
                self._head()

    async def _decisions(self) -> None:
        async for name, data in self._client.events("/live/decisions", {"action": "refused"}):
            if name == "decisions":
                self.state.take_decisions(data)
                self._stale = True

    async def _looking(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(EVERY)

    async def _look(self) -> None:
        """Once, at the accounts and at overrides. What is not answered stays as it was: the head says so."""
        query = {"by": self.state.by, "minutes": self._minutes, "limit": BUSIEST}
        with contextlib.suppress(Refused):
            self.state.busy = (await self._client.ask("GET", "/accounts/busy", query=query)).content
        with contextlib.suppress(Refused):
            self.state.overrides = (await self._client.ask("GET", "/overrides")).content["overrides"]
        self._draw_accounts()
        self._head()

    # -- what is drawn ------------------------------------------------------------------------------------------------

    @property
    def _accounts(self) -> DataTable[Text]:
        return self.query_one("#accounts", DataTable)

    @property
    def _refusals(self) -> DataTable[Text]:
        return self.query_one("#refusals", DataTable)

    def _head(self) -> None:
        base = self.screen_stack[0]
        state = self.state
        base.query_one("#figures", Static).update(header(state))
        base.query_one("#health", Static).update(f"{health(state)}   by {state.by}, last {self._minutes} min")
        alarm = base.query_one("#alarm", Static)
        found = readable(alarms(state, wall()))
        alarm.update(found)
        alarm.set_class(bool(found), "on")
        base.query_one("#requests", Sparkline).data = list(state.requests)

    def _draw_accounts(self) -> None:
        """The line that is chosen stays chosen, wherever its account goes."""
        table = self.screen_stack[0].query_one("#accounts", DataTable)
        chosen = self._chosen()
        table.clear()
        for one in self.state.accounts():
            table.add_row(*map(Text, _account(one)), key=one["account"])
        names = [one["account"] for one in self.state.accounts()]
        if chosen in names:
            table.move_cursor(row=names.index(chosen), animate=False)

    def _draw_refusals(self) -> None:
        if not self._stale:
            return
        self._stale = False
        # The timer may still come while the screen is taken down.
        with contextlib.suppress(NoMatches):
            table = self.screen_stack[0].query_one("#refusals", DataTable)
            table.clear()
            for one in self.state.decisions():
                table.add_row(*map(Text, _refusal(one)))

    def _chosen(self) -> str:
        """The account of the line; empty where there is none."""
        table = self.screen_stack[0].query_one("#accounts", DataTable)
        if not table.row_count or not table.is_valid_row_index(table.cursor_row):
            return ""
        return str(table.coordinate_to_cell_key((table.cursor_row, 0)).row_key.value)  # type: ignore[arg-type]

    # -- keys ---------------------------------------------------------------------------------------------------------

    async def action_sort(self) -> None:
        self.state.sort()
        await self._look()

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.add_class("on")
        box.focus()

    def action_all(self) -> None:
        box = self.query_one("#filter", Input)
        box.value = ""
        box.remove_class("on")
        self._accounts.focus()

    def action_keys(self) -> None:
        self.push_screen(Help())

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self.state.wanted = event.value
            self._draw_accounts()
            self._stale = True

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "filter":
            self._accounts.focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        if event.data_table.id == "accounts":
            self.action_details()

    def action_details(self) -> None:
        if account := self._chosen():
            self.run_worker(self._details(account), name="details")

    async def _details(self, account: str) -> None:
        said = await self._asked("GET", f"/accounts/{segment(account)}/limits")
        if said is not None:
            await self.push_screen(Details(said))

    def action_boost(self) -> None:
        self._steer("Boost", {"kind": "scale"}, [Field("factor", "Times", "2"), Field("lasts", "For", "1h")])

    def action_freeze(self) -> None:
        self._steer("Freeze", {"kind": "freeze"}, [Field("lasts", "For", "1h")])

    def _steer(self, verb: str, change: dict[str, Any], fields: list[Field]) -> None:
        """Of the account in the line, with all its limits."""
        account = self._chosen()
        if not account:
            self.notify("there is no account in the line", severity="warning")
            return

        def done(found: dict[str, str] | None) -> None:
            if found is None:
                return
            try:
                factor = {"factor": float(found["factor"])} if "factor" in found else {}
            except ValueError:
                self.notify("times what? A number such as 2 or 0.5", severity="error", markup=False)
                return
            content = {
                "limit": "*", "scope": {"account": account}, "change": change | factor,
                "lasts": found["lasts"], "reason": found["reason"],
            }  # fmt: skip
            self.run_worker(self._change("POST", "/overrides", content), name="change")

        self.push_screen(Prompt(f"{verb} {account}", [*fields, Field("reason", "Why (for the audit)")]), done)

    def action_undo(self) -> None:
        self.run_worker(self._undo(self._chosen()), name="undo")

    async def _undo(self, account: str) -> None:
        """What was done here last; else the newest override of the account."""
        found = self._mine[-1] if self._mine else None
        if found is None and account:
            said = await self._asked("GET", "/overrides", query={"account": account})
            there = (said or {}).get("overrides", ())
            found = max(there, key=lambda one: int(one["revision"]), default=None)
        if found is None:
            self.notify("there is nothing to undo", severity="warning")
            return
        last = found

        def done(answer: dict[str, str] | None) -> None:
            if answer is not None:
                path = f"/overrides/{last['id']}/undo"
                work = self._change("POST", path, answer, etag=str(last["revision"]))
                self.run_worker(work, name="change")

        title = f"Undo the last change of: {does(last)}, {whom(last)}"
        await self.push_screen(Prompt(title, [Field("reason", "Why (for the audit)")]), done)

    async def _change(self, method: str, path: str, content: Mapping[str, Any], *, etag: str = "") -> None:
        said = await self._asked(method, path, content, etag=etag)
        if said is None:
            return
        if etag:
            self._mine = [one for one in self._mine if one["id"] != said["override"]["id"]]
        else:
            self._mine.append(said["override"])
        severity: Any = "warning" if said["applied"].get("missing") else "information"
        self.notify(readable(applied(said)), severity=severity, timeout=LASTING, markup=False)
        await self._look()

    async def _asked(
        self,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        etag: str = "",
    ) -> Any:
        """None where it is refused, which is shown."""
        try:
            return (await self._client.ask(method, path, content, query=query, etag=etag)).content
        except Refused as refused:
            self.notify(readable(refused), severity="error", timeout=LASTING, markup=False)
            return None


def applied(said: Mapping[str, Any]) -> str:
    """Where a change holds by now."""
    where = said["applied"]
    state = said["override"].get("state", "in force")
    what = f"{does(said['override'])}, {whom(said['override'])}: {state}"
    there, missing = len(where["workers"]), len(where.get("missing", ()))
    if missing:
        return f"{what}; {missing} of {there + missing} worker(s) have not said so yet"
    within = where.get("within")
    return f"{what}, on {there} worker(s)" + (f", after {within:.2f} s" if within is not None else "")


def _account(one: Mapping[str, Any]) -> tuple[str, ...]:
    spend = f"${one['spend']:.2f}" if one.get("spend") else ""
    figures = (short(one["requests"]), short(one["refusals"]), short(one["tokens"]))
    return readable(one["account"]), *figures, spend, f"{one.get('share', 0.0):.0%}"


def _refusal(one: Mapping[str, Any]) -> tuple[str, ...]:
    time = second(one["time"])[11:]
    return time, *(readable(one.get(name, "")) for name in REFUSALS if name != "time")
