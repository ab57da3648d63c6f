"""One exchange through a real socket."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.chain.entry import Entry, OnFailure
from gateway.policy import Action, Context, Decision
from tests.edge.conftest import JSON_ANSWER, SETTINGS, Serve, post


async def test_an_exchange_passes(serve: Serve) -> None:
    """What is asked reaches the upstream with its credential, and the answer comes back byte for byte."""
    async with serve() as served:
        answer = await served.exchange(post(fields=b"Authorization: Bearer caller-key\r\nX-Custom: yes\r\n"))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == JSON_ANSWER
        heard = served.upstream.heard[0]
        assert heard.field(b"authorization") == b"Bearer upstream-secret"
        assert heard.field(b"x-custom") == b"yes"
        assert heard.field(b"host") == b"upstream.test"
        assert heard.field(b"via") == b"1.1 tidegate"
        assert b"caller-key" not in heard.head


async def test_what_policies_saw_is_what_the_upstream_reads(serve: Serve) -> None:
    """JSON that is another request in the charset that it is said to have, or a form, goes on as the JSON it is."""
    hidden = b'{"model":"small","x":"+ACI-,+ACI-model+ACI-:+ACI-large","messages":[]}'
    assert b'","model":"large' in hidden.decode("utf-7").encode()
    async with serve() as served:
        for kind in (b"application/json; charset=utf-7", b"application/x-www-form-urlencoded"):
            answer = await served.exchange(post(body=hidden).replace(b"application/json", kind))
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert served.policy.contexts[-1].ask.model == "small"
            heard = served.upstream.heard[-1]
            assert (heard.body, heard.field(b"content-type")) == (hidden, b"application/json")
            assert heard.head.lower().count(b"content-type:") == 1


@pytest.mark.parametrize(
    ("trusted", "told"), [(("127.0.0.0/8",), "t13d1516h2_8daaf6152771"), ((), "")], ids=["a hop of ours", "a stranger"]
)
async def test_a_tls_fingerprint_is_a_trusted_hops_word(serve: Serve, trusted: tuple[str, ...], told: str) -> None:
    """Anybody can send the field; it counts only from whom we trust."""
    settings = replace(SETTINGS, ja4_field=b"x-ja4")
    async with serve(settings=settings, trusted=trusted) as served:
        await served.exchange(post(fields=b"X-JA4: t13d1516h2_8daaf6152771\r\n"))
        assert served.policy.contexts[-1].ja4 == told


class Refuses:
    """Says one no."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def decide(self, context: Context) -> Decision:
        return self.decision


@pytest.mark.parametrize(
    ("reason", "link", "see"),
    [
        ("quota_exceeded", "", b"See http://gateway/tidegate/reasons/quota_exceeded"),
        ("an_authors_own", "", b'No."'),
        ("an_authors_own", "https://docs.example.com/x", b"See https://docs.example.com/x"),
        ("quota_exceeded", "https://docs.example.com/x", b"See https://docs.example.com/x"),
    ],
    ids=[
        "ours",
        "an author's, of which we know nothing",
        "an author's with a page",
        "ours with a page of the author's",
    ],
)
async def test_a_refusal_says_where_to_read_more(serve: Serve, reason: str, link: str, see: bytes) -> None:
    """The author's page, or ours, or none: never a page that does not exist."""
    policy = Refuses(Decision(Action.DENY, reason=reason, detail="No.", link=link))
    async with serve(entries=(Entry.of("p", "p", policy, OnFailure.DENY),)) as served:
        assert see in await served.exchange(post())
