"""A vendor's server on loopback, that can be slow, wrong or changed, and notes who asks what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Vendor:
    """What it answers can be changed while it runs."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """Path with its query -> content."""
    etags: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    status: int = 200
    wants: str = ""
    """The only Authorization that it takes."""
    cut: bool = False
    """It ends in the middle of an answer."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path_qs, dict(request.headers)))
        if request.path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[request.path]})
        if self.wants and request.headers.get("Authorization") != self.wants:
            return web.Response(status=401)
        if self.status != 200:
            return web.Response(status=self.status)
        content = self.files.get(request.path_qs)
        if content is None:
            return web.Response(status=404)
        etag = self.etags.get(request.path_qs)
        fields = {"ETag": etag} if etag else {}
        if etag and request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=fields)
        if self.cut:
            response = web.StreamResponse(headers={"Content-Length": str(len(content))})
            await response.prepare(request)
            await response.write(content[: len(content) // 2])
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(body=content, headers=fields)


@asynccontextmanager
async def serve() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    application = web.Application()
    application.router.add_get("/{path:.*}", vendor.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    vendor.address = f"http://{host}:{port}"
    try:
        yield vendor
    finally:
        await runner.cleanup()
