"""An embedded server answers when it is said to be there, and never outlives us."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from gateway.stores.embedded import EmbeddedServer, NoServer, find_server
from gateway.stores.redis import connect


async def test_start_and_stop() -> None:
    """It serves by socket and port, and is gone after."""
    async with EmbeddedServer(port=0) as server:
        for url in (server.url, server.tcp_url):
            store = await connect(url)
            assert store.available
            await store.close()
        process = server.process
    assert process is not None
    assert process.returncode is not None
    assert not Path(server.socket).exists()


async def test_bad_option() -> None:
    """A server that does not start is an error at once, with its own words."""
    with pytest.raises(NoServer, match="ended at once"):
        async with EmbeddedServer("--no-such-option", "1"):
            pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's help is Linux's")
async def test_never_outlives_us() -> None:
    """A parent that is killed takes its server with it."""
    assert find_server() is not None
    program = (
        "import asyncio\n"
        "from gateway.stores.embedded import EmbeddedServer\n"
        "async def main():\n"
        "    async with EmbeddedServer() as server:\n"
        "        print(server.process.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(5):
        while _alive(child):
            await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3]
