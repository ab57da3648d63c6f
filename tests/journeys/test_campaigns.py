"""A campaign as the gateway sees it, from its first exchange to what people decide: real processes, official SDKs."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

import aiohttp
import anthropic
import openai
import orjson
import pytest
import pytest_asyncio

from gateway.campaigns.minted import Mint
from tests import servers
from tests.journeys import campaigns, harness
from tests.journeys.campaigns import TOOL, Relay, Stage, anthropic_sdk, openai_sdk, words
from tests.journeys.harness import Account, until

pytestmark = [
    pytest.mark.skipif(bool(servers.missing("valkey")), reason=servers.missing("valkey")),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timing,
]

RELAYED: Final = 60
"""Accounts of the campaign."""
CONVERSATIONS: Final = 180
HONEST: Final = 30
REFUSED: Final = {"challenge_required", "verification_required"}
QUESTION: Final[Any] = [{"role": "user", "content": "When is high tide?"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One for all journeys, which go on where the one before ended."""
    with harness.scratch(tmp_path_factory, "campaigns") as folder:
        async with campaigns.stage(folder, detector={"look": "1s"}) as made:
            made.relayed = made.add([f"x{number}" for number in range(RELAYED)])
            made.honest = made.add([f"h{number}" for number in range(HONEST)])
            yield made


async def talk(stage: Stage, account: Account, exchanges: int) -> None:
    """What an honest program does: its own instructions, and new words."""
    rng = random.Random(account.name)
    own = {"role": "system", "content": words(rng, 20)}
    async with openai_sdk(stage, account) as client:
        for _ in range(exchanges):
            said: Any = [own, {"role": "user", "content": words(rng, 25)}]
            await client.chat.completions.create(model="m-large", max_tokens=5, messages=said)


async def outcome(stage: Stage, account: Account) -> str:
    """What the SDK makes of one more request: `answered`, or the reason in what it raises."""
    async with openai_sdk(stage, account) as client:
        try:
            await client.chat.completions.create(model="m-large", max_tokens=5, messages=QUESTION)
        except openai.APIStatusError as error:
            return str(error.code)
    return "answered"


async def outcomes(stage: Stage, accounts: Sequence[Account]) -> list[str]:
    return await asyncio.gather(*(outcome(stage, account) for account in accounts))


async def goes_on(stage: Stage, account: Account) -> bool:
    return await outcome(stage, account) == "answered"


async def test_a_campaign_is_found_within_seconds_and_honest_people_are_not(stage: Stage) -> None:
    """All of its accounts and no other are told of; both workers know within a second of it being told."""
    await asyncio.gather(*(talk(stage, account, 1 + at % 4) for at, account in enumerate(stage.honest)))
    relay = Relay(stage, stage.relayed)
    await relay.work(CONVERSATIONS)
    await relay.close()
    await stage.background(300)

    async def known() -> bool:
        told = await stage.told()
        heard = [one["learnt"] for one in await stage.workers("verdicts")]
        return told >= RELAYED // 2 and len(heard) == 2 and min(heard) >= told

    took = await until(known, limit=100.0, every=0.01)
    late = time.time() - stage.last_told
    print(f"\nfound {took:.1f} s after its last exchange; both workers knew {late:.3f} s after it was told")
    assert late < 1.0
    verdicts = await stage.verdicts()
    relayed = {account.name for account in stage.relayed}
    assert set(verdicts) <= relayed
    assert len(verdicts) >= 0.9 * RELAYED

    async def by_several_kinds() -> bool:
        return all(verdict.kinds >= 2 for verdict in (await stage.verdicts()).values())

    # Its first word may be a mild one, by links alone.
    await until(by_several_kinds, limit=20.0)


async def test_what_the_sdk_raises(stage: Stage) -> None:
    """Accounts of the campaign are stopped, each with a reason and a way out; everybody else is answered."""
    assert set(await outcomes(stage, stage.honest)) == {"answered"}
    found = await outcomes(stage, stage.relayed[:12])
    assert sum(one in REFUSED for one in found) >= 10, found
    at = next(place for place, one in enumerate(found) if one in REFUSED)
    async with openai_sdk(stage, stage.relayed[at]) as client:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            await client.chat.completions.create(model="m-large", messages=QUESTION)
    assert "/tidegate/" in str(caught.value)


