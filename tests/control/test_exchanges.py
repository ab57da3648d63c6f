"""Why one exchange ended as it did, asked by HTTP."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.accounts.sql import overrides
from gateway.accounts.sql.database import Database
from gateway.control.exchanges import ExchangesApi, Kept, Turns
from gateway.control.live.lines import Lines
from gateway.control.live.rows import AS_LOGGED
from gateway.control.live.trail import trail_of
from gateway.history.columns import EVENT
from gateway.overrides.override import EVERYBODY, Kind
from gateway.overrides.written import Change
from gateway.wire.reasons import REASONS
from tests import schema
from tests.control.live.conftest import MakeCrew, crew, port
from tests.history.logs import NOON, event, log, refused, segment

__all__ = ["crew"]
DAY = 86_400.0
ENTRIES = ("auth", "geo", "quota", "rules")
REFUSED = refused(
    "geo", "country_not_allowed", exchange="ours", request_id="theirs", time=NOON + 1,
    rules=[
        ["auth", "scopes", "weigh", "", True], ["geo", "not-here", "deny", "country_not_allowed", True],
        ["geo", "soon", "deny", "x", False],
    ],
)  # fmt: skip


def api_of(lines: Lines, folder: Path | None, keep: float = 30 * DAY, database: Database | None = None) -> ExchangesApi:
    def entries(digest: str) -> Sequence[str]:
        return ENTRIES if digest == "d1" else ()

    return ExchangesApi(Kept(folder, keep), lines, Turns(), lambda: NOON + 60, time.monotonic, entries, database)


async def ask(api: ExchangesApi, target: str) -> tuple[int, dict[str, Any]]:
    async with port(api.operations()) as base, aiohttp.ClientSession() as http, http.get(base + target) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("wanted", ["ours", "theirs"])
@pytest.mark.parametrize("place", ["live", "spool", "part"])
async def test_a_refusal_is_explained_wherever_it_is(crew: MakeCrew, tmp_path: Path, place: str, wanted: str) -> None:
    """By the id that its answer had: from a worker's memory, the spool, and Parquet."""
    async with crew(2) as (workers, lines):
        if place == "live":
            workers.workers[1].recent.note(REFUSED)
        elif place == "spool":
            segment(tmp_path, [REFUSED, event()])
        else:
            log(tmp_path, [REFUSED, event()])
        status, told = await ask(api_of(lines, None if place == "live" else tmp_path), f"/exchanges/{wanted}")
    assert status == 200
    assert (told["exchange"], told["request_id"]) == ("ours", "theirs")
    assert told["found"] == ("live" if place == "live" else "log")
    assert told["decision"]["meaning"] == REASONS["country_not_allowed"].meaning
    assert told["decision"]["page"] == "/tidegate/reasons/country_not_allowed"
    assert [(step["entry"], step["said"]) for step in told["trail"]] == [
        ("auth", "applied"), ("geo", "denied"), ("quota", "not reached"), ("rules", "not reached"),
    ]  # fmt: skip
    assert [rule["mode"] for rule in told["trail"][1]["rules"]] == ["enforced", "shadow"]
    assert told["in_words"] == (
        "POST /v1/chat/completions (m-large) of account acme was refused by geo/not-here with 403: country_not_allowed."
    )
    assert told["who"]["tier"] == "free"


VICTIM = "0123456789ab0000002a"


@pytest.mark.parametrize("victim", ["live", "spool", "part"])
@pytest.mark.parametrize("attacker", ["live", "spool", "part"])
async def test_nobody_hides_an_exchange_by_stating_its_id(
    crew: MakeCrew, tmp_path: Path, victim: str, attacker: str
) -> None:
    """Our ids are numbered: who guesses the next ones and states them must not stand in another one's trail."""
    events = [
        (victim, refused("geo", "country_not_allowed", exchange=VICTIM, time=NOON)),
        (attacker, refused("geo", "x", exchange="0123456789ab0000002b", request_id=VICTIM, time=NOON + 1)),
    ]
    async with crew(2) as (workers, lines):
        for place, one in events:
            if place == "live":
                workers.workers[one[0] != VICTIM].recent.note(one)
        if parted := [one for place, one in events if place == "part"]:
            log(tmp_path, parted)
        if spooled := [one for place, one in events if place == "spool"]:
            segment(tmp_path, spooled)
        _, told = await ask(api_of(lines, tmp_path), f"/exchanges/{VICTIM}")
    assert told["exchange"] == VICTIM


@pytest.mark.parametrize(
    ("at", "factor"),
    [pytest.param(NOON + 20, 2.0, id="as it was then"), pytest.param(NOON - 9, 2.0, id="clocks differ")],
)
async def test_the_override_that_bit_is_named(crew: MakeCrew, tmp_path: Path, at: float, factor: float) -> None:
    """As it was when it bit, whatever was done to it since; and the limit stays the rule that refused."""
    now = [NOON]
    database = Database("sqlite:///directory.db", lambda: now[0], tmp_path)
    schema.lay(database)
    twice = Change(Kind.SCALE, factor=2.0)
    row = database.write("ann", lambda writing: overrides.create(writing, "rpm", EVERYBODY, twice, "abuse"))
    now[0] = NOON + 60
    database.write("bob", lambda writing: overrides.withdraw(writing, row.id, row.revision))
    rules = [
        ["quota", f"override {row.id}", "throttle", "quota_exceeded", True],
        ["quota", "rpm", "throttle", "quota_exceeded", True],
        ["quota", "override 99", "throttle", "quota_exceeded", False],
    ]
    async with crew(1) as (workers, lines):
        workers.workers[0].recent.note(refused("quota", "quota_exceeded", exchange="bit", time=at, rules=rules))
        _, told = await ask(api_of(lines, None, database=database), "/exchanges/bit")
        _, blind = await ask(api_of(lines, None), "/exchanges/bit")
    database.close()
    assert told["override"]["id"] == row.id
    assert (told["override"]["by"], told["override"]["reason"], told["override"]["limit"]) == ("ann", "abuse", "rpm")
    assert (told["override"]["change"]["factor"], told["override"]["withdrawn"]) == (2.0, None)
    assert "quota/rpm with" in told["in_words"]
    assert blind["override"] is None


