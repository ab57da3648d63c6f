"""A case's picture: its strongest accounts and marks as nodes with places, and what holds them together."""

from __future__ import annotations

from typing import Any, Final

import orjson
import sqlalchemy as sql

from gateway.control.cases.layout import places
from gateway.control.cases.shapes import EdgeShown, GraphShown, NodeShown

DRAWN: Final = 150
"""Accounts at the most."""


def graph(row: sql.Row[Any], strongest: dict[str, float], *, veiled: bool) -> GraphShown:
    """`strongest`: accounts -> nats, at most DRAWN. `veiled`: accounts have numbers instead of names."""
    marks = {mark[0]: mark for mark in orjson.loads(row.marks)}
    stated = [edge for edge in orjson.loads(row.edges) if _is_drawn(edge, strongest, marks)]
    touched = {end for edge in stated for end in edge[:2]}
    names = [*strongest, *(mark for mark in marks if mark in touched)]
    index = {name: place for place, name in enumerate(names)}
    edges = [(index[one], index[other], max(0.05, float(weight))) for one, other, _, weight in stated]
    at = places(len(names), edges)
    nodes = []
    for place, name in enumerate(names):
        x, y = at[place].tolist()
        mark = marks.get(name) if name not in strongest else None
        if mark is not None:
            nodes.append(NodeShown(id=name, kind="mark", x=x, y=y, nats=mark[4], words=mark[2]))
        else:
            shown = f"account {place + 1}" if veiled else name
            nodes.append(NodeShown(id=shown, kind="account", x=x, y=y, nats=strongest[name], words=""))
    drawn = [
        EdgeShown(one=one, other=other, kind=edge[2], weight=edge[3])
        for (one, other, _), edge in zip(edges, stated, strict=True)
    ]
    return GraphShown(nodes=nodes, edges=drawn, accounts=row.accounts, drawn=len(strongest), veiled=veiled)


def _is_drawn(edge: list[Any], accounts: dict[str, float], marks: dict[str, Any]) -> bool:
    """Both of its ends, which are not the same one."""
    one, other = edge[:2]
    return one != other and all(end in accounts or end in marks for end in (one, other))
