"""How the operations on policies read what is asked, and answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import orjson
from aiohttp import web
from pydantic import Field, StringConstraints

from gateway.control.access.roles import MAY, Permission
from gateway.control.account_shapes import Lasting, Reason, Shape, Wrong, checked
from gateway.control.operations import OPERATOR, Operation
from gateway.control.rules_files.folder import LARGEST, NoFile, NotWritable, named
from gateway.control.rules_files.rollout import NoSuchRule
from gateway.control.rules_files.workshop import Busy, GivenUp

MOST_FILES: Final = 64
"""Texts of one draft."""

Text = Annotated[str, StringConstraints(max_length=LARGEST)]
Handler = Callable[[web.Request], Awaitable[web.Response]]


class SaveShape(Shape):
    """A file's new text, and why."""

    text: Text
    reason: Reason


class NewFileShape(SaveShape):
    """A file that is not there yet."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class ReasonShape(Shape):
    reason: Reason


class DraftShape(Shape):
    """Texts that stand for those of the folder: nothing is saved."""

    files: dict[str, Text | None] = Field(default_factory=dict, max_length=MOST_FILES)
    """Name of a file -> its text; null: as if it were not there."""


class ReplayShape(DraftShape):
    """A draft, and which exchanges it is asked about."""

    since: Lasting = 86400.0
    """How far back, such as 24h."""
    against: Literal["recorded", "in_force"] = "recorded"
    """What was decided then, or what the rules in force say of the same today."""


class ShareShape(Shape):
    """For whom a rule is to be enforced."""

    text: Text
    """Of the file that it stands in."""
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """Of a rule, or of an entry of chain.yaml."""
    share: Annotated[float, Field(ge=0, le=1)]
    """Of the accounts; 0: in shadow."""


class SinceQuery(Shape):
    since: Lasting = 86400.0
    """How far back, such as 24h."""


class DiffQuery(Shape):
    """Two generations of the history, by number or by the beginning of a digest; `disk` is the folder itself."""

    from_: Annotated[str, Field(alias="from", max_length=40)] = ""
    to: Annotated[str, StringConstraints(max_length=40)] = ""


def told(content: Any, status: int = 200, etag: str = "") -> web.Response:
    fields = {"Cache-Control": "no-store"} | ({"ETag": f'"{etag}"'} if etag else {})
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    return web.Response(body=body, status=status, content_type="application/json", headers=fields)


def failed(said: str, status: int, **more: Any) -> web.Response:
    return told({"error": said} | more, status)


async def content_of(request: web.Request) -> dict[str, Any]:
    """An object; nothing at all is an empty one. Raises Wrong."""
    content = await request.read()
    try:
        found = orjson.loads(content) if content.strip() else {}
    except ValueError:
        raise Wrong({"": "the content must be JSON"}) from None
    if not isinstance(found, dict):
        raise Wrong({"": "the content must be a JSON object"})
    return found


async def draft_of(request: web.Request, shape: type[DraftShape] = DraftShape) -> Any:
    """Raises Wrong, also for a name that is none."""
    asked = checked(shape, await content_of(request))
    for path in asked.files:
        try:
            named(path)
        except NoFile as error:
            raise Wrong({f"files.{path[:80]}": str(error)}) from None
    return asked


def may(request: web.Request, permission: Permission) -> bool:
    """Whether whoever asks has it, beside what the operation needs."""
    operator = request.get(OPERATOR)
    return operator is not None and permission in MAY[operator.role]


def bordered(operations: list[Operation]) -> list[Operation]:
    """The same, with what can be wrong with files and drafts as answers; the border of the port knows the rest."""
    return [_bordered(operation) for operation in operations]


def _bordered(operation: Operation) -> Operation:
    handler = operation.handler

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except NoSuchRule as error:
            return failed(str(error), 422)
        except NoFile as error:
            return failed(str(error), 404)
        except NotWritable as error:
            return failed(str(error), 409)
        except Busy as error:
            return failed(str(error), 429)
        except GivenUp as error:
            return failed(str(error), 503)

    return replace(operation, handler=answer)
