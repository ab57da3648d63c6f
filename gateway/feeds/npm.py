"""A file of an npm package, by the npm client: it knows the registry, the proxy and the credentials of this machine,
and it checks what it gets against the registry's integrity value. Nothing of the package is run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path

from gateway.feeds.download import FetchFailed
from gateway.feeds.sources import NpmSource

TIMEOUT = 600.0
"""Seconds for all that the client does."""


async def fetch_package(source: NpmSource, into: Path, timeout: float = TIMEOUT) -> Path:
    """The package as a tar archive in the folder `into`. Raises FetchFailed, and OSError."""
    program = shutil.which("npm")
    if program is None:
        raise FetchFailed("there is no npm on PATH")
    target = f"{source.package}@{source.version}"
    command = [program, "pack", target, "--pack-destination", str(into), "--ignore-scripts", "--no-audit", "--silent"]
    # A session of its own: a client that hangs has children, and all of them have to go.
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=into,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout):
            said, _ = await process.communicate()
    except TimeoutError:
        raise FetchFailed(f"npm did not end within {timeout:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
        raise FetchFailed(f"npm ended with {process.returncode}: {lines[-1][:200] if lines else f'no {target}?'}")
    archives = await asyncio.to_thread(lambda: list(into.glob("*.tgz")))
    if len(archives) != 1:
        raise FetchFailed(f"npm left {len(archives)} archives, not one")
    return archives[0]
