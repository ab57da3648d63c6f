"""loadtest.world and loadtest.payloads: what Tidegate is started with, and what is sent."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import dialects
from gateway.cli import app
from loadtest import payloads, targets, upstream, world


@pytest.mark.parametrize("chain", ["chain.yaml", "chain-auth.yaml"])
def test_tidegate_check_passes_what_is_made(chain: str, tmp_path: Path) -> None:
    """The load test's own configuration, policies and accounts are as strict readers want them."""
    world.make_accounts(tmp_path / "accounts.yaml", allowed=3, refused=2)
    config = world.make(
        tmp_path,
        port=8080,
        admin=8081,
        redis="redis://127.0.0.1:6379/0",
        upstream=9000,
        chain=chain,
        accounts=tmp_path / "accounts.yaml",
    )

    result = CliRunner().invoke(app, ["check", "--config", str(config)])

    assert result.exit_code == 0, result.output
    assert "no problems" in result.output
    assert (tmp_path / "accounts.yaml").stat().st_mode & 0o077 == 0


def test_every_tenth_of_the_mixed_keys_is_refused(tmp_path: Path) -> None:
    """And the others are in turn, so that each account is asked as often as before."""
    keys = world.make_accounts(tmp_path / "accounts.yaml", allowed=40, refused=3)

    assert len(keys.mixed) == 40
    assert [index for index, key in enumerate(keys.mixed) if key in keys.refused] == [9, 19, 29, 39]


def test_requests_and_answers_have_the_sizes_that_the_page_states() -> None:
    """829 bytes up, a KB down, 50 chunks of about 120 bytes; and nginx can say the answer."""
    bodies = [payloads.body(), payloads.body(stream=True), payloads.body(model=payloads.IDLE_MODEL, stream=True)]

    assert {len(body) for body in bodies} == {payloads.BODY_SIZE}
    assert 950 <= len(payloads.answer()) <= 1100
    assert not re.search(r"['$]", payloads.answer())
    assert len(payloads.events()) == payloads.CHUNKS
    assert all(100 <= len(event) <= 160 for event in payloads.events()[:-2])


def test_tidegate_understands_what_the_upstream_says() -> None:
    """Both answers state usage, so that settling is part of what is measured."""
    ask = dialects.OPENAI.read("POST", payloads.PATH, payloads.body())
    assert dialects.OPENAI.usage(ask, payloads.answer().encode()) is not None

    streamed = dialects.OPENAI.read("POST", payloads.PATH, payloads.body(stream=True))
    reader = dialects.OPENAI.stream(streamed)
    for event in payloads.events():
        reader.feed(event)
    assert reader.complete
    assert reader.usage is not None
    assert reader.usage.output == 48


def test_a_chunk_is_framed_as_the_coding_wants() -> None:
    """Length in hex, CRLF, content, CRLF."""
    assert upstream.chunk(b"x" * 18) == b"12\r\n" + b"x" * 18 + b"\r\n"


@pytest.mark.parametrize("limited", [False, True], ids=["plain", "limited"])
def test_envoy_is_told_to_limit_only_where_it_is_to(limited: bool) -> None:
    """The router is last, and everything is on loopback."""
    config = json.loads(targets.envoy_config(8080, 9000, limited=limited))

    text = json.dumps(config)
    assert ("local_ratelimit" in text) is limited
    assert set(re.findall(r'"address": "([^"]+)"', text)) == {"127.0.0.1"}
    chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
    assert chain["filters"][0]["typed_config"]["http_filters"][-1]["name"] == "envoy.filters.http.router"
