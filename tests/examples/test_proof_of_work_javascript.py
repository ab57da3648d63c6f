"""examples/proof-of-work/javascript: the same laws as in Python, by Node and in Chromium."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from altcha import v2

from tests.browser import chromium
from tests.docs.pages import ROOT
from tests.examples.work_standin import MESSAGE, SECRET, Gateway, serving

MODULE: Final = ROOT / "examples" / "proof-of-work" / "javascript" / "proof-of-work.js"
DRIVER: Final = Path(__file__).with_name("driver.mjs")
NODE: Final = shutil.which("node") or ""

node = pytest.mark.skipif(not NODE, reason="no node: install Debian's nodejs")


def ask(gateway: Gateway, **wishes: Any) -> dict[str, Any]:
    """What came of it: replies (status, text), what was warned of, milliseconds."""
    told = json.dumps({"module": MODULE.as_uri(), "address": gateway.address, **wishes})
    ended = subprocess.run([NODE, str(DRIVER), told], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def statuses(found: dict[str, Any]) -> set[int]:
    return {reply["status"] for reply in found["replies"]}


@node
@pytest.mark.parametrize(
    "wishes",
    [{}, {"stream": True}, {"body": "form"}, {"body": "request"}],
    ids=["whole", "stream", "form", "request-object"],
)
def test_nobody_notices(wishes: dict[str, Any]) -> None:
    """One puzzle, one answer, the whole body once more; credentials are not sent for the puzzle."""
    with serving() as gateway:
        found = ask(gateway, **wishes)

        assert (statuses(found), found["warned"]) == ({200}, [])
        (reply,) = found["replies"]
        assert "high" in reply["text"]
        assert (gateway.puzzles, gateway.answers) == (1, 1)
        assert "authorization" not in gateway.asked("/tidegate/")[0]
        first, again = (content for _, path, _, content in gateway.seen if path.startswith("/v1/"))
        assert len(first) > 0
        if wishes.get("body") != "form":  # Its boundary is chosen anew.
            assert first == again


@node
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"algorithm": "SHA-256", "prefix": "000"}, id="sha-256"),
        pytest.param({"algorithm": "SHA-512", "cost": 3}, id="sha-512"),
        pytest.param({"algorithm": "PBKDF2/SHA-256", "cost": 500, "counter": 37}, id="pbkdf2"),
    ],
)
def test_what_is_solved_is_an_answer(settings: dict[str, Any]) -> None:
    """ALTCHA's own library takes it."""
    with serving(**settings) as gateway:
        assert statuses(ask(gateway)) == {200}
        (answer,) = (fields["tidegate-answer"] for fields in gateway.asked("/v1/") if "tidegate-answer" in fields)
        assert v2.verify_solution(answer, SECRET).verified


@node
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"puzzle": b"<html>"}, id="no-json"),
        pytest.param({"puzzle": b"null"}, id="no-object"),
        pytest.param({"puzzle": b" " * 100_000}, id="large"),
        pytest.param({"algorithm": "SCRYPT", "cost": 4, "prefix": ""}, id="unknown-algorithm"),
        pytest.param({"cost": 10**7}, id="one-try-takes-too-long"),
        pytest.param({"prefix": "f" * 64}, id="takes-for-ever"),
        pytest.param({"cost": 10**6, "prefix": "f" * 64}, id="one-try-of-plain-hashes-takes-for-ever"),
        pytest.param({"puzzle_status": 500}, id="puzzle-away"),
        pytest.param({"refuses": True}, id="answer-is-not-taken"),
    ],
)
def test_nobody_works_for_ever(settings: dict[str, Any]) -> None:
    """Ten at once: one puzzle, and the refusal that it would have been, with its address."""
    with serving(**settings) as gateway:
        found = ask(gateway, seconds=0.2, count=10 if not settings.get("refuses") else 1)

        assert statuses(found) == {403}
        assert "/tidegate/challenge/t0ken" in found["replies"][0]["text"]
        assert gateway.puzzles == 1
        assert found["milliseconds"] < 3000


@node
@pytest.mark.parametrize("settings", [{}, {"keeps": 0.9}, {"slow": 0.6}], ids=["at-once", "long-reply", "slow-fleet"])
def test_many_at_once_solve_once(settings: dict[str, Any]) -> None:
    """Twenty requests: one puzzle, one answer, twenty replies."""
    with serving(**settings) as gateway:
        assert statuses(ask(gateway, count=20)) == {200}
        assert (gateway.puzzles, gateway.answers) == (1, 1)


@node
def test_a_body_that_can_be_sent_once_is_sent_once() -> None:
    """The refusal, and no half of a request."""
    with serving() as gateway:
        assert statuses(ask(gateway, body="stream")) == {403}
        assert len(gateway.seen) == 1


@node
def test_who_aborts_is_not_kept() -> None:
    """An abort ends the work, as it ends a fetch."""
    with serving(prefix="f" * 64) as gateway:
        found = ask(gateway, abort=300)

        assert found["replies"] == [{"status": 0, "text": "TimeoutError"}]
        assert found["milliseconds"] < 2000


@node
@pytest.mark.parametrize(
    ("named", "status"),
    [
        ("https://tides.invalid{path}", 200),
        ("{origin}/v1/models", 403),
        ("{origin}/tidegate/challenge/a/../../v1/puzzle", 403),
        ("http://[", 403),
    ],
    ids=["other-host", "elsewhere", "dots", "no-address"],
)
def test_the_origin_is_that_of_the_request(named: str, status: int) -> None:
    """No field sends anybody to another host, or to anything but a puzzle."""
    with serving(named=named) as gateway:
        assert statuses(ask(gateway)) == {status}
        assert gateway.puzzles == (1 if status == 200 else 0)


@pytest.mark.skipif(bool(chromium.missing()), reason=chromium.missing())
async def test_a_page_does_the_same() -> None:
    """In Chromium, with WebCrypto: many at once solve once."""
    source = base64.b64encode(MODULE.read_bytes()).decode()
    script = """async ([source, address]) => {
        const { proofOfWork } = await import(`data:text/javascript;base64,${source}`);
        const ask = proofOfWork();
        const init = { method: "POST", headers: { authorization: "Bearer k1" }, body: "{}" };
        const replies = await Promise.all([1, 2, 3].map(() => ask("/v1/chat/completions", init)));
        return Promise.all(replies.map((reply) => reply.json()));
    }"""
    with serving(algorithm="PBKDF2/SHA-256", cost=500, counter=300) as gateway:
        async with chromium.chromium() as browser:
            page = await browser.new_page()
            await page.goto(f"{gateway.address}/")
            told = await page.evaluate(script, [source, gateway.address])

        assert [one["text"] for one in told] == [MESSAGE] * 3
        assert (gateway.puzzles, gateway.answers) == (1, 1)
