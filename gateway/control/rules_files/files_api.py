"""The files of the policies over the operators' port: seen, saved, made, removed.

    GET /policies/files            GET /policies/files/{path}
    POST /policies/files           PUT, DELETE /policies/files/{path}      with If-Match

References such as `${SECRET}` are shown as they are written. A file that names accounts needs PEOPLE, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.control.access.roles import Permission
from gateway.control.account_shapes import checked
from gateway.control.operations import Operation, who
from gateway.control.rules_files.answers import (
    NewFileShape,
    ReasonShape,
    SaveShape,
    bordered,
    content_of,
    failed,
    may,
    told,
)
from gateway.control.rules_files.folder import Content, NoFile, named
from gateway.control.rules_files.saving import Change, Conflict, Rules, Saved, Saving, WouldRefuse
from gateway.control.rules_files.tree import Role, Roles, text_in_force, tree, veiled
from gateway.control.rules_files.workshop import Workshop
from gateway.tasks import spawn

Versions = Callable[[], Awaitable[dict[str, tuple[int, str]]]]

PEOPLE = "this file names accounts: whoever sees it needs to be allowed to see people, too"


class FilesApi:
    """`versions` is what each worker serves by (gateway.control.fleet.Fleet.versions)."""

    def __init__(self, saving: Saving, rules: Rules, versions: Versions, workshop: Workshop) -> None:
        self._saving = saving
        self._folder = saving.folder
        self._rules = rules
        self._versions = versions
        self._workshop = workshop

    def operations(self) -> list[Operation]:
        write = Permission.WRITE
        one = "/policies/files/{path:.+}"
        gone = {404: "There is no such file, or its name is none."}
        refused = {
            409: "The folder is read-only here, or the file is a link.",
            412: "Somebody changed the file meanwhile: `text` and `digest` are what stands there now.",
            428: "If-Match is missing: the ETag of what you have read.",
            422: "The folder would be wrong with it: `problems`, and nothing was saved.",
            429: "Too many checks are under way.",
        }
        return bordered(
            [
                Operation("GET", "/policies/files", self.list, write, "The files of the policies, and what each is."),
                Operation("GET", one, self.show, write, "A file as it is written; its ETag.", errors=gone),
                Operation(
                    "PUT", one, self.save, write, "Check a file's new text with the whole folder, save it, use it.",
                    content=SaveShape, errors=gone | refused,
                ),
                Operation(
                    "POST", "/policies/files", self.create, write, "A new file.", content=NewFileShape, status=201,
                    errors=refused,
                ),
                Operation(
                    "DELETE", one, self.delete, write, "Remove a file that nothing reads.", content=ReasonShape,
                    errors=gone | refused,
                ),
            ]
        )  # fmt: skip

    async def list(self, _: web.Request) -> web.Response:
        spawn(self._workshop.warm(), "a bench for the editor")
        files = await asyncio.to_thread(tree, self._folder, self._serving)
        refusal = await asyncio.to_thread(self._folder.refuses, "chain.yaml")
        return told({"files": files, "writable": not refusal, "refusal": refusal})

    async def show(self, request: web.Request) -> web.Response:
        path = named(request.match_info["path"])
        found, role, running = await asyncio.to_thread(self._read, path)
        if role.people and not may(request, Permission.PEOPLE):
            return failed(PEOPLE, 403)
        text = _text(found)
        content = {
            "path": path,
            "text": text,
            "digest": found.digest,
            "kind": role.kind,
            "readers": role.readers,
            "refusal": await asyncio.to_thread(self._folder.refuses, path),
            "in_force": running if running != text else None,
        }
        return told(content, etag=found.digest)

    async def save(self, request: web.Request) -> web.Response:
        asked = checked(SaveShape, await content_of(request))
        return await self._change(request, request.match_info["path"], asked.text, asked.reason)

    async def create(self, request: web.Request) -> web.Response:
        asked = checked(NewFileShape, await content_of(request))
        return await self._changed(request, Change(who(request), asked.path, asked.text, "", asked.reason), 201)

    async def delete(self, request: web.Request) -> web.Response:
        asked = checked(ReasonShape, await content_of(request))
        path = named(request.match_info["path"])
        role = (await asyncio.to_thread(Roles, self._folder.root)).of(path)
        if role.kind not in {"unread", "tests"}:
            by = ", ".join(role.readers) or "the gateway"
            return failed(f"`{path}` is read by {by}: take that out first", 409)
        return await self._change(request, path, None, asked.reason)

    async def _change(self, request: web.Request, path: str, text: str | None, reason: str) -> web.Response:
        stated = request.headers.get("If-Match", "")
        match = stated.strip().removeprefix('"').removesuffix('"')
        if not match:
            return failed("If-Match is needed: the ETag of the file as you have read it", 428)
        # Before what stands there is told to whoever comes second.
        role = (await asyncio.to_thread(Roles, self._folder.root)).of(named(path))
        if role.people and not may(request, Permission.PEOPLE):
            return failed(PEOPLE, 403)
        if not await asyncio.to_thread(self._folder.exists, path):
            raise NoFile(f"there is no file `{path}`: somebody removed it, or it was never there")
        return await self._changed(request, Change(who(request), path, text, match, reason))

    async def _changed(self, request: web.Request, change: Change, status: int = 200) -> web.Response:
        try:
            saved = await self._saving.change(change)
        except Conflict as conflict:
            return _conflict(change, conflict)
        except WouldRefuse as refused:
            rows = refused.problems
            if not may(request, Permission.PEOPLE):
                rows = await asyncio.to_thread(veiled, rows, self._folder.root)
            return failed(str(refused), 422, problems=rows)
        return told(await self._applied(change, saved), status, saved.digest)

    async def _applied(self, change: Change, saved: Saved) -> dict[str, Any]:
        """With what each worker serves by now: that it is applied is a fact."""
        whole = self._rules.in_force
        workers = await self._versions()
        return {
            "path": change.path,
            "digest": saved.digest,
            "outcome": saved.outcome.word,
            "generation": whole.generation,
            "ruleset": whole.digest,
            "name": whole.name,
            "workers": [
                {"worker": worker, "generation": version[0], "in_force": version == whole.version}
                for worker, version in sorted(workers.items())
            ],
            "warnings": saved.warnings,
        }

    @property
    def _serving(self) -> Path:
        return self._rules.in_force.folder / "policies"

    def _read(self, path: str) -> tuple[Content, Role, str | None]:
        return self._folder.read(path), Roles(self._folder.root).of(path), text_in_force(self._serving, path)


def _conflict(change: Change, conflict: Conflict) -> web.Response:
    if not change.match:
        return failed(f"there is a file `{change.path}` already", 409)
    now = conflict.now
    if now is None:
        return failed("somebody removed this file since you opened it", 412, text=None, digest="")
    answer = failed(str(conflict), 412, text=_text(now), digest=now.digest)
    answer.headers["ETag"] = f'"{now.digest}"'
    return answer


def _text(content: Content) -> str:
    """Raises NoFile for what is no text."""
    try:
        return content.data.decode("utf-8")
    except UnicodeDecodeError:
        raise NoFile("the file is no text in UTF-8: edit it where it is") from None
