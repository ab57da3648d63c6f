"""What `tidegate quota` prints: usage as bars, overrides and their history, what a change came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.cli.admin_port import readable
from gateway.cli.columns import aligned, indented, lasting, second

WIDTH: Final = 20
"""Characters of a bar."""
EIGHTHS: Final = " ▏▎▍▌▋▊▉"
Said = Mapping[str, Any]


def bar(percent: float | None) -> str:
    """`[██████▌             ]  33%`; debt is beyond the end. A limit that lets nothing pass has none."""
    if percent is None:
        return "[" + "×" * WIDTH + "]"
    eighths = round(min(100.0, max(0.0, percent)) / 100.0 * WIDTH * 8)
    whole, part = divmod(eighths, 8)
    drawn = "█" * whole + (EIGHTHS[part] if part else "")
    return f"[{drawn.ljust(WIDTH)}] {percent:3.0f}%" + ("!" if percent > 100.0 else "")


def amount(value: float, measure: str) -> str:
    if measure == "spend":
        return f"${value:,.2f}" if round(value, 2) == value else f"${value:,.6g}"
    return f"{value:,.12g}" if value == int(value) else f"{value:,.1f}"


def limits(found: Said) -> str:
    """Of the rules in force, with what is set beside them."""
    headings = ("LIMIT", "ENTRY", "PER", "STATES", "FOR", "SET BESIDE IT")
    rows = []
    for one in found["limits"]:
        whom = [*one["tiers"], *one["models"]]
        count = len(one["overrides"])
        beside = f"{count} override{'s' if count > 1 else ''}" if count else ""
        mode = "" if one["mode"] == "enforced" else f" ({one['mode']})"
        states = f"{one['said']} {one['unit']}" if one["measure"] != "concurrency" else one["said"]
        rows.append((one["name"], f"{one['entry']}{mode}", one["per"], states, whom, beside))
    parts = [aligned(headings, rows)]
    every = {one["id"]: one for limit in found["limits"] for one in limit["overrides"]}
    every |= {one["id"]: one for one in (*found["for_all"], *found["without_limit"])}
    if every:
        parts += ["", overrides(list(every.values()))]
    if found["left_out"]:
        parts.append(f"{found['left_out']} more name accounts, which are not for this token")
    return readable("\n".join(parts))


def overrides(found: list[dict[str, Any]]) -> str:
    lines = []
    for one in found:
        lost = " (the rules have no such limit: it bites nothing)" if one["without_limit"] else ""
        state = "" if one["state"] == "in force" else f"[{one['state']}] "
        lines.append(f"override {one['id']} (revision {one['revision']}): {state}{one['said']}{lost}")
        lines.append(f"  by {one['by']} at {second(one['created'])}: {one['reason']}")
    return readable("\n".join(lines))


def of_account(found: Said) -> str:
    """Bars."""
    who = [f"account {found['account']}", f"tier {found['tier']}"]
    who += [f"organisation {found['organisation']}"] if found["organisation"] else []
    lines = [", ".join(who)]
    if found["frozen"]:
        lines.append(f"FROZEN: {found['frozen']['said']}")
    if found.get("shadow"):
        lines.append(f"IN SHADOW: {found['shadow']['said']}")
    # What is for others is one line, unless somebody has set something there.
    apart = [one["name"] for one in found["limits"] if one["why_not"] and not one["overrides"]]
    for one in found["limits"]:
        if one["name"] not in apart:
            lines += ["", *_limit(one)]
    if apart:
        lines += ["", f"{len(apart)} for other tiers or models: {', '.join(apart)}"]
    lines += [""] if found["notes"] else []
    lines += found["notes"]
    return readable("\n".join(lines))


def _limit(one: Said) -> Iterator[str]:
    state = "" if one["state"] == "stated" else f", {one['state']} by override {one['override']}"
    until = f" until {second(one['until'])} UTC" if one["until"] else ""
    mode = "" if one["mode"] == "enforced" else f", {one['mode']}"
    yield f"{one['name']} ({one['measure'].replace('_', ' ')}): {one['said']}{state}{until}{mode}"
    if one["why_not"]:
        yield f"  not asked: it is {one['why_not']}"
    for bucket in one["buckets"] or ():
        yield f"  {_bucket(bucket, one)}"
    for other in one["overrides"]:
        if not other["bites"]:
            yield f"  override {other['id']} does not bite: {other['why']}"
    if one["buckets_note"] and one["buckets"] is not None and one["applies"]:
        yield f"  ({one['buckets_note']})"


def _bucket(bucket: Said, limit: Said) -> str:
    measure = limit["measure"]
    by = ", ".join(f"{name} {value}" for name, value in bucket["by"].items() if name not in ("account", "tier"))
    used = f"{amount(bucket['used'], measure)} of {amount(bucket['capacity'], measure)} used"
    parts = [bar(bucket["percent"]), used, f"{amount(bucket['left'], measure)} left"]
    if bucket["debt"] > 0:
        parts.append(f"{amount(bucket['debt'], measure)} of debt")
    if bucket["next_in"]:
        parts.append(f"next in {lasting(bucket['next_in'])}")
    if bucket["full_in"]:
        parts.append(f"full in {lasting(bucket['full_in'])}")
    return ("in shadow: " if bucket["shadow"] else "") + (f"{by}: " if by else "") + ", ".join(parts)


def changed(answer: Said) -> str:
    """What was changed, where it holds, and what takes it back."""
    override, applied = answer["override"], answer["applied"]
    lines = [f"override {override['id']} (revision {override['revision']}) {override['state']}: {override['said']}"]
    lines.append(_applied(applied))
    lines += [f"note: {warning}" for warning in answer["warnings"]]
    # An undo undone is a change again: at night nobody should freeze a customer anew by "taking back" once more.
    again = "to take it back" if override["state"] == "in force" else "to put it in force again"
    lines.append(f"{again}: {take_back(override)}")
    return readable("\n".join(lines))


def _applied(applied: Said) -> str:
    workers, missing = applied["workers"], applied["missing"]
    names = ", ".join(f"{one['gateway']}/{one['worker']}" for one in workers)
    fast = "" if applied["within"] is None else f" within {applied['within'] * 1000:.0f} ms"
    count = len(workers) + len(missing)
    lines = [
        f"held by {len(workers)} of {count} worker{'' if count == 1 else 's'}{fast}" + (f": {names}" if names else "")
    ]
    if missing:
        late = ", ".join(f"{one['gateway']}/{one['worker']}" for one in missing)
        lines.append(f"NOT YET HELD by {late}: it is saved, and they look twice a second")
    if applied["note"]:
        lines.append(applied["note"])
    return "\n".join(lines)


def take_back(override: Said) -> str:
    """Exact: where somebody changes it meanwhile, it is refused."""
    return f"tidegate quota undo {override['id']} --revision {override['revision']} --reason WHY"


def history(found: Said) -> str:
    rows = [
        (one["revision"], one["override"], second(one["at"]), one["who"], one["said"], one["reason"])
        for one in found["changes"]
    ]
    text = aligned(("REVISION", "OVERRIDE", "WHEN", "WHO", "WHAT", "WHY"), rows)
    return readable(text + (f"\nolder ones: --after {found['next']}" if found["next"] else ""))


def reset(found: Said, measure: str) -> str:
    lines = [f"{found['limit']} of {found['account']}: {len(found['buckets'])} buckets back to nothing in use"]
    lines += [f"  {one['partition']}: {amount(one['used'], measure)} was in use" for one in found["buckets"]]
    lines += [found["note"]] if found["note"] else []
    return readable("\n".join(lines))


def previewed(result: Said) -> str:
    """Who would be refused, or no longer."""
    lines = [result["said"]] if result.get("said") else []
    factor = f" (one account of {result['factor']} was looked at)" if result["sampled"] else ""
    lines.append(
        f"of {result['exchanges']:,} exchanges of {result['accounts_seen']:,} accounts in the last 24 hours{factor}:"
    )
    lines.append(
        f"  refused now {result['refused_before']:,}, then {result['refused_after']:,}:"
        f" {result['more']:,} more ({result['accounts_more']:,} accounts),"
        f" {result['less']:,} no longer ({result['accounts_less']:,} accounts)"
    )
    if result["accounts"]:
        rows = [
            (
                one["account"],
                one["tier"],
                f"{one['exchanges']:,}",
                f"{one['more']:,}",
                f"{one['less']:,}",
                second(one["first"]),
            )
            for one in result["accounts"]
        ]
        lines += ["", indented(aligned(("ACCOUNT", "TIER", "EXCHANGES", "MORE", "NO LONGER", "FIRST"), rows)), ""]
    else:
        lines.append("  nobody would notice")
    return readable("\n".join([*lines, *result["notes"]]))