async def test_operators_see_it(stage: Stage) -> None:
    """On the command line, in the metrics, and as a case with its evidence."""
    command = [sys.executable, "-m", "gateway", "detect", "status", "--config", str(stage.gateway.config), "--json"]
    asked = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    (status,) = orjson.loads((await asked.communicate())[0])
    assert asked.returncode == 0
    assert status["leader"]
    assert status["verdicts"] >= 0.9 * RELAYED

    metrics = await stage.operator("GET", "/metrics")
    for line in (
        r"tidegate_detector_lag_seconds\{detector=\S+\} \d",
        r"tidegate_detector_leads\{\S+\} 1\.0",
        r"tidegate_clusters\{level=\S+\} [1-9]",
        r'tidegate_verdicts_total\{event="learnt"\} [1-9]',
        r"tidegate_observations_noted_total [1-9]",
        r"tidegate_observations_dropped_total 0",
    ):
        assert re.search(line, metrics), line

    cases = (await stage.operator("GET", "/cases"))["cases"]
    assert sum(case["accounts"] for case in cases) >= 0.9 * RELAYED
    assert all(case["kinds"] >= 2 for case in cases)
    first = f"/cases/{cases[0]['id']}"
    members = await stage.operator("GET", f"{first}/accounts?limit=500")
    assert {one["account"] for one in members["accounts"]} <= {account.name for account in stage.relayed}
    shown = await stage.operator("GET", first)
    assert {mark["family"] for mark in shown["marks"]} & {"links", "content"}


async def test_an_owner_appeals_and_goes_on(stage: Stage) -> None:
    """From the refusal to the page, one button, a person's word: that account is free, and no other one."""
    account = stage.relayed[0]
    assert await outcome(stage, account) in REFUSED
    await appeal(stage, account)
    (review,) = (await stage.operator("GET", "/reviews"))["reviews"]
    decided = {"decision": "approve", "reason": "A person of their own."}
    await stage.operator("POST", f"/reviews/{review['number']}/decide", decided)
    await until(lambda: goes_on(stage, account), limit=15.0, every=0.2)
    assert await outcome(stage, stage.relayed[1]) in REFUSED


async def appeal(stage: Stage, account: Account) -> None:
    """As a browser does it, signed in by the key."""
    place = f"{stage.gateway.url}/tidegate/account"
    cookies = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=cookies, headers={"Sec-Fetch-Site": "same-origin"}) as browser:
        page = await _page(browser.get(f"{place}/sign-in"))
        page = await _page(browser.post(f"{place}/sign-in/key", data={"form": _form(page, "/key"), "key": account.key}))
        assert "Ask for a review" in page
        await _page(browser.post(f"{place}/appeal", data={"form": _form(page, "/appeal"), "about": "use"}))


async def _page(asked: Any) -> str:
    async with asked as answer:
        text: str = await answer.text()
        assert answer.status == 200, text
        return text


def _form(page: str, action: str) -> str:
    found = re.search(rf'action="[^"]*{action}".*?name="form" value="([^"]+)"', page, re.DOTALL)
    assert found, page
    return found[1]


@pytest.mark.parametrize("words", [("detect", "run"), ("sketcher",)], ids=["detector", "sketcher"])
async def test_killed_it_comes_back(stage: Stage, words: tuple[str, ...]) -> None:
    """Callers never wait for it, verdicts stay, and every exchange that the stream holds counts once."""
    before = await stage.verdicts()
    killed = stage.process(*words)
    os.kill(killed, signal.SIGKILL)
    took = []
    for account in stage.honest[:12]:
        began = time.monotonic()
        assert await outcome(stage, account) == "answered"
        took.append(time.monotonic() - began)
    assert sorted(took)[6] < 1.0
    assert (await stage.verdicts()).keys() == before.keys()
    await until(lambda: stage.has(*words, other_than=killed), limit=20.0, every=0.1)

    asked = stage.honest[12]
    assert await outcome(stage, asked) == "answered"

    async def heard_all() -> bool:
        observed = await stage.observed()
        heard = [state["events"] for state in await stage.states()]
        # What the one that was killed has said of itself stands for a while.
        return observed[-1].account == asked.name and len(observed) in heard

    await until(heard_all, limit=40.0, every=0.2)
    assert sum(await stage.workers("observations_dropped")) == 0


