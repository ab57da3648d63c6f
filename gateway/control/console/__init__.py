"""The console: a page that is the same for every address under `/console/`, and files.

What it shows it asks of the API, by the session of whoever is signed in. Nothing here knows anything of anybody, so all
of it is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from gateway.control.console.assets import FILE_FIELDS, ROOT, SHELL_FIELDS, Asset, Assets
from gateway.control.operations import Operation

HOME: Final = "/console/"


class AnyQuery(BaseModel):
    """Filters of pages: the page reads them, nobody here."""

    model_config = ConfigDict(extra="allow")


class Console:
    """`operations()` are its doors. Reads and packs the files once, which takes some 100 ms."""

    def __init__(self, assets: Assets | None = None) -> None:
        self.assets = assets if assets is not None else Assets()

    def operations(self) -> list[Operation]:
        page = "text/html"
        missing = {404: "There is no such file of this version."}
        return [
            Operation("GET", "/", self.home, None, "To the console", status=302, media=page),
            Operation("GET", "/console", self.home, None, "To the console", status=302, media=page),
            Operation("GET", HOME, self.shell, None, "The console", query=AnyQuery, media=page),
            Operation(
                "GET", f"{ROOT}/{{file:.*}}", self.file, None, "A file of the console", media="*/*", errors=missing
            ),
            Operation("GET", f"{HOME}{{path:.+}}", self.shell, None, "A page of it", query=AnyQuery, media=page),
        ]

    async def home(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": HOME, "Cache-Control": "no-store"})

    async def shell(self, request: web.Request) -> web.Response:
        """The page; which one of its own pages is shown it finds by its address."""
        return _answer(request, self.assets.shell, SHELL_FIELDS)

    async def file(self, request: web.Request) -> web.Response:
        """By its whole name, or not at all: there is no path to leave."""
        asset = self.assets.all.get(request.match_info["file"])
        if asset is None:
            raise web.HTTPNotFound
        return _answer(request, asset, FILE_FIELDS)


def _answer(request: web.Request, asset: Asset, fields: Mapping[str, str]) -> web.Response:
    packed = _takes_gzip(request.headers.get("Accept-Encoding", ""))
    tag = f'"{asset.tag}{"-gz" if packed else ""}"'
    headers = {**fields, "ETag": tag}
    if tag in {one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")}:
        return web.Response(status=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    body = asset.packed if packed else asset.content
    return web.Response(body=body, content_type=asset.kind, charset="utf-8", headers=headers)


def _takes_gzip(stated: str) -> bool:
    """RFC 9110, 12.5.3: named, and not by a weight of nothing."""
    for one in stated.split(","):
        name, _, weight = one.replace(" ", "").partition(";q=")
        if name.lower() == "gzip":
            return weight.strip("0.") != "" or weight == ""
    return False
