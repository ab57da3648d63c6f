"""One exchange through a real socket."""

from __future__ import annotations

from tests.edge.conftest import JSON_ANSWER, Serve, post


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