async def test_an_analyst_rejects_and_everybody_goes_on(stage: Stage) -> None:
    """What the cases were known by counts no more: who was stopped is answered, within seconds."""
    for brief in (await stage.operator("GET", "/cases"))["cases"]:
        case = await stage.operator("GET", f"/cases/{brief['id']}")
        ruled = {"reason": "A licensed reseller.", "marks": [mark["id"] for mark in case["marks"]]}
        etag = {"If-Match": f'"{case["revision"]}"'}
        await stage.operator("POST", f"/cases/{brief['id']}/reject", ruled, **etag)

    async def free() -> bool:
        return set(await outcomes(stage, stage.relayed[::10])) == {"answered"}

    await until(free, limit=20.0, every=0.3)
    assert set(await outcomes(stage, stage.honest)) == {"answered"}


# -- ids of tool calls ------------------------------------------------------------------------------------------------

ANTHROPIC_TOOL: Final[Any] = {"name": "tides", "description": "Tides of a place.", "input_schema": {"type": "object"}}
Round = Callable[[Any, list[Any], bool], Awaitable[str]]
"""One round of a conversation that the SDK's client goes on with; the id of the tool call in its answer, or nothing."""


async def openai_round(client: openai.AsyncOpenAI, said: list[Any], streamed: bool) -> str:
    asked: Any = {"model": "m-large", "messages": said, "tools": [TOOL], "max_tokens": 60}
    if streamed:
        async with client.chat.completions.stream(**asked) as stream:
            answer = (await stream.get_final_completion()).choices[0].message
    else:
        answer = (await client.chat.completions.create(**asked)).choices[0].message
    if not answer.tool_calls:
        return ""
    call = answer.tool_calls[0]
    function = {"name": call.function.name, "arguments": call.function.arguments}
    said.append({"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": function}]})
    said.append({"role": "tool", "tool_call_id": call.id, "content": "At noon."})
    return str(call.id)


async def anthropic_round(client: anthropic.AsyncAnthropic, said: list[Any], streamed: bool) -> str:
    asked: Any = {"model": "m-large", "messages": said, "tools": [ANTHROPIC_TOOL], "max_tokens": 60}
    if streamed:
        async with client.messages.stream(**asked) as stream:
            answer = await stream.get_final_message()
    else:
        answer = await client.messages.create(**asked)
    used = [block for block in answer.content if block.type == "tool_use"]
    if not used:
        return ""
    said.append({"role": "assistant", "content": [used[0].to_dict()]})
    said.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": used[0].id, "content": "Noon."}]})
    return str(used[0].id)


SDKS: Final = [
    pytest.param(openai_sdk, openai_round, id="openai"),
    pytest.param(anthropic_sdk, anthropic_round, id="anthropic"),
]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("sdk", "ask"), SDKS)
async def test_a_tool_conversation_goes_on_with_ids_of_ours(
    stage: Stage, sdk: Callable[[Stage, Account], Any], ask: Round, streamed: bool
) -> None:
    """An SDK works with our ids as with any; who brings them back from another account shows in the stream."""
    name = f"tools-{sdk.__name__}-{streamed}"
    owner, other = stage.add([f"{name}-owner", f"{name}-other"])
    said: list[Any] = list(QUESTION)
    async with sdk(stage, owner) as client:
        given = await ask(client, said, streamed)
        assert await ask(client, list(said), streamed) == ""
    async with sdk(stage, other) as client:
        assert await ask(client, list(said), streamed) == ""
    assert re.fullmatch(r"(call|toolu)_[0-9A-Za-z]{24}", given)
    assert not given.split("_")[1].isdigit()  # As those of the stand-in are.

    async def seen() -> bool:
        return any(event.account == other.name for event in await stage.observed())

    await until(seen, limit=10.0)
    wandered = {
        event.account: [minted.account for minted in event.minted]
        for event in await stage.observed()
        if event.account in {owner.name, other.name}
    }
    assert wandered == {owner.name: [], other.name: [Mint(stage.secrets.key("minted")).tag(owner.name)]}
