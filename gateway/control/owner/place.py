"""Under which address we are: links, cookies, and whether a form was posted from a page of ours."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

ROOT: Final = "/tidegate/account"
_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def link_path(token: str) -> str:
    """Where a one-time link is opened: a path for `Services.owner_link`, mails and commands."""
    return f"{ROOT}/link/{token}"


class Place:
    """`public_url` is that of tidegate.yaml; where it is empty a request's own Host counts, once it looks like one."""

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        self.public = public_url.rstrip("/")
        self.secure = parts.scheme == "https"
        """Whether browsers reach us by TLS alone."""
        self.prefix = parts.path.rstrip("/")
        """What stands before each of our paths, as browsers see them."""
        self.cookie = "__Host-tidegate" if self.secure else "tidegate"
        """Of a session. `__Host-`: no sibling of our host can set it (RFC 6265bis, section 4.1.3.2)."""
        self.door = f"{self.cookie}-door"
        """Of a browser that is not signed in: what its forms are bound to."""

    def path(self, rest: str = "") -> str:
        """A path of the owner's pages, as a browser asks for it."""
        return f"{self.prefix}{ROOT}{rest}"

    def origin(self, request: web.Request) -> str:
        """Scheme, host and port under which this browser sees us. Raises HTTPBadRequest."""
        if self.public:
            parts = urlsplit(self.public)
            return f"{parts.scheme}://{parts.netloc}"
        host = request.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            raise web.HTTPBadRequest(text="The Host field is not a host.\n")
        return f"{request.scheme}://{host}"

    def url(self, request: web.Request, rest: str = "") -> str:
        """The whole address of one of our pages. Raises HTTPBadRequest."""
        return self.origin(request) + self.path(rest)

    def ours(self, request: web.Request) -> bool:
        """Whether a form was posted from here, as far as the browser says.

        Sec-Fetch-Site says it best. Origin is `null` from pages that send no Referer, as ours (Fetch, "append a
        request `Origin` header"), so that alone says nothing; the form's token has the last word.
        """
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site in {"same-origin", "none"}
        origin = request.headers.get("Origin", "null")
        return origin in {"null", self.origin(request)}

    def keep(self, response: web.StreamResponse, name: str, value: str) -> None:
        """A cookie until the browser is closed. Lax: whoever comes back from a provider, or from a mail, stays
        signed in.
        """
        response.set_cookie(name, value, path="/", secure=self.secure, httponly=True, samesite="Lax")

    def drop(self, response: web.StreamResponse, name: str) -> None:
        response.del_cookie(name, path="/", secure=self.secure, httponly=True, samesite="Lax")
