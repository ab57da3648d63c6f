"""Cases as `tidegate case` prints them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.cli.columns import aligned, indented, second

Shown = Mapping[str, Any]
ACTIONS: Final = ("rules", "verify", "suspend", "reject")


def cases(found: Iterable[Shown]) -> str:
    headings = ("case", "accounts", "exchanges", "score", "by", "rules", "since", "state")
    return aligned(headings, [_line(one) for one in found])


def _line(one: Shown) -> list[object]:
    by = [family["family"] for family in one["families"] if family["nats"] >= 1]
    state = f"{one['state']}, {one['wanted']} waits for a second person" if one["wanted"] else one["state"]
    since = second(one["began"])[:16]
    return [one["id"], one["accounts"], one["exchanges"], f"{one['score']:.1f}", by, one["level"] or "", since, state]


def case(one: Shown) -> str:
    parts = [
        f"case {one['id']}, {one['state']}, revision {one['revision']}: {one['accounts']} accounts that act as one, "
        f"{one['exchanges']} exchanges since {second(one['began'])[:16]} UTC, {one['score']:.1f} nats",
    ]
    if one["wanted"]:
        parts.append(f"{one['wanted_by']} wants to {one['wanted']} them: {one['wanted_why']}; a second has to say so")
    if one["decided"]:
        parts.append(f"decided by {one['by']}, {second(one['decided'])[:16]} UTC: {one['reason']}")
    bars = [[f["family"], f"{f['nats']:.1f}", f"{f['cap']:g}"] for f in one["families"]]
    parts += ["", aligned(("family", "nats", "at most"), bars), "", *(f"- {line}" for line in one["evidence"])]
    if one["marks"]:
        marks = [[mark["id"], mark["accounts"], f"{mark['nats']:.1f}", mark["words"]] for mark in one["marks"]]
        parts += ["", "known by", indented(aligned(("mark", "accounts", "nats", "words"), marks))]
    parts += ["", "what each action would do"]
    parts += [f"  {action}: {one['preview'][action]['said']}" for action in ACTIONS]
    if accounts := one.get("accounts_shown"):
        names = ("account", "nats", "state", "tier", "verification", "level")
        parts += ["", aligned(names, [["" if row[name] is None else row[name] for name in names] for row in accounts])]
    return "\n".join(parts)


def decided(done: Shown) -> str:
    case_ = done["case"]
    if done["waits"]:
        return (
            f"case {case_['id']}: a second person has to say the same before {case_['accounts']} accounts are touched"
        )
    said = f"case {case_['id']} is {case_['state']}, at revision {case_['revision']}: {case_['accounts']} accounts"
    result = done.get("result")
    if result:
        said += f"\n{result['did']}: done to {result['accounts']} accounts"
        said += f"; {result['of_file']} stand in accounts.yaml and are left alone" if result["of_file"] else ""
        said += (
            f"\nto take it back: tidegate case undo {case_['id']} --reason WHY" if result["did"] != "restore" else ""
        )
    return said
