"""An entry under `providers` says all that its kind needs, and no more; docs/providers.md shows one of each."""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from gateway.rules.gateway_file import ProviderFile
from gateway.verification.provider import Identified, NoSuchSession, ProviderUnavailable, Started
from gateway.verification.providers.adapter import segment
from gateway.verification.providers.content import Misread, code, first_code
from gateway.verification.providers.contract import NEEDS
from gateway.verification.providers.countries import ALPHA3
from gateway.verification.providers.documents import document, ends
from gateway.verification.providers.http import Api, Request
from gateway.verification.providers.registry import ADAPTERS, build
from tests.docs.pages import blocks
from tests.verification.providers.entries import KINDS, adapter, entry

PAGE = Path(__file__).parents[3] / "docs" / "providers.md"
STOP = web.AppKey("STOP", asyncio.Event)
LOOPBACK = "http://127.0.0.1:9"


@pytest.mark.parametrize("kind", KINDS)
def test_each_key_that_is_needed_is_missed_by_its_name(kind: str) -> None:
    """Whoever forgets one is told which."""
    for key in NEEDS[kind].needed:
        with pytest.raises(ValidationError, match=f"`{key}` is missing: a provider of kind `{kind}` needs it"):
            entry(kind, LOOPBACK, **{key: [] if key == "webhook_secrets" else "" if key == "flow" else None})