def test_rules_that_are_gone_leave_those_that_applied() -> None:
    """Their entries are told by the event alone; which others there were nobody knows."""
    row = dict(zip(EVENT, REFUSED, strict=True)) | {"worker": "w"}
    told = trail_of(row)
    assert [step["entry"] for step in told["trail"]] == ["auth", "geo"]
    assert not told["rules"]["known"]


@pytest.mark.parametrize(
    ("values", "said", "refused"),
    [
        pytest.param({}, "was passed on and answered with 200.", False, id="passed"),
        pytest.param({"reason": "client_left"}, "ended early: client_left.", False, id="left"),
        pytest.param({"reason": "upstream_failed", "status": 502}, "ended early: upstream_failed.", False, id="failed"),
        pytest.param(
            {"action": "", "reason": "malformed_content", "status": 400, "account": "", "route": "malformed"},
            "could not be read and was answered with 400: malformed_content.",
            True,
            id="malformed",
        ),
        pytest.param(
            {"action": "throttle", "entry": "quota", "reason": "quota_exceeded", "status": 429, "account": ""},
            "of nobody known was refused by quota with 429: quota_exceeded.",
            True,
            id="nobody known",
        ),
    ],
)
def test_one_sentence_says_it(values: dict[str, Any], said: str, refused: bool) -> None:
    """For whoever reads no table."""
    row = dict(zip(EVENT, event(**values), strict=True)) | {"worker": "w"}
    told = trail_of(row, ENTRIES)
    assert told["in_words"].endswith(said)
    assert told["decision"]["refused"] is refused


@pytest.mark.parametrize(
    ("logged", "wanted", "words"),
    [
        pytest.param(False, "gone", "set `exchange_log`", id="the log is off"),
        pytest.param(True, "gone", "of the last 30 days", id="older than what is kept"),
        pytest.param(True, "no%20id", "is no id", id="malformed"),
        pytest.param(True, "%C3%A9", "is no id", id="not ASCII"),
        pytest.param(True, "x" * 129, "is no id", id="too long"),
    ],
)
async def test_what_is_not_known_is_said_with_why(
    crew: MakeCrew, tmp_path: Path, logged: bool, wanted: str, words: str
) -> None:
    """404, in words."""
    async with crew(1) as (_, lines):
        status, told = await ask(api_of(lines, tmp_path if logged else None), f"/exchanges/{wanted}")
    assert status == 404
    assert words in told["error"]


@pytest.mark.parametrize("logged", [True, False])
async def test_the_last_ones_that_fit(crew: MakeCrew, tmp_path: Path, logged: bool) -> None:
    """Newest first, in the shape of live decisions; without a log, of what workers remember."""
    made = [REFUSED, event(exchange="passed", time=NOON), event(exchange="another's", account="other", time=NOON)]
    async with crew(1) as (workers, lines):
        if logged:
            log(tmp_path, made)
        for one in made:
            workers.workers[0].recent.note(one)
        api = api_of(lines, tmp_path if logged else None)
        _, told = await ask(api, "/exchanges?account=acme")
        assert [row["exchange"] for row in told["exchanges"]] == ["ours", "passed"]
        assert set(told["exchanges"][0]) == {*AS_LOGGED, "worker"}
        assert told["exchanges"][0]["rules"][0] == ["auth", "scopes", "weigh", "", True]
        _, told = await ask(api, f"/exchanges?reason=country_not_allowed&since={NOON - 5}&limit=1")
        assert [row["exchange"] for row in told["exchanges"]] == ["ours"]
        assert told["log"] is logged


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "acount=x", "since=yesterday", "action=refuse", "country=no"]
)
async def test_what_cannot_be_meant_is_refused(crew: MakeCrew, tmp_path: Path, query: str) -> None:
    """422, by the field's name."""
    async with crew(0) as (_, lines):
        status, told = await ask(api_of(lines, tmp_path), f"/exchanges?{query}")
    assert status == 422
    assert list(told["fields"]) == [query.partition("=")[0]]


async def test_a_log_that_cannot_be_read_is_said(crew: MakeCrew, tmp_path: Path) -> None:
    """503 with the file, and not an empty answer that looks like an innocent one."""
    folder = tmp_path / "date=2023-11-15"
    folder.mkdir()
    (folder / "part-1.parquet").write_bytes(b"torn")
    async with crew(0) as (_, lines):
        status, told = await ask(api_of(lines, tmp_path), "/exchanges/abc")
    assert status == 503
    assert "part-1.parquet" in told["error"]
