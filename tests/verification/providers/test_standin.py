"""The stand-in delivers as providers do: at least once, again where it must, in any order; and it can be driven."""

from __future__ import annotations

import subprocess
import sys
import time

import aiohttp
import pytest

from gateway.demo.verification.application import serving
from gateway.demo.verification.world import Settings
from gateway.verification.provider import Rejected, State
from tests.verification.providers.entries import adapter, receiver


async def test_a_webhook_is_sent_again_until_it_is_taken() -> None:
    """Signed anew each time, with the same content; then no more."""
    async with receiver([500, 503]) as (hooks, came), serving(Settings(hooks, retries=(0.01, 0.01, 0.01))) as standin:
        standin.dispute("cus_a", "fp_a")
        await standin.post.idle()
        assert [len(came), standin.post.deliveries[0].attempts, standin.post.deliveries[0].status] == [3, 3, 200]
        assert len({body for _, body in came}) == 1


async def test_a_webhook_is_given_up_in_the_end() -> None:
    """Where nobody takes it; how often it was tried is counted."""
    async with receiver([500] * 9) as (hooks, came), serving(Settings(hooks, retries=(0.01, 0.01))) as standin:
        standin.dispute("cus_a", "fp_a")
        await standin.post.idle()
        assert len(came) == 3
        assert standin.post.deliveries[0].done


async def test_what_is_held_can_come_backwards_and_twice() -> None:
    """The order of arrival says nothing, the provider's clock does."""
    async with receiver() as (hooks, came), serving(Settings(hooks)) as standin:
        async with aiohttp.ClientSession(standin.address) as client:
            session = standin.world.open("didit", "00000000-0000-0000-0000-000000000007", "ver_7", "acme", "")
            await client.post("/standin/behaviour", json={"hold": True, "duplicates": 1})
            for state in ("submitted", "approved"):
                url = f"/standin/sessions/didit/{session.id}/{state}"
                assert (await client.post(url, json={"number": "ABC1234"})).status == 200
            assert came == []
            assert await (await client.post("/standin/release?backwards=1")).json() == {"released": 2}
            await standin.post.idle()
            counts = await (await client.get("/standin/deliveries")).json()
            assert counts["statuses"] == {"200": 4}
            listed = await (await client.get("/standin/sessions")).json()
            assert listed["sessions"][0]["state"] == "approved"
            assert (await client.post("/standin/behaviour", json={"nonsense": 1})).status == 400
            assert (await client.post("/standin/sessions/didit/none/approved")).status == 404
            disputed = await (await client.post("/standin/dispute", json={"customer": "c"})).json()
            assert disputed["charge"].startswith("ch_")
            await standin.post.idle()
        states = [adapter("didit").read(*one, time.time()).state for one in came[:4]]
    assert sorted(states) == sorted([State.APPROVED, State.APPROVED, State.CREATED, State.CREATED])


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [({"corrupt": True}, "wrong_signature"), ({"skew": -400.0}, "too_old"), ({"skew": 400.0}, "from_the_future")],
    ids=["corrupt", "slow_clock", "fast_clock"],
)
async def test_it_can_be_told_to_be_wrong(behaviour: dict[str, object], reason: str) -> None:
    """What it then sends is refused for what it was told to do wrong."""
    async with receiver() as (hooks, came), serving(Settings(hooks)) as standin:
        for name, value in behaviour.items():
            setattr(standin.world.behaviour, name, value)
        standin.dispute("cus_a", "fp_a")
        await standin.post.idle()
        with pytest.raises(Rejected) as caught:
            adapter("stripe").read(*came[0], time.time())
    assert caught.value.reason == reason


async def test_who_leaves_the_page_decides_nothing() -> None:
    """The session stays open; an answer that is not offered is none; a link that is not known leads nowhere."""
    async with serving(Settings()) as standin, aiohttp.ClientSession(standin.address) as browser:
        session = standin.world.open("veriff", "00000000-0000-0000-0000-000000000007", "v", "a", "https://a.test/b")
        url = f"/verify/{session.token}"
        left = await browser.post(url, data={"action": "leave"}, allow_redirects=False)
        assert (left.status, left.headers["Location"], session.state) == (303, "https://a.test/b", "created")
        assert (await browser.post(url, data={"action": "bribe"})).status == 400
        assert (await browser.get("/verify/nobody")).status == 404
        session.back = "javascript:alert(1)"
        over = await browser.post(url, data={"action": "approve"}, allow_redirects=False)
        assert over.status == 200
        assert "This verification is over: approved." in await over.text()


def test_it_runs_as_a_program() -> None:
    """Its first line is its address; it ends when it is told to."""
    command = [sys.executable, "-m", "gateway.demo.verification", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http://127.0.0.1:")
        finally:
            process.terminate()
        assert process.wait(timeout=10) == 0
