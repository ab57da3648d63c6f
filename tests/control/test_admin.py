"""The operators' port: probes for everybody; the rules in force, for who may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.control import admin
from gateway.control.access.access import Access
from gateway.stores.redis.store import Counts
from gateway.telemetry.counters import Counters
from tests.control.fakes import World, world

TOKEN = "sixteen bytes at least"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
B = "b" * 32


def snapshot(version: tuple[int, str] = (1, "a" * 32), **more: Any) -> dict[str, Any]:
    """Of a worker with a past."""
    counts = Counts()
    return (
        Counters().snapshot()
        | {
            "connections": 0,
            "body_bytes": 0,
            "store_available": 1,
            "store": {name: getattr(counts, name) for name in counts.__slots__},
            "sightings": {"told": 1, "learnt": 0, "dropped": 0, "unreadable": 0, "failures": 0},
            "networks": {"told": 1},
            "refusals": {"told": 1},
            "challenges": [["captcha/usual", "asked", 1]],
            "challenge_answers": [["altcha", "passed", 1]],
            "challenge_events": {"changes": 1},
            "policy_failures": [],
            "matched": [["auth", "no-<b>", "deny", "embargo", True, 3], ["auth", "ramp", "deny", "soon", False, 2]],
            "feeds": [["country", 86400.0, False]],
            "directory": {"lookups": 1},
            "directory_available": 1,
            "directory_accounts": 0,
            "webhooks": [["identity", "stored", 1]],
            "traces_dropped": 0,
            "overrides": {"worker": "worker-0", "revision": 0, "count": 0, "kinds": {}, "at": 0.0},
            "draining": 0,
            "generation": version[0],
            "digest": version[1],
        }
        | more
    )


class Fleet:
    """Two workers that answer."""

    def __init__(self, live: World) -> None:
        self.live = live

    def sockets(self) -> list[Path]:
        return [Path(name) for name in self.live.crew.workers]

    def restarts(self) -> int:
        return 0

    async def snapshots(self) -> list[dict[str, Any]]:
        return [snapshot(worker.version) for worker in self.live.crew.workers.values()]

    async def versions(self) -> dict[str, tuple[int, str]]:
        return await self.live.crew.versions()


@dataclass
class Port:
    """A client of the port, and what is behind it."""

    http: TestClient[web.Request, web.Application]
    live: World

    async def post(self, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        async with self.http.post(path, **more) as answer:
            return answer.status, await answer.json()


async def opened(folder: Path, token: str) -> Port:
    live = world(folder)
    fleet: Any = Fleet(live)
    access = Access(token=token, database=None, secrets=None, now=lambda: 1060.0)
    operations = admin.PoliciesApi(fleet, live.rulesets, lambda: 1060.0).operations()
    client = TestClient(TestServer(admin.application(operations, access)))
    await client.start_server()
    return Port(client, live)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    made = await opened(tmp_path, TOKEN)
    yield made
    await made.http.close()
    made.live.rulesets.close()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Authorization": "Bearer "}, id="empty"),
        pytest.param({"Authorization": f"Bearer {TOKEN}x"}, id="longer"),
        pytest.param({"Authorization": f"Bearer {TOKEN[:-1]}"}, id="shorter"),
        pytest.param({"Authorization": f"Basic {TOKEN}"}, id="another scheme"),
        pytest.param({"Authorization": "Bearer \udcff"}, id="no ASCII"),
    ],
)
@pytest.mark.parametrize("path", ["/policies/reload", "/policies/rollback"])
async def test_without_the_token_nothing_changes(port: Port, fields: dict[str, str], path: str) -> None:
    """401, and nothing was done."""
    port.live.disk.write("b")
    status, _ = await port.post(path, headers=fields)
    assert status == 401 and port.live.crew.steps == []
    assert port.live.words == []


@pytest.mark.parametrize("fields", [{}, {"Authorization": "Bearer "}, BEARER], ids=["nothing", "empty", "some"])
async def test_where_there_is_no_token_nobody_may(tmp_path: Path, fields: dict[str, str]) -> None:
    """401 with what to do; an empty token is not the token."""
    port = await opened(tmp_path, "")
    status, said = await port.post("/policies/reload", headers=fields)
    assert status == 401 and "admin_token" in said["error"]
    await port.http.close()
    port.live.rulesets.close()


async def test_forward_and_back(port: Port) -> None:
    """With the token; both say what is in force now, and leave a line."""
    port.live.disk.write("b")
    assert await port.post("/policies/reload", headers=BEARER) == (
        200, {"outcome": "applied", "generation": 2, "digest": B, "problems": []},
    )  # fmt: skip
    status, said = await port.post("/policies/rollback", headers=BEARER)
    assert (status, said["outcome"], said["generation"]) == (200, "rolled_back", 1)
    status, said = await port.post("/policies/rollback", headers=BEARER, json={"to": "bbbb"})
    assert (status, said["outcome"], said["generation"]) == (200, "rolled_back", 2)
    assert port.live.words == ["admin_token reload applied"] + 2 * ["admin_token rollback rolled_back"]


async def test_what_cannot_be_done_has_its_status(port: Port) -> None:
    """So that a script need not read words."""
    port.live.disk.break_()
    status, said = await port.post("/policies/reload", headers=BEARER)
    assert (status, said["problems"]) == (422, ["chain.yaml:3:7: is wrong"])
    assert (await port.post("/policies/rollback", headers=BEARER, json={"to": "ffff"}))[0] == 404
    assert (await port.post("/policies/rollback", headers=BEARER))[0] == 404


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"to": 3}', b"\xff", b'{"to": "b", "to": "a"}', b'{"too": "b"}'])
async def test_content_that_is_none_is_refused(port: Port, content: bytes) -> None:
    """Not taken for a rollback to anywhere."""
    status, _ = await port.post("/policies/rollback", headers=BEARER, data=content)
    assert status == 422 and port.live.crew.steps == []


async def test_what_is_in_force_is_told(port: Port) -> None:
    """What is in force, on which worker, what was, and whether the files on disk are refused."""
    port.live.disk.write("b")
    await port.live.rulesets.reload("signal")
    port.live.disk.break_()
    await port.live.rulesets.reload("file watch")
    status = await (await port.http.get("/policies", headers=BEARER)).json()
    assert (status["generation"], status["digest"], status["who"], status["files"]) == (2, B, "signal", "refused")
    assert status["workers"]["worker-1"] == {"generation": 2, "digest": B}
    history = (await (await port.http.get("/policies/history", headers=BEARER)).json())["history"]
    assert [(one["generation"], one["in_force"]) for one in history] == [(2, True), (1, False)]
    ready = await (await port.http.get("/readyz")).json()
    assert (ready["status"], ready["generation"], ready["digest"], ready["rulesets"]) == ("ready", 2, B, [B])


async def test_metrics_tell_the_rules(port: Port) -> None:
    """Digest and generation, what became of changes, and what rules did, by whether it held."""
    port.live.disk.break_()
    await port.live.rulesets.reload("file watch")
    lines = (await (await port.http.get("/metrics")).text()).splitlines()
    assert f'tidegate_ruleset{{digest="{"a" * 32}",generation="1"}} 2.0' in lines
    assert 'tidegate_ruleset_reloads_total{outcome="refused"} 1.0' in lines
    assert "tidegate_ruleset_refused 1.0" in lines and "tidegate_ruleset_set_aside 0.0" in lines
    assert "tidegate_ruleset_last_success_timestamp_seconds 1000.0" in lines
    shadow = 'tidegate_rule_matches_total{action="deny",entry="auth",mode="shadow",reason="soon",rule="ramp"} 4.0'
    assert shadow in lines
    assert 'tidegate_feed_age_seconds{feed="country"} 86400.0' in lines


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_405(port: Port, method: str) -> None:
    """As JSON, with those that there are."""
    async with port.http.request(method, "/policies", headers=BEARER) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        assert list(await answer.json()) == ["error"]


@pytest.mark.parametrize("path", ["/policies", "/policies/history"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("127.0.0.1:8081", 401, id="address"),
        pytest.param("[::1]:8081", 401, id="v6"),
        pytest.param("localhost", 401, id="localhost"),
        pytest.param("tidegate:8081", 401, id="a name without a dot"),
        pytest.param("evil.example:8081", 421, id="a name of anybody's"),
        pytest.param("127.0.0.1.evil.example", 421, id="a name like an address"),
        pytest.param("[::1", 421, id="no name"),
    ],
)
async def test_a_page_elsewhere_cannot_read_the_rules(port: Port, path: str, host: str, status: int) -> None:
    """A browser that was led here by a name of the page's own (DNS rebinding) gets nothing of them."""
    async with port.http.get(path, headers={"Host": host}) as answer:
        assert answer.status == status
    async with port.http.get(path, headers={"Host": host, **BEARER}) as answer:
        assert answer.status == 200
    async with port.http.get("/metrics", headers={"Host": host}) as answer:
        assert answer.status == 200


async def test_what_is_not_there_leaves_no_line(port: Port) -> None:
    """Whoever fills the audit log has to know what there is to change."""
    async with port.http.post("/nothing/" + "x" * 4000) as answer:
        assert answer.status == 404
        assert await answer.json() == {"error": "there is nothing at this path"}
    assert not port.live.audit.exists() or port.live.words == []