@pytest.mark.parametrize(
    ("kind", "changes", "complaint"),
    [
        pytest.param("stripe", {"secret": "a-secret-too-many"}, "`secret` has no meaning", id="secret"),
        pytest.param("veriff", {"flow": "a-flow"}, "`flow` has no meaning", id="flow"),
        pytest.param("didit", {"webhook_secrets": ["short"]}, "`webhook_secrets` must have at least 8", id="short"),
        pytest.param("didit", {"url": "http://didit.me"}, "must be https", id="http"),
        pytest.param("didit", {"gives": ["documents"]}, "did you mean `document`", id="gives"),
        pytest.param("didit", {"webhook_secrets": ["x" * 16] * 3}, "at most 2 items", id="three_secrets"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, changes: dict[str, Any], complaint: str) -> None:
    """With the name of the key, and never its value."""
    with pytest.raises(ValidationError, match=complaint):
        entry(kind, **changes)


@pytest.mark.parametrize("reference", ["..", ".", "", "a b", "a\n", "x" * 201])
def test_a_reference_is_no_way_to_elsewhere(reference: str) -> None:
    """What cannot be a part of a path is no session; a slash in one is no separator."""
    with pytest.raises(NoSuchSession):
        segment(reference)
    assert segment("../a/b?c") == "..%2Fa%2Fb%3Fc"


def test_manual_needs_nothing() -> None:
    """People decide there; it has no adapter."""
    made = ProviderFile.model_validate({"name": "desk", "kind": "manual"})
    assert made.kind not in ADAPTERS
    with pytest.raises(ValidationError, match="`key` has no meaning for a provider of kind `manual`"):
        ProviderFile.model_validate({"name": "desk", "kind": "manual", "key": "a-key-too-many"})


def test_the_page_shows_an_entry_of_every_kind() -> None:
    """Its examples are read as tidegate.yaml is, with secrets from the environment, and an adapter is made of each."""
    environment: dict[str, str] = {}
    seen = set()
    for block in blocks("text", pages=[PAGE]):
        written = YAML(typ="safe").load(io.StringIO(block.text))
        for one in written["providers"]:
            names = [value for value in [*one.values(), *one.get("webhook_secrets", [])] if isinstance(value, str)]
            environment.update({name[2:-1]: "x" * 32 for name in names if name.startswith("${")})
            made = TypeAdapter(ProviderFile).validate_python(one, context={"environment": environment})
            seen.add(made.kind)
            if made.kind != "manual":
                assert build(made, lambda: 0.0).name == made.name
    assert seen == set(NEEDS)


@pytest.mark.parametrize(
    ("country", "kind", "number", "identity"),
    [
        pytest.param("de", "passport", "c01x-00t 47", "DEU:passport:C01X00T47", id="plain"),
        pytest.param("D", "Passport", "C01X00T47", "DEU:passport:C01X00T47", id="icao_germany"),
        pytest.param("AUT", "driving_license", "12345678", "AUT:licence:12345678", id="licence"),
        pytest.param("AT", "DRIVERS_LICENSE", "1234-5678", "AUT:licence:12345678", id="licence_of_another"),
        pytest.param("FRA", "something new", "12345678", "FRA:something_new:12345678", id="unknown_kind"),
        pytest.param("FRA", "", "12345678", "FRA:other:12345678", id="no_kind"),
        pytest.param("", "passport", "12345678", "", id="no_country"),
        pytest.param("ZZ", "passport", "12345678", "", id="no_such_country"),
        pytest.param("DE", "passport", "12", "", id="too_short"),
        pytest.param("DE", "passport", "[redacted]", "", id="redacted"),
        pytest.param("DE", "passport", "****5678", "", id="masked"),
        pytest.param("DE", "passport", "", "", id="none"),
        pytest.param("JPN", "passport", "ＴＫ１２３４５６７", "JPN:passport:TK1234567", id="wide"),
    ],
)
def test_a_document_has_one_spelling(country: str, kind: str, number: str, identity: str) -> None:
    """What is not whole identifies nobody: better no link than one between strangers."""
    assert document(country, kind, number) == ((Identified("document", identity),) if identity else ())


def test_countries_are_all_there() -> None:
    """Each once, two letters to three."""
    assert len({name for name in ALPHA3 if len(name) == 2}) == len(set(ALPHA3.values())) == 250


def test_a_document_is_good_for_all_of_its_last_day() -> None:
    """And what is no date is no end that never comes."""
    assert ends("2034-05-31", "") == datetime(2034, 6, 1, tzinfo=UTC).timestamp()
    assert ends("2034-05-31T00:00:00Z", "") == ends("2034-05-31", "")
    assert ends("", "") == ends("9999-12-31", "") == math.inf
    for written in ("2034-13-01", "PERMANENT", "31.05.2034"):
        with pytest.raises(Misread):
            ends(written, "expires")


@pytest.mark.parametrize(
    ("written", "is_code"),
    [("DOCUMENT_EXPIRED", "document_expired"), ("Suspected document", "suspected_document"), ("Jörg's fault", "")],
)
def test_a_reason_is_a_code(written: str, is_code: str) -> None:
    """Prose may say who somebody is."""
    assert code(written) == is_code == first_code([written])


async def _answer(request: web.Request) -> web.StreamResponse:
    match request.match_info["what"]:
        case "moved":
            return web.Response(status=302, headers={"Location": "/fine"})
        case "large":
            return web.Response(body=b'{"a":"' + b"a" * 1_200_000 + b'"}')
        case "list":
            return web.json_response([1])
        case "gone":
            return web.Response(status=410)
        case "cut":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"{")
            assert request.transport is not None
            request.transport.close()
            return response
        case "slow":
            response = web.StreamResponse()
            await response.prepare(request)
            await request.app[STOP].wait()
            return response
    return web.json_response({"fine": True})


@asynccontextmanager
async def _serving() -> AsyncIterator[str]:
    app = web.Application()
    stop = app[STOP] = asyncio.Event()
    app.router.add_get("/{what}", _answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        stop.set()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("moved", "answers 302"),
        ("large", "too large"),
        ("list", "no object"),
        ("cut", "does not answer: ClientPayloadError"),
        ("slow", "does not answer: SocketTimeoutError"),
    ],
)
async def test_a_bad_answer_is_unavailable(what: str, complaint: str) -> None:
    """Within bounds of time and bytes, never followed elsewhere, in words that say what and not whom."""
    async with _serving() as base:
        api = Api("somebody", base, aiohttp.ClientTimeout(total=2.0, sock_read=0.1))
        try:
            with pytest.raises(ProviderUnavailable, match=complaint):
                await api.ask(Request("GET", f"/{what}"))
            assert await api.ask(Request("GET", "/fine")) == {"fine": True}
            with pytest.raises(NoSuchSession):
                await api.ask(Request("GET", "/gone"))
        finally:
            await api.close()


async def test_nobody_there_is_unavailable() -> None:
    """A port where nothing listens."""
    api = Api("somebody", LOOPBACK)
    with pytest.raises(ProviderUnavailable, match="somebody does not answer: ClientConnectorError"):
        await api.ask(Request("GET", "/v1/secret-reference"))
    await api.close()


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://checks.example/1", "https://checks.example/\r\nX: 1", ""]
)
async def test_people_are_sent_to_addresses_of_the_web_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a provider answers: the page hands its address to a browser, as a field of an answer."""
    made = adapter("veriff")

    async def start(*_: str) -> Started:
        return Started("ses_1", url)

    async def resume(_: str) -> Started:
        return Started("ses_1", url)

    monkeypatch.setattr(made, "_start", start)
    monkeypatch.setattr(made, "_resume", resume)
    with pytest.raises(ProviderUnavailable, match="the address of the session"):
        await made.start("ver_1", "acme", "https://gate.example/back")
    with pytest.raises(ProviderUnavailable, match="the address of the session"):
        await made.resume("ses_1")
