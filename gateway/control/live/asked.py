"""What stands in a query, checked at once; what is wrong is said in words, by name. 422."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError


class Query(BaseModel):
    """Of one operation. What is unknown is refused: a filter that is misspelled must not mean everything."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Q = TypeVar("Q", bound=Query)


def asked(shape: type[Q], request: web.Request) -> Q:
    """Raises web.HTTPUnprocessableEntity with every wrong field."""
    fields: dict[str, str] = {}
    stated: dict[str, str] = {}
    for name, value in request.query.items():
        if name in stated:
            fields[name] = "stands there twice"
        stated[name] = value
    try:
        found = shape.model_validate(stated)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False, include_context=False):
            said = "is unknown" if one["type"] == "extra_forbidden" else _said(one["msg"])
            fields.setdefault(".".join(str(step) for step in one["loc"]) or "query", said)
    if fields:
        raise refused(fields)
    return found


def refused(fields: Mapping[str, str]) -> web.HTTPUnprocessableEntity:
    said = "; ".join(f"{name} {why}" for name, why in fields.items())
    body = orjson.dumps({"error": said[:1000], "fields": dict(fields)})
    return web.HTTPUnprocessableEntity(body=body, content_type="application/json")


def answer(content: Mapping[str, Any], status: int = 200) -> web.Response:
    """JSON; never kept by a browser or a proxy: it is of this moment, and may be about people."""
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    fields = {"Cache-Control": "no-store"}
    return web.Response(body=body, status=status, content_type="application/json", headers=fields)


def _said(message: str) -> str:
    said = message.removeprefix("Value error, ")
    return said.replace("Input should be", "must be").replace("String should", "must")
