"""How a challenge reaches whoever has to pass it."""

from __future__ import annotations

import json

import pytest

from gateway.edge.edge import Settings
from gateway.policy import Action, Decision
from tests.edge.conftest import Serve, post

MEMBERS = {
    "challenge_id": "c1",
    "challenge_url": "/tidegate/challenge/T",
    "status_url": "/tidegate/challenge/T/status",
    "puzzle_url": "/tidegate/challenge/T/puzzle",
    "expires_at": "2026-11-22T12:00:00Z",
    "kinds": ("work",),
}
CHALLENGE = Decision(Action.CHALLENGE, "challenge_required", "This request needs a challenge.", members=MEMBERS)
PUBLIC = Settings(sweep=0.02, public_url="https://api.example.com")
GET = b"GET %b HTTP/1.1\r\nHost: gateway\r\nAccept: %b\r\n\r\n"


@pytest.mark.parametrize(
    ("path", "base"),
    [(b"/v1/chat/completions", "https://api.example.com"), (b"/v1/messages", "https://api.example.com")],
    ids=["openai", "anthropic"],
)
async def test_a_program_reads_it_in_its_error(serve: Serve, path: bytes, base: str) -> None:
    """Type, addresses that can be opened, a field for the puzzle, and no retry."""
    async with serve(PUBLIC) as served:
        served.policy.decision = CHALLENGE
        answer = await served.exchange(post(path))
    head, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert head.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nX-Should-Retry: false\r\n" in head
    assert f"\r\nTidegate-Challenge: {base}/tidegate/challenge/T/puzzle".encode() in head
    assert (error["type"], error["challenge_url"]) == ("challenge_required", f"{base}/tidegate/challenge/T")
    assert error["status_url"] == f"{base}/tidegate/challenge/T/status"
    assert error["kinds"] == ["work"]
    assert error["message"].endswith(f"See {base}/tidegate/challenge/T")


async def test_one_that_nobody_can_pass_names_no_page(serve: Serve) -> None:
    """Without a challenger there is nothing to open: the page of the reason explains it."""
    async with serve(PUBLIC) as served:
        served.policy.decision = CHALLENGE._replace(members={})
        answer = await served.exchange(post())
    assert b"Tidegate-Challenge" not in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"].endswith("/reasons/challenge_required")


@pytest.mark.parametrize(
    ("target", "to"),
    [
        (b"/v1/models", "?to=/v1/models"),
        (b"/v1/models?after=1&x=%2f", "?to=/v1/models%3Fafter%3D1%26x%3D%252f"),
        (b"/v1/" + b"a" * 2000, ""),
    ],
    ids=["a path", "a query", "too long to come back to"],
)
async def test_a_browser_is_shown_a_page(serve: Serve, target: bytes, to: str) -> None:
    """It is sent to the challenge, and from there back to where it was."""
    async with serve(PUBLIC) as served:
        served.policy.decision = CHALLENGE
        answer = await served.exchange(GET % (target, b"text/html,application/xhtml+xml,*/*;q=0.8"))
    assert answer.startswith(b"HTTP/1.1 303 ")
    assert f"\r\nLocation: https://api.example.com/tidegate/challenge/T{to}\r\n".encode() in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("public", "to"), [("https://h.example/gw", "/gw/v1/models"), ("https://h.example", "/v1/models")]
)
async def test_a_browser_comes_back_to_where_it_saw_us(serve: Serve, public: str, to: str) -> None:
    """A balancer takes the path of `public_url` away: a browser has to ask with it."""
    async with serve(Settings(sweep=0.02, public_url=public)) as served:
        served.policy.decision = CHALLENGE
        answer = await served.exchange(GET % (b"/v1/models", b"text/html"))
    assert f"\r\nLocation: {public}/tidegate/challenge/T?to={to}\r\n".encode() in answer


async def test_what_was_posted_is_not_come_back_to(serve: Serve) -> None:
    """A form cannot be sent again for its sender."""
    async with serve(PUBLIC) as served:
        served.policy.decision = CHALLENGE
        answer = await served.exchange(post(fields=b"Accept: text/html\r\n"))
    assert b"\r\nLocation: https://api.example.com/tidegate/challenge/T\r\n" in answer


async def test_an_address_that_no_field_can_hold_is_in_the_refusal(serve: Serve) -> None:
    """A name in another script: whoever asks is answered all the same."""
    async with serve(Settings(sweep=0.02, public_url="https://例え.example")) as served:
        served.policy.decision = CHALLENGE
        answer = await served.exchange(GET % (b"/v1/models", b"text/html"))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert (
        "https://例え.example/tidegate/challenge/T" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
    )


@pytest.mark.parametrize("accept", [b"application/json", b"*/*", b""], ids=["JSON", "anything", "nothing"])
async def test_no_program_is_sent_on(serve: Serve, accept: bytes) -> None:
    """Only who asks for HTML gets a page."""
    async with serve(PUBLIC) as served:
        served.policy.decision = CHALLENGE
        assert (await served.exchange(GET % (b"/v1/models", accept))).startswith(b"HTTP/1.1 403 ")


async def test_no_other_refusal_is_a_page(serve: Serve) -> None:
    """A browser sees why it is refused."""
    async with serve(PUBLIC) as served:
        served.policy.decision = Decision(Action.DENY, "rule_denied", "No.", members=MEMBERS)
        answer = await served.exchange(GET % (b"/v1/models", b"text/html"))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"challenge_required" not in answer.partition(b"\r\n\r\n")[0]


async def test_what_was_solved_stays_with_us(serve: Serve) -> None:
    """The upstream learns no answer, and cannot speak of challenges."""
    async with serve() as served:
        served.upstream.answer = (
            b"HTTP/1.1 200 OK\r\nTidegate-Challenge: http://evil.example/\r\nContent-Length: 2\r\n\r\n{}"
        )
        answer = await served.exchange(post(fields=b"Tidegate-Answer: abc\r\n"))
        assert served.upstream.heard[0].field(b"tidegate-answer") is None
        assert served.policy.contexts[0].fields[b"tidegate-answer"] == b"abc"
    assert b"evil" not in answer
