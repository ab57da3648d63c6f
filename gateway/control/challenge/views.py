"""How pages are made: templates, and a Content-Security-Policy that allows what this very page needs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import jinja2
from aiohttp import web

from gateway.challenges import addresses
from gateway.challenges.providers.contract import Widget
from gateway.control import look
from gateway.control.challenge.assets import Assets
from gateway.control.challenge.words import Said
from gateway.control.owner import words as account_words
from gateway.control.owner.place import Place

HERE: Final = Path(__file__).parent / "templates"
ALTCHA: Final = "altcha-widget"
"""The element that our own scripts bring to life."""

_CONFIGURATION: Final = json.dumps(
    {"humanInteractionSignature": False, "hideFooter": True, "hideLogo": True, "disableAutoFocus": True}
)
"""Of the widget: nobody's pointer is watched, and no link leads elsewhere."""

_BARE: Final[Mapping[str, tuple[str, ...]]] = {
    "default-src": ("'none'",),
    "style-src": ("'self'",),
    "img-src": ("'self'",),
    "form-action": ("'self'",),
    "base-uri": ("'none'",),
    "frame-ancestors": ("'none'",),
}
_SCRIPTED: Final[Mapping[str, tuple[str, ...]]] = {"script-src": ("'self'",), "connect-src": ("'self'",)}
_WORKERS: Final[Mapping[str, tuple[str, ...]]] = {"worker-src": ("'self'",)}
_DIRECTIVE: Final = re.compile(r"[a-z-]+-src")
_SOURCE: Final = re.compile(r"[!-+\--:<-~]+")
"""Anything that is seen, but no comma and no semicolon: those end a policy and a directive."""


def policy(widget: Widget | None) -> str:
    """For a page that shows this widget; without one there is no script at all. Raises ValueError for sources of a
    provider that are none.
    """
    allowed = dict(_BARE)
    if widget is not None:
        allowed |= _SCRIPTED
        if widget.element == ALTCHA:
            allowed |= _WORKERS
        for directive, sources in widget.sources.items():
            if not _DIRECTIVE.fullmatch(directive) or not all(_SOURCE.fullmatch(source) for source in sources):
                raise ValueError(f"no sources: {directive} {' '.join(sources)}")
            allowed[directive] = tuple(dict.fromkeys((*allowed.get(directive, ()), *sources)))
    return "; ".join(f"{directive} {' '.join(sources)}" for directive, sources in allowed.items())


def hosts(widget: Widget) -> list[str]:
    """Whom a browser talks to besides us, to say so."""
    found = (urlsplit(source).hostname for sources in widget.sources.values() for source in sources)
    return sorted({host.removeprefix("*.") for host in found if host})


class Way(NamedTuple):
    """A way on from a page that only says something."""

    href: str
    text: str


class Views:
    """How pages are made."""

    def __init__(self, place: Place, assets: Assets) -> None:
        self.place = place
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader([HERE, look.HERE]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        self._templates.filters["minute"] = account_words.minute
        self._templates.filters["stamp"] = account_words.stamp
        self._templates.globals["asset"] = assets.url
        self._templates.globals["style"] = assets.url("style.css")
        self._templates.globals["icon"] = assets.url("icon.svg")

    def shaped(self, widget: Widget, token: str) -> Widget:
        """As the page shows it. Ours is told what it may do, and where we are as browsers see us."""
        if widget.element != ALTCHA:
            return widget
        ours = {
            **widget.attributes,
            "challenge": self.path(token, "/puzzle"),
            "name": widget.field,
            "configuration": _CONFIGURATION,
        }
        return widget._replace(attributes=ours)

    def page(
        self, request: web.Request, template: str, *, status: int = 200, widget: Widget | None = None, **values: Any
    ) -> web.Response:
        """With all that this page may load, and nothing else."""
        host = urlsplit(self.place.origin(request)).hostname or ""
        text = self._templates.get_template(template).render(widget=widget, host=host, **values)
        response = web.Response(text=text, status=status, content_type="text/html")
        response.headers["Content-Security-Policy"] = policy(widget)
        if widget is not None and widget.element != ALTCHA:
            # Providers look for the site that they were set up for: they are told that, and never the token.
            response.headers["Referrer-Policy"] = "strict-origin"
        return response

    def says(self, request: web.Request, said: Said, *ways: Way, go: str = "") -> web.Response:
        """A page that says one thing. `go` is where it goes on to by itself."""
        response = self.page(request, "says.html", status=said.status, said=said, ways=ways, go=go)
        if said.retry_after:
            response.headers["Retry-After"] = str(said.retry_after)
        return response

    def path(self, token: str, rest: str = "", to: str = "", *, done: bool = False) -> str:
        """Of a page for that challenge. `done` is for whoever has just passed it."""
        asked = "&".join([*([f"to={quote(to, safe='/')}"] if to else []), *(["done=1"] if done else [])])
        return f"{self.place.prefix}{addresses.page(token)}{rest}{'?' if asked else ''}{asked}"
