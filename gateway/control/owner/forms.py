"""Forms: read within bounds, and believed only with the token that their page was given."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.accounts.secrets import Secrets

LARGEST: Final = 16 * 1024
"""Bytes of a form's content."""
PATIENCE: Final = 15.0
"""Seconds for it to come."""
TOKEN: Final = "form"  # noqa: S105 - the name of a field
_FIELDS: Final = 16


class Problem(NamedTuple):
    """What is wrong with a form. `field` is the id of the input; empty for the form as a whole."""

    field: str
    text: str


def form_token(secrets: Secrets, holder: str) -> str:
    """For the forms of whoever holds that cookie."""
    return secrets.hash(TOKEN, holder).digest.hex()


def believed(secrets: Secrets, holder: str, stated: str) -> bool:
    """Whether a form came from a page that was given to the holder. Constant time."""
    return bool(holder) and any(
        hmac.compare_digest(hashed.digest.hex().encode(), stated.encode("utf-8", "surrogatepass"))
        for hashed in secrets.hashes(TOKEN, holder)
    )


async def read(request: web.Request, largest: int = LARGEST) -> Mapping[str, str]:
    """Its fields; of several with one name the first. Raises HTTPException: 400, 408, 413, 415."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text="Send a form.\n")
    if (request.content_length or 0) > largest:
        raise web.HTTPRequestEntityTooLarge(largest, request.content_length or 0)
    content = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in request.content.iter_any():
                content += piece
                if len(content) > largest:
                    raise web.HTTPRequestEntityTooLarge(largest, len(content))
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The form did not come in time.\n") from None
    try:
        pairs = parse_qsl(content.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    except ValueError:
        raise web.HTTPBadRequest(text="The form cannot be read.\n") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields
