"""Hard links: what two parties have in common that honest ones seldom share, and what wanders between them.

Everything is a row (kind, attribute, account): a card is an attribute, and so is an assistant turn that two parties
present, a prompt that fails over, or the account whose minted ids come back elsewhere. What a crowd has says nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from gateway.detect.accounts import Accounts
from gateway.detect.batch import Batch, Hashing, Ints
from gateway.detect.returned import returned
from gateway.detect.table import Column, Table


class Kind(NamedTuple):
    nats: float
    """What one of it says for two parties that share it: that they belong together."""
    honest: float
    """The share of honest parties that have one with a stranger, before anything was counted here: a family card, a
    second-hand telephone, a published transcript."""
    hub: int
    """Parties from which on it is a crowd's."""
    words: str


KINDS: Final[Mapping[str, Kind]] = {
    "payment": Kind(3.0, 0.03, 200, "a payment instrument"),
    "document": Kind(4.0, 0.003, 200, "an identity document"),
    "device": Kind(3.0, 0.02, 100, "a device"),
    "phone": Kind(3.0, 0.01, 100, "a phone number"),
    "email": Kind(3.0, 0.005, 100, "an e-mail address"),
    "customer": Kind(3.0, 0.005, 200, "an account at the payment processor"),
    "minted": Kind(6.0, 0.0005, 64, "ids that were made for another of them"),
    "turns": Kind(4.0, 0.002, 2, "conversations that wander from one to another"),
    "failover": Kind(2.5, 0.005, 8, "prompts refused to one and answered to another within a minute"),
}
NAMES: Final = tuple(KINDS)
WANDERING: Final = ("minted", "turns", "failover")
"""Seen in traffic: no household and no shared card explains them."""
WINDOW: Final = 60.0
"""Seconds from a refusal on one account to the answer on another."""
TWICE: Final = 2
"""Distinct ids, or failed-over prompts, that it takes: one may be an accident or a published transcript."""
WAITING: Final = 1 << 16
"""Refused prompts, and first ids, that are kept at the same time."""
TURNS: Final = 1 << 21
"""Slots of the table of turns: the newer displaces. Some 40 MB, an hour at 500 new turns a second."""

PROMPTS: Final = 1 << 18
"""Slots of the table of prompts that were asked."""

COLUMNS: Final = {"kind": "u1", "attribute": "u8", "account": "i4", "time": "f8", "acts": "?"}
"""`acts`: the account itself presented it, or was answered what another was refused; always of what is stated of it."""


_WANDERING: Final = [NAMES.index(name) for name in WANDERING]
_FAILOVER: Final = NAMES.index("failover")


class Shared(NamedTuple):
    """Rows of what two parties or more have in common, in the order of the attribute."""

    kind: Ints
    attribute: Ints
    number: Ints
    """Of the attribute: 0 …"""
    account: Ints
    degree: Ints
    """Parties that have it."""


