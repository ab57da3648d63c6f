"""Whose page a browser asks for: ours, or one elsewhere that had it ask. Pure.

A browser sends cookies by itself, so what a cookie allows has to come from our own page: it says so in Sec-Fetch-Site
(Fetch Metadata, section 2.1) and Origin (RFC 6454, section 7), which no page can forge.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web


def is_own_name(host: str, url: str) -> bool:
    """Whether a page elsewhere could not have made an operator's browser ask so: it can have its own name lead here
    (DNS rebinding), and then read the answers; an address, a name without a dot, or the name in the configuration
    (`url`), it can not.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if url and host.lower() == urlsplit(url).netloc.lower():
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(".localhost"))
    return True


def is_elsewhere(request: web.Request) -> bool:
    """Whether the browser says that another site's page has it ask."""
    site = request.headers.getall("Sec-Fetch-Site", [])
    origin = request.headers.getall("Origin", [])
    if any(one not in {"same-origin", "none"} for one in site):
        return True
    return any(_netloc(one) != request.host.lower() for one in origin)


def is_ours(request: web.Request) -> bool:
    """Whether the browser says that our own page has it ask."""
    if is_elsewhere(request):
        return False
    return "Origin" in request.headers or request.headers.get("Sec-Fetch-Site") == "same-origin"


def is_secure(request: web.Request, url: str) -> bool:
    """Whether the browser came by https: what a proxy states about itself is believed only as configured."""
    if request.secure:
        return True
    parts = urlsplit(url)
    return parts.scheme == "https" and request.host.lower() == parts.netloc.lower()


def base(request: web.Request, url: str) -> str:
    """Where the browser finds us."""
    return url or f"{'https' if request.secure else 'http'}://{request.host}"


def _netloc(origin: str) -> str:
    """With its port, as a Host field has it: without the one that its scheme has anyway."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc.lower() if parts.scheme in {"http", "https"} and not parts.path else ""
