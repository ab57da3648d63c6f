"""A world's exchanges as requests: what the detector goes by is the same as in the world."""

from __future__ import annotations

import time
from typing import Any

import orjson

from gateway.campaigns.minted import Mint
from gateway.campaigns.verdict import Family, Level, Verdict
from gateway.campaigns.words import TURN_WORDS
from loadtest.campaigns.live import _address, _body, _turn, hurt

ROW: dict[str, Any] = {
    "model": "m-large", "system_text": "Be brief.", "prompt_text": "When is high tide?", "features": "tools",
    "turns": [71, 72], "minted": [{"account": "acme", "id": 5}],
}  # fmt: skip


def test_a_row_is_a_request() -> None:
    """Its texts, its turns in their order, and an id that reads as minted for the other account."""
    mint = Mint(b"a key of the test")
    body = orjson.loads(_body(ROW, mint, time.time()))
    assert [message["role"] for message in body["messages"]] == [
        "system", "assistant", "assistant", "assistant", "tool", "user",
    ]  # fmt: skip
    assert body["messages"][-1]["content"] == "When is high tide?"
    assert mint.wandered(body["messages"][4]["tool_call_id"], "other", time.time()) == mint.tag("acme")
    assert body["tools"]


def test_the_same_stays_the_same() -> None:
    """Turns are as different as their hashes, and long enough to count; a network of the world is one /24."""
    assert _turn(71) == _turn(71) != _turn(72)
    assert len(_turn(71).split()) >= TURN_WORDS
    assert _address("n1", "a1").rpartition(".")[0] == _address("n1", "a2").rpartition(".")[0]
    assert _address("n1", "a1").rpartition(".")[0] != _address("n2", "a1").rpartition(".")[0]


def test_why_honest_accounts_were_challenged() -> None:
    """Of each cluster of which one was: who is of it, and what was said of the one that was held the hardest. Clusters
    that hurt nobody are left out, and so is what takes back.
    """

    def said(account: str, cluster: str, score: float, words: str = "") -> Verdict:
        return Verdict(account, cluster, score, ((Family.CONTENT, score),), (words,) if words else ())

    labels = {"a": "campaign", "b": "campaign", "p": "class", "q": "class", "h": "benign"}
    told = [
        said("a", "c1", 11.0, "a template"), said("p", "c1", 9.5, "at first"), said("p", "c1", 10.0, "an exercise"),
        said("q", "c1", 3.0), said("b", "c2", 12.0), said("h", "c2", 4.0), Verdict("p", "", 0.0),
    ]  # fmt: skip
    lines = list(hurt(told, labels, lambda one: Level.CHALLENGE if one.score >= 9.2 else Level.OBSERVE))
    assert lines == ["c1 (2 class, 1 campaign), 10.0 nats: content 10.0. an exercise"]