class Links:
    def __init__(self, without: frozenset[str]) -> None:
        self.rows = Table(COLUMNS)
        self._without = without
        self._hashing = Hashing()
        self._turns = np.zeros(TURNS, np.uint64)
        self._showed = np.zeros(TURNS, np.int32)
        """Row of the account that showed the turn."""
        self._asked = np.zeros(PROMPTS, np.uint64)
        self._asker = np.zeros(PROMPTS, np.int32)
        """Party that asked a prompt first."""
        self._refused: OrderedDict[int, tuple[int, float]] = OrderedDict()
        """Prompt -> (account, time)."""
        self._once: OrderedDict[tuple[int, int, str], int] = OrderedDict()
        """(Account, -1, kind) -> the id or the prompt that was seen, -1 where two were: it is a link."""
        self._tidy = 1 << 16
        self.news: set[int] = set()
        """Accounts with a new link, for who looks."""

    def learn(self, account: int, links: Sequence[tuple[str, str]], now: float) -> None:
        for kind, value in links:
            if kind in KINDS and kind not in self._without and value:
                self._add(kind, self._hashing(f"{kind} {value}"), (account,), now)

    def hear(self, batch: Batch, accounts: Accounts, tags: Mapping[str, int]) -> None:
        if "turns" not in self._without:
            self._hear_turns(batch, accounts)
        if "minted" not in self._without:
            for at, minted in enumerate(batch.minted):
                for one in minted:
                    other = tags.get(one.account, accounts.index.get(one.account, -1))
                    self._hear_minted(
                        int(batch.account[at]), one.account, other, one.id, float(batch.time[at]), accounts
                    )
        if "failover" not in self._without:
            self._hear_failover(batch, accounts)

    def _add(
        self, kind: str, attribute: int, accounts: Sequence[int], now: float, acts: Sequence[bool] = (True,)
    ) -> None:
        rows = self.rows.add(len(accounts))
        self.rows["kind"][rows] = NAMES.index(kind)
        self.rows["attribute"][rows] = attribute
        self.rows["account"][rows] = accounts
        self.rows["time"][rows] = now
        self.rows["acts"][rows] = acts
        self.news.update(accounts)

    def _hear_turns(self, batch: Batch, accounts: Accounts) -> None:
        counts = np.array([len(turns) for turns in batch.turns])
        if not counts.any():
            return
        turns = np.array([turn for turns in batch.turns for turn in turns], np.uint64)
        owner = np.repeat(np.arange(len(batch)), counts)
        account = batch.account[owner]
        slots = ((turns ^ (turns >> np.uint64(29))) % np.uint64(TURNS)).astype(np.int64)
        party = accounts["party"]
        # Within a batch the first who shows a turn is its owner: reversed, so that the first write is the last one.
        unseen = self._turns[slots] != turns
        self._showed[slots[unseen][::-1]] = account[unseen][::-1]
        self._turns[slots[unseen][::-1]] = turns[unseen][::-1]
        there = self._turns[slots] == turns
        wandered = there & (party[self._showed[slots]] != party[account])
        for at in np.flatnonzero(wandered).tolist():
            presenting, other = int(account[at]), int(self._showed[slots[at]])
            # One may be boiler-plate, or what a model says to everybody who greets it.
            if self._twice((presenting, -1, "turns"), int(turns[at])):
                pair, now = (presenting, other), float(batch.time[owner[at]])
                self._add("turns", int(turns[at]), pair, now, (True, False))

    def _hear_minted(self, account: int, tag: str, other: int, number: int, now: float, accounts: Accounts) -> None:
        if other >= 0 and accounts["party"][account] == accounts["party"][other]:
            return
        # By who presents them, whomever they were made for: in a pool each has a few of everybody's.
        if self._twice((account, -1, "minted"), number):
            pair = (account,) if other < 0 else (account, other)
            self._add("minted", self._hashing(f"minted {tag}"), pair, now, (True, False)[: len(pair)])

    def _hear_failover(self, batch: Batch, accounts: Accounts) -> None:
        waiting, party = self._refused, accounts["party"]
        refused, prompts = batch.refused.tolist(), batch.prompt.tolist()
        common = self._common(batch, party).tolist()
        for at, prompt in enumerate(prompts):
            if not prompt or not (refused[at] or prompt in waiting):
                continue
            account, now = int(batch.account[at]), float(batch.time[at])
            before = waiting.get(prompt)
            if common[at]:
                continue
            if before is None or now - before[1] > WINDOW:
                if refused[at]:
                    waiting[prompt] = (account, now)
                    waiting.move_to_end(prompt)
                    if len(waiting) > WAITING:
                        waiting.popitem(last=False)
            elif not refused[at] and party[account] != party[before[0]]:
                # By account, whichever the other one is: a pool hands on to whoever is free.
                twice = [self._twice((one, -1, "failover"), prompt) for one in (account, before[0])]
                if any(twice):
                    self._add("failover", prompt, (account, before[0]), now, (True, False))

    def _common(self, batch: Batch, party: Ints) -> Ints:
        """Whether somebody else had asked each prompt before it was refused: a benchmark's question is no secret."""
        slots = (batch.prompt % np.uint64(PROMPTS)).astype(np.int64)
        mine = party[batch.account]
        there = self._asked[slots] == batch.prompt
        # Whom it was refused to, and who got it, are two: a third makes it common.
        common: Ints = there & (self._asker[slots] != mine)
        again = np.flatnonzero(common)
        common[again] = [prompt not in self._refused for prompt in batch.prompt[again].tolist()]
        new = ~there & (batch.prompt != 0)
        self._asked[slots[new]] = batch.prompt[new]
        self._asker[slots[new]] = mine[new]
        return common

    def _twice(self, key: tuple[int, int, str], number: int) -> bool:
        """Whether two different numbers were seen of it."""
        seen = self._once.get(key)
        if seen is None:
            self._once[key] = number
            if len(self._once) > WAITING:
                self._once.popitem(last=False)
            return False
        if seen not in {-1, number}:
            self._once[key] = -1
            return True
        return seen == -1

    def shared(self, accounts: Accounts) -> Shared:
        """What is shared now, without crowds, and without what others present of somebody who presents nothing."""
        self._tidied()
        order = np.argsort(self.rows["attribute"], kind="stable")
        attribute, account, kind, acts = (self.rows[name][order] for name in ("attribute", "account", "kind", "acts"))
        hub = np.array([KINDS[name].hub for name in NAMES])
        degree = _degrees(attribute, accounts["party"][account])
        keep = (degree > 1) & (degree <= hub[kind])
        attribute, account, kind, acts = attribute[keep], account[keep], kind[keep], acts[keep]
        party = accounts["party"][account]
        acts = self._handing(party, attribute, kind, acts)
        wanders = np.flatnonzero(np.isin(kind, _WANDERING))
        keep = np.ones(len(kind), np.bool_)
        keep[wanders] = returned(party[wanders], attribute[wanders], acts[wanders])
        attribute, account, kind, party = attribute[keep], account[keep], kind[keep], party[keep]
        degree = _degrees(attribute, party)
        several = degree > 1
        _, number = np.unique(attribute[several], return_inverse=True)
        return Shared(kind[several], attribute[several], number, account[several], degree[several])

    @staticmethod
    def _handing(party: Ints, attribute: Ints, kind: Ints, acts: Ints) -> Ints:
        """`acts`, where of failover that holds for a party that hands on as well as takes over, and not with one alone.

        Whom an app lets ask in its name can have it answer, or be refused, what he asks elsewhere.
        """
        rows = np.flatnonzero(kind == _FAILOVER)
        if not len(rows):
            return acts
        _, who = np.unique(party[rows], return_inverse=True)
        _, what = np.unique(attribute[rows], return_inverse=True)
        both = np.ones(who.max() + 1, np.bool_)
        for role in (acts[rows], ~acts[rows]):
            prompts = np.unique((who[role].astype(np.int64) << 32) | what[role]) >> 32
            both &= np.bincount(prompts, minlength=len(both)) >= TWICE
        # The two of a prompt: sums of both, less itself, are the other one.
        total, size = np.bincount(what, who + 1.0), np.bincount(what)
        partner = np.where(size[what] == 2, total[what] - who - 1, who + 1.0).astype(np.int64)
        partners = np.bincount(np.unique((who.astype(np.int64) << 32) | partner) >> 32, minlength=len(both))
        acts = acts.copy()
        acts[rows] = (both & (partners >= TWICE))[who]
        return acts

    def sweep(self, since: float, freed: Ints) -> None:
        """Forgets what wandered before `since`, and what is of `freed` accounts."""
        wandering = np.isin(self.rows["kind"], _WANDERING)
        keep = ~(wandering & (self.rows["time"] < since))
        if len(freed):
            keep &= ~np.isin(self.rows["account"], freed)
            gone = np.isin(self._showed, freed)
            self._turns[gone] = 0
            lost = set(freed.tolist())
            self._refused = OrderedDict((k, v) for k, v in self._refused.items() if v[0] not in lost)
            self._once = OrderedDict((k, v) for k, v in self._once.items() if k[0] not in lost and k[1] not in lost)
        if not keep.all():
            self.rows.keep(keep)

    def _tidied(self) -> None:
        """An account that is learnt of again states the same links again: they are kept once."""
        if self.rows.size < self._tidy:
            return
        both = np.stack([self.rows[name].astype(np.int64) for name in ("attribute", "account", "acts")], axis=1)
        _, latest = np.unique(both[::-1], axis=0, return_index=True)
        self.rows.keep(np.sort(self.rows.size - 1 - latest))
        self._tidy = max(1 << 16, 2 * self.rows.size)

    @property
    def bytes(self) -> int:
        return (
            self.rows.bytes
            + self._turns.nbytes
            + self._showed.nbytes
            + self._asked.nbytes
            + self._asker.nbytes
            + 200 * (len(self._refused) + len(self._once))
        )

    def save(self) -> tuple[dict[str, Column], dict[str, object]]:
        held = np.flatnonzero(self._turns)
        arrays = self.rows.save("links.") | {
            "asked": self._asked,
            "asker": self._asker,
            "turns.slot": held, "turns.turn": self._turns[held], "turns.account": self._showed[held],
        }  # fmt: skip
        once = [[*key, number] for key, number in self._once.items()]
        refused = [[prompt, *of] for prompt, of in self._refused.items()]
        return arrays, {"once": once, "refused": refused}

    def load(self, arrays: Mapping[str, Column], saved: Mapping[str, Any]) -> None:
        self.rows.load("links.", arrays)
        self._turns[:] = 0
        self._asked, self._asker = arrays["asked"].copy(), arrays["asker"].copy()
        self._turns[arrays["turns.slot"]] = arrays["turns.turn"]
        self._showed[arrays["turns.slot"]] = arrays["turns.account"]
        once = (((int(a), int(b), str(c)), int(d)) for a, b, c, d in saved["once"])
        self._once = OrderedDict(once)
        refused = ((int(p), (int(a), float(t))) for p, a, t in saved["refused"])
        self._refused = OrderedDict(refused)


def _degrees(attribute: Ints, party: Ints) -> Ints:
    """For each row how many parties have its attribute."""
    if not len(attribute):
        return np.empty(0, np.int64)
    _, number = np.unique(attribute, return_inverse=True)
    pairs = np.unique((number.astype(np.int64) << 32) | party)
    return np.bincount(pairs >> 32)[number]
