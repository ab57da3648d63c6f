"""The OpenAPI 3.1 document of the operators' port, made of its operations: what is not in them is not there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from gateway.control.access.guard import COOKIE, CSRF
from gateway.control.access.roles import MAY
from gateway.control.access.routes import FEED, SAFE
from gateway.control.operations import ACTOR, Operation

REFERENCES: Final = "#/components/schemas/{model}"
_PARAMETER: Final = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})+))?\}")
_USUAL: Final = {
    401: "Nobody is known by what came along.",
    403: "The role may not do this; `roles` are those that may.",
    404: "There is nothing of that name.",
    421: "A browser that asks by a name that anybody's page could have.",
    422: "Something is wrong with what is asked; `fields` says what.",
    429: "Too many wrong tokens came from here.",
    503: "The directory, or Redis, cannot be asked just now.",
    500: "Something is broken; `id` stands in the gateway's log.",
}
_CONTENT: Final = {408: "The content took too long to arrive.", 413: "The content is too large."}
_ERROR: Final = {
    "type": "object",
    "properties": {
        "error": {"type": "string", "description": "A sentence for people."},
        "fields": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Each wrong field with what is wrong with it.",
        },
    },
    "required": ["error"],
}


class About(NamedTuple):
    title: str
    version: str


def document(operations: Iterable[Operation], about: About) -> dict[str, Any]:
    """All of it, as JSON has it. Stable: the same operations make the same document."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        path, bounds = _path(one.path)
        paths.setdefault(path, {})[one.method.lower()] = _described(one, path, bounds, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": about.title, "version": about.version, "description": _roles()},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`admin_token` of tidegate.yaml, or a token of an operator.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": f"Of a browser that is signed in. Changes need the field {CSRF}, too.",
                },
            },
        },
    }


def _described(one: Operation, path: str, bounds: Mapping[str, str], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": one.summary,
        "operationId": _id(one.method, path),
        "tags": [path.split("/")[1] or "console"],
        "parameters": [*_in_path(path, bounds), *_in_query(one, schemas)],
        "responses": _answers(one, schemas),
    }
    if one.needs is not None:
        roles = [str(role) for role, granted in MAY.items() if one.needs in granted]
        found["description"] = f"Needs `{one.needs}`: {', '.join(roles)}."
        found["security"] = [{"token": []}, {"session": []}]
        found["x-permission"] = str(one.needs)
        if one.method not in SAFE:
            found["parameters"].append(_actor())
    else:
        found["security"] = []
    if one.content is not None:
        schema = _schema(one.content, schemas, "validation")
        found["requestBody"] = {
            "required": bool(_resolved(schema, schemas).get("required", True)),
            "content": {"application/json": {"schema": schema}},
        }
    return found


def _answers(one: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    """By status. A page is text; a redirect has no content to speak of; a feed is a stream of events."""
    usual: dict[str, Any] = {"description": "As asked."}
    if one.media == "application/json":
        schema = _schema(one.answer, schemas, "serialization") if one.answer is not None else {"type": "object"}
        usual["content"] = {one.media: {"schema": schema}}
    elif one.media == FEED:
        usual["description"] = "Events, until the reader goes."
        usual["content"] = {one.media: {"schema": {"type": "string"}}}
    elif not 300 <= one.status < 400:
        usual["content"] = {one.media: {"schema": {"type": "string"}}}
    found = {str(one.status): usual}
    stated = dict(_USUAL)
    if one.needs is None:
        for status in (401, 429):
            del stated[status]
    if one.method not in SAFE:
        stated |= _CONTENT
    stated |= one.errors
    error = {"application/json": {"schema": {"$ref": REFERENCES.format(model="Error")}}}
    if one.media == "text/html":
        error |= {"text/html": {"schema": {"type": "string"}}}
    for status, said in sorted(stated.items()):
        # An answer that is not the usual one may be whole all the same, as that of /readyz.
        found.setdefault(
            str(status), {"description": said, "content": _loose(error) if status in one.errors else error}
        )
    return found


def _loose(error: Mapping[str, Any]) -> dict[str, Any]:
    return {**error, "application/json": {"schema": {"type": "object"}}}


def _path(path: str) -> tuple[str, dict[str, str]]:
    """As OpenAPI has it, and what aiohttp bounds parameters by."""
    bounds = {found[1]: found[2] for found in _PARAMETER.finditer(path) if found[2]}
    return _PARAMETER.sub(r"{\1}", path), bounds


def _in_path(path: str, bounds: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for match in _PARAMETER.finditer(path):
        schema: dict[str, Any] = {"type": "string", "minLength": 1}
        if match[1] in bounds:
            schema["pattern"] = f"^(?:{bounds[match[1]]})$"
        found.append({"name": match[1], "in": "path", "required": True, "schema": schema})
    return found


def _in_query(one: Operation, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if one.query is None:
        return []
    whole = _resolved(_schema(one.query, schemas, "validation"), schemas)
    required = whole.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in whole.get("properties", {}).items()
    ]


def _actor() -> dict[str, Any]:
    return {
        "name": ACTOR,
        "in": "header",
        "required": False,
        "description": "On whose behalf a system asks: stands in the audit beside its own name.",
        "schema": {"type": "string"},
    }


def _schema(shape: Any, schemas: dict[str, Any], mode: Any) -> dict[str, Any]:
    """A reference where the shape has a name; what it is made of goes to `schemas`."""
    made = TypeAdapter(shape).json_schema(ref_template=REFERENCES, mode=mode)
    for name, schema in made.pop("$defs", {}).items():
        schemas.setdefault(name, schema)
    name = getattr(shape, "__name__", "")
    if not name or "$ref" in made:
        return dict(made)
    named = name if schemas.get(name, made) == made else f"{name}_{mode}"
    schemas[named] = made
    return {"$ref": REFERENCES.format(model=named)}


def _resolved(schema: dict[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    named = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = schemas[named] if named else schema
    return found


def _id(method: str, path: str) -> str:
    """Such as `post_accounts_id_suspend`; of a folder, `get_console_index`."""
    return re.sub(r"\W+", "_", f"{method.lower()}{path}{'index' if path.endswith('/') else ''}").strip("_")


def _roles() -> str:
    lines = [f"- `{role}`: {', '.join(sorted(str(one) for one in granted))}" for role, granted in MAY.items()]
    return "What each role may:\n\n" + "\n".join(lines)
