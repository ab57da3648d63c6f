"""Verdicts: what follows for an account from its cluster. Said where it is new, renewed before it ends, taken back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from gateway.campaigns.verdict import Level, Verdict
from gateway.detect.accounts import Accounts
from gateway.detect.batch import Ints
from gateway.detect.clusters import Cluster
from gateway.detect.judging import joined, own_trust
from gateway.detect.settings import Settings

EVEN: Final = 2.4
"""The score that an account may have of which it is even whether it belongs: nothing follows;"""
EACH: Final = 2.6
"""each nat of its odds is so much more: at 3 to 1 a budget is shared, at 14 to 1 a challenge follows."""
CHANGED: Final = 0.5
"""Nats by which a score must have changed to be said again."""
STEADY: Final = 1.0
"""Nats below the alarm at which what was said is taken back: not each time that it is crossed."""

_OWN: Final = np.array([[own_trust(trusted, stated) for stated in (False, True)] for trusted in (False, True)])


class Saying:
    def __init__(self, accounts: Accounts, settings: Settings) -> None:
        self._accounts = accounts
        self._settings = settings

    def say(self, rows: Ints, clusters: Iterable[Cluster], now: float) -> list[Verdict]:
        """What has changed for these accounts; `clusters`: all that are told of."""
        if not len(rows):
            return []
        accounts = self._accounts
        known = list(clusters)
        score, best = np.zeros(len(rows)), np.full(len(rows), -1, np.int64)
        own, allowed = self._own_trust(rows, now), self._allowed(rows, now)
        for place, cluster in enumerate(known):
            ceiling = np.minimum(cluster.score, EVEN + EACH * cluster.odds(rows)) - own
            ceiling = np.minimum(ceiling, allowed)
            # A little more must speak for another cluster than for the one that an account is in.
            stays = np.where(accounts["cluster"][rows] == cluster.number, 0.25, 0.0)
            better = ceiling + stays > np.where(best >= 0, score, 0.0)
            score[better], best[better] = ceiling[better], place
        said = accounts["score"][rows]
        least = np.where(said > 0, self._settings.alarm - STEADY, self._settings.alarm)
        stands = (best >= 0) & (score >= least)
        return self._told(rows, np.where(stands, score, 0.0), np.where(stands, best, -1), known, own, now)

    def _allowed(self, rows: Ints, now: float) -> Ints:
        """What a person has said holds, whatever the company: nothing against the cleared, a budget for a contract."""
        if "trust" in self._settings.without:
            return np.full(len(rows), np.inf)
        accounts = self._accounts
        contract = np.where(accounts["contract"][rows], self._settings.alarm, np.inf)
        allowed: Ints = np.where(accounts["cleared"][rows] > now, 0.0, contract)
        return allowed

    def _own_trust(self, rows: Ints, now: float) -> Ints:
        if "trust" in self._settings.without:
            return np.zeros(len(rows))
        accounts = self._accounts
        stated = accounts["contract"][rows] | (accounts["cleared"][rows] > now)
        own: Ints = _OWN[accounts["trusted"][rows].astype(np.intp), stated.astype(np.intp)]
        return own

    def _told(self, rows: Ints, score: Ints, best: Ints, known: list[Cluster], own: Ints, now: float) -> list[Verdict]:
        accounts = self._accounts
        number = np.array([cluster.number for cluster in known] + [-1])[best]
        most = np.array([int(cluster.most) for cluster in known] + [0])[best]
        for place, cluster in enumerate(known):
            crowded = (best == place) & np.isin(accounts["network"][rows], cluster.crowds)
            most[crowded] = np.minimum(most[crowded], int(Level.BUDGET))
        kinds = np.array([sum(nats >= 1.0 for _, nats in cluster.families) for cluster in known] + [0])[best]
        said = accounts["score"][rows]
        lasting = accounts["expires"][rows]
        until = accounts["last"][rows] + self._settings.lasts
        changed = (np.abs(score - said) >= CHANGED) | ((score > 0) != (said > 0))
        changed |= (score > 0) & (number != accounts["cluster"][rows])
        changed |= (score > 0) & ((most != accounts["most"][rows]) | (kinds != accounts["kinds_said"][rows]))
        due = (score > 0) & (lasting - now < self._settings.lasts / 2) & (until - lasting >= 3600.0)
        over = (said > 0) & (lasting <= now) & (until <= now)
        score = np.where(over, 0.0, score)
        at = np.flatnonzero((changed | due | over) & ~((said <= 0) & ((score <= 0) | (until <= now))))
        chosen = rows[at]
        fresh = (said[at] <= 0) & (score[at] > 0)
        accounts["since"][chosen[fresh]] = now
        accounts["score"][chosen] = score[at]
        accounts["cluster"][chosen] = np.where(score[at] > 0, number[at], -1)
        accounts["most"][chosen] = most[at]
        accounts["kinds_said"][chosen] = kinds[at]
        accounts["expires"][chosen] = np.where(score[at] > 0, until[at], now)
        # At least the time: a detector that has lost its memory still speaks after what it said before.
        accounts["version"][chosen] = np.maximum(accounts["version"][chosen] + 1, int(now))
        return [
            self._verdict(int(rows[i]), known[best[i]] if score[i] > 0 else None, float(own[i])) for i in at.tolist()
        ]

    def _verdict(self, row: int, cluster: Cluster | None, own: float) -> Verdict:
        accounts = self._accounts
        name, version = accounts.names[row], int(accounts["version"][row])
        since, expires = float(accounts["since"][row]), float(accounts["expires"][row])
        if cluster is None:
            return Verdict(name, "", 0.0, since=since, expires=expires, version=version, most=Level.OBSERVE)
        families = joined(cluster.families, own)
        score = round(float(accounts["score"][row]), 3)
        return Verdict(
            name,
            cluster.id,
            score,
            families,
            cluster.evidence,
            len(cluster.core),
            Level(int(accounts["most"][row])),
            since,
            expires,
            version,
        )
