"""A preview, waited for with a bar: the job is ended where nobody waits any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from gateway.cli.admin_port import AdminPort, Client, Refused
from gateway.cli.configured import fail
from gateway.cli.progress import bar

PAUSE: Final = 0.2
"""Seconds between two looks."""
PER_CENT: Final = 100


def tried(port: AdminPort, asked: Mapping[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The result. Ends with a sentence where there is none."""

    async def whole() -> dict[str, Any]:
        async with Client(port.door) as client:
            job = (await client.ask("POST", "/overrides/preview", dict(asked))).content["job"]
            try:
                return await _waited(client, job, quiet=quiet)
            except asyncio.CancelledError:
                with contextlib.suppress(Refused):
                    await client.ask("DELETE", f"/jobs/{job}")
                raise

    try:
        return asyncio.run(whole())
    except Refused as refused:
        fail(str(refused))
    except KeyboardInterrupt:
        fail("ended: nothing was changed", 130)


async def _waited(client: Client, job: str, *, quiet: bool) -> dict[str, Any]:
    with bar("the last 24 hours", quiet=quiet) as tell:
        while True:
            found = (await client.ask("GET", f"/jobs/{job}")).content
            tell(round(found["progress"] * PER_CENT), PER_CENT)
            if found["state"] == "done":
                return dict(found["result"])
            if found["state"] in ("failed", "cancelled"):
                raise Refused(found["error"] or "the preview was ended")
            await asyncio.sleep(PAUSE)
