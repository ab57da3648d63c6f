"""The way of one exchange through the chain, laid out for people.

Words carry the meaning and colour only helps; a narrow terminal wraps, and loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

STYLES: Final = {"allow": "green", "deny": "red", "throttle": "yellow", "challenge": "yellow"}
SAID: Final = {"allow": "allows", "deny": "denies", "throttle": "throttles", "challenge": "challenges"}
FEW: Final = 8
"""Rules that do not apply and are shown all the same."""

Told = Mapping[str, Any]
"""As `gateway.rehearsal.telling.told`."""


def console(*, error: bool = False) -> Console:
    """Plain where nobody looks: no colour in a pipe, and none where NO_COLOR says so."""
    return Console(stderr=error, highlight=False, soft_wrap=False)


def show_exchange(out: Console, told: Told) -> None:
    """Who asks for what, from where."""
    asked = told["exchange"]
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _asked(asked):
        table.add_row(Text(name, "dim"), Text(value))
    out.print(table)


def _asked(asked: Told) -> Iterator[tuple[str, str]]:
    who = f"account {asked['account']}, tier {asked['tier']}" if asked["account"] is not None else "nobody is known"
    yield "who", who + (f", key {asked['key']}" if asked["key"] else "")
    place = [asked["country"] or "country unknown", f"AS{asked['asn']}" if asked["asn"] else ""]
    place += asked["network_kinds"]
    yield "from", f"{asked['address'] or 'no address'} ({', '.join(part for part in place if part)})"
    extras = [asked["model"], *asked["features"], "streaming" if asked["streaming"] else ""]
    cap = "no cap" if asked["output_cap"] is None else f"{asked['output_cap']} out at most"
    extras += [f"{asked['input_tokens']} tokens in, {cap}"]
    yield "asks", f"{asked['method']} {asked['path']} ({', '.join(part for part in extras if part)})"
    yield "at", str(asked["time"])


def show_trail(out: Console, told: Told, *, all_rules: bool = True, wanted: str = "") -> None:
    """Each entry in its order. Of the rules that do not apply only a few, and the one that is `wanted`, unless all."""
    for number, step in enumerate(told["trail"], 1):
        out.print(_heading(number, step))
        for line in _lines(step, all_rules=all_rules, wanted=wanted):
            out.print(Padding(line, (0, 0, 0, 5), expand=False))


def show_answer(out: Console, told: Told) -> None:
    """What the caller gets."""
    answer = told["answer"]
    if answer is None:
        out.print(Text("The request goes on to the inference API.", "bold green"))
        return
    why = f" by {told['rule']}" if told["rule"] else ""
    out.print(Text(f"Refused{why} ({told['entry']}, {told['at']}). The caller gets:", "bold red"))
    lines = [answer["line"], *answer["fields"], "", json.dumps(answer["content"], indent=2)]
    for line in "\n".join(lines).split("\n"):
        out.print(Padding(Text(line), (0, 0, 0, 4), expand=False))


def _heading(number: int, step: Told) -> Text:
    line = Text(f"{number:2}. ")
    line.append(step["entry"], "bold")
    line.append(f" ({step['kind']}) ", "dim")
    line.append_text(_verdict(step))
    if step["stage"] != "not reached":
        line.append(f"  {step['microseconds']:.0f} µs", "dim")
    line.append(f"  {step['at']}", "dim")
    return line


def _verdict(step: Told) -> Text:
    if step["stage"] == "not reached":
        return Text("not reached", "dim")
    if step["stage"] == "skipped":
        return Text("not asked: its `when` does not hold", "dim")
    decision = step.get("decision", "deny")
    if "error" in step:
        said = Text("is broken", "bold red")
    else:
        said = Text(SAID[decision], STYLES[decision])
        if step.get("reason"):
            said.append(f" {step['reason']}")
    if step["stage"] == "shadow":
        return Text("in shadow, changes nothing: ", "dim").append_text(said)
    return said


def _lines(step: Told, *, all_rules: bool, wanted: str) -> Iterator[Text]:
    when = step.get("when")
    if when is not None and step["stage"] != "not reached":
        held = "holds" if when["holds"] else "does not hold"
        yield Text(f"when {when['condition']}: {held}{_read(when['read'])}")
    if "error" in step:
        yield Text(f"it raised {step['error']}; `on_failure: {step['on_failure']}` decides", "red")
    findings = step.get("findings", ())
    shown = [one for one in findings if all_rules or one["applies"] or one["rule"] == wanted]
    if len(findings) - len(shown) <= FEW:
        shown = findings
    for finding in shown:
        yield _finding(finding)
    if len(shown) < len(findings):
        yield Text(f"and {len(findings) - len(shown)} more rules, which do not apply", "dim")
    if step.get("adds_weight"):
        yield Text(f"adds weight {step['adds_weight']}")
    if step.get("adds_tags"):
        yield Text(f"adds tags {', '.join(step['adds_tags'])}")
    if step.get("note"):
        yield Text(f"note: {step['note']}", "dim")
    for take in step.get("takes", ()):
        left = "" if take["left"] is None else f", {number(take['left'])} of {number(take['capacity'])} left"
        yield Text(f"takes {number(take['takes'])} from {take['limit']} for {take['partition']}{left}")


def _finding(finding: Told) -> Text:
    mark, style = ("* applies", "bold") if finding["applies"] else ("- no", "dim")
    if "not asked" in finding["note"]:
        mark, style = "- (yes)" if finding["applies"] else "- (no)", "dim"
    line = Text(f"{mark:9} ", style)
    line.append(finding["rule"], style)
    if finding["at"]:
        line.append(f"  {finding['at']}", "dim")
    line.append(_read(finding["read"]))
    if finding["note"]:
        line.append(f"  ({finding['note']})")
    return line


def _read(read: Mapping[str, Any]) -> str:
    return "".join(f"  {name} = {value_of(value)}" for name, value in read.items())


def value_of(value: object) -> str:
    """As CEL writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(value_of(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {value_of(item)}" for key, item in value.items()) + "}"
    return number(value) if isinstance(value, float) else str(value)


def number(value: float) -> str:
    """With no more digits than it needs."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")
