"""docs/challenges.md: its programs do what they say, on what the gateway sends; its numbers are those of the code."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Final

import httpx2
import openai
import pytest
import typer.main

from gateway.challenges import deliveries, ladder, work
from gateway.challenges.notices import rfc3339
from gateway.cli import app
from gateway.control.challenges_shown import LiftShape, ListShape
from tests.docs.pages import NAMED, ROOT, blocks, prose

PAGE: Final = ROOT / "docs" / "challenges.md"
NOW: Final = 1_800_000_000
SECRETS: Final = ("whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "sixteen bytes at least")


def module(name: str) -> dict[str, Any]:
    """What the block that begins with `# name` defines."""
    for block in blocks("python", pages=[PAGE]):
        named = NAMED.match(block.text)
        if named and named[1] == name:
            names: dict[str, Any] = {"__name__": name}
            exec(compile(block.text, name, "exec"), names)
            return names
    raise AssertionError(f"no block is {name}")


def documents() -> list[Any]:
    return [json.loads(block.text) for block in blocks("json", pages=[PAGE])]


@pytest.mark.parametrize("secret", SECRETS, ids=["whsec", "text"])
def test_the_receiver_believes_what_we_sign(secret: str) -> None:
    """And nothing else: another body, another id, another time, another secret."""
    is_ours = module("receiver.py")["is_ours"]
    body = b'{"type":"challenge.asked"}'
    sent = deliveries.headers(deliveries.secret_of(secret), "msg_1", NOW, body)
    fields = {name.lower(): value for name, value in sent.items()}
    more = fields | {"webhook-signature": f"v1,AAAA {fields['webhook-signature']}"}

    assert is_ours(secret, fields, body, NOW + 200.0)
    assert is_ours(secret, more, body, NOW)
    assert not is_ours(secret, fields, body + b" ", NOW)
    assert not is_ours(secret, fields | {"webhook-id": "msg_2"}, body, NOW)
    assert not is_ours(secret, fields, body, NOW + 301.0)
    assert not is_ours(secret, fields | {"webhook-timestamp": "soon"}, body, NOW)
    assert not is_ours("another secret of ours", fields, body, NOW)
    assert not is_ours(secret, {}, body, NOW)


def test_the_program_reads_the_refusal() -> None:
    """The SDK's error carries what the page says, from the page's own document."""
    (refusal,) = [one for one in documents() if "error" in one]
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(403, json=refusal)))
    with openai.OpenAI(api_key="k", base_url="http://api.invalid/v1", http_client=http) as client:
        said = module("asking.py")["ask"](client, "When is high tide?")

    assert said == (
        "Somebody has to open https://api.example.com/tidegate/challenge/eyJpZCI until 2026-03-01T10:30:00Z."
    )


def test_the_notice_is_one() -> None:
    """Its members are those that are sent."""
    (notice,) = [one for one in documents() if "data" in one]
    assert set(notice) == {"type", "timestamp", "data"}
    assert notice["timestamp"] == rfc3339(1_772_359_200.0)
    assert set(notice["data"]) == {
        "account", "rule", "step", "challenge_id", "challenge_url", "expires_at", "kinds",
    }  # fmt: skip


def test_a_lift_is_asked_for_as_shown() -> None:
    """By the admin port, and by the commands with their options."""
    (asked,) = [one for one in documents() if "reason" in one]
    assert LiftShape.model_validate(asked)
    assert ListShape(step="captcha", limit=50)
    (commands,) = [block.text for block in blocks("text", pages=[PAGE])]
    root: Any = typer.main.get_command(app)
    for line in commands.splitlines():
        _, *words = shlex.split(line)
        command = root.get_command(None, words[0]).commands[words[1]]
        assert command.make_context("tidegate", list(words[2:])).params


def test_every_step_is_in_the_table() -> None:
    """In order, by the names that captcha.yaml has for them."""
    table = re.findall(r"^\| ([a-z]+) \| ", prose(PAGE), re.MULTILINE)
    assert [name for name in table if name in {step.name.lower() for step in ladder.Step}] == [
        step.name.lower() for step in ladder.Step
    ]


def test_numbers_are_those_of_the_code() -> None:
    """What the page counts in words."""
    text = " ".join(prose(PAGE).split())
    words = {5: "five", 8: "eight", 16: "sixteen"}
    assert f"{words[ladder.OPEN_AT_MOST].title()} challenges are open" in text
    assert f"{words[ladder.CLEARANCES_AT_MOST]} clearances are kept" in text
    assert f"after {words[ladder.WRONG_AT_MOST]} wrong answers" in text
    assert f"at most {words[int(work.HARDEST)]} times" in text
    assert f"up to {work.LONGEST_ANSWER // 1024} KiB" in text
    assert deliveries.GIVEN_UP == 86_400.0
