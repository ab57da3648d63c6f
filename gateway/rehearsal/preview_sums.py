"""What a preview adds up: by hour, by account, by limit, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from gateway.rehearsal.past import ALLOWED, Past, Verdict

TOP: Final = 50
"""Accounts that are named."""
HOUR: Final = 3600.0


@dataclass(slots=True)
class Account:
    """One, as far as it would notice."""

    tier: str
    exchanges: int = 0
    before: int = 0
    after: int = 0
    more: int = 0
    less: int = 0
    first: float = 0.0
    """Unix time of the first that would go another way."""


@dataclass(slots=True)
class Sums:
    """All of a preview. Hours are of Unix time: exchanges, refused without, refused with, more, less."""

    seen: int = 0
    unjudged: int = 0
    then: int = 0
    first: float = 0.0
    last: float = 0.0
    hours: dict[int, list[int]] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    limits: dict[str, list[int]] = field(default_factory=dict)

    def add(self, past: Past, before: Verdict | None, after: Verdict | None) -> None:
        """None where nobody can tell."""
        now = past.exchange.now
        self.seen += 1
        self.first = self.first or now
        self.last = now
        refused_then = past.verdict.action not in ("", "allow")
        self.then += refused_then
        if before is None or after is None:
            self.unjudged += 1
            return
        hour = self.hours.get(int(now // HOUR))
        if hour is None:
            hour = self.hours[int(now // HOUR)] = [0, 0, 0, 0, 0]
        hour[0] += 1
        principal = past.exchange.principal
        name = principal.account if principal is not None else ""
        account = self.accounts.get(name)
        if account is None:
            account = self.accounts[name] = Account(principal.tier if principal is not None else "")
        account.exchanges += 1
        if before is ALLOWED and after is ALLOWED:
            return
        one, other = before.action != "allow", after.action != "allow"
        hour[1] += one
        hour[2] += other
        account.before += one
        account.after += other
        if one == other:
            return
        hour[3 if other else 4] += 1
        account.first = account.first or now
        limit = self.limits.setdefault((after if other else before).rule, [0, 0])
        if other:
            account.more += 1
            limit[0] += 1
        else:
            account.less += 1
            limit[1] += 1


def told(sums: Sums, factor: int, notes: list[str], since: float, until: float) -> dict[str, Any]:
    """As JSON has it. Nothing is multiplied by `factor`."""
    total = [sum(column) for column in zip(*sums.hours.values(), strict=True)] or [0] * 5
    noticing = {name: one for name, one in sums.accounts.items() if one.more or one.less}
    by_harm = sorted(noticing, key=lambda name: (-noticing[name].more, -noticing[name].less, name))
    return {
        "since": since,
        "until": until,
        "first": sums.first or None,
        "last": sums.last or None,
        "seen": sums.seen,
        "exchanges": total[0],
        "refused_then": sums.then,
        "refused_before": total[1],
        "refused_after": total[2],
        "more": total[3],
        "less": total[4],
        "accounts_seen": len(sums.accounts.keys() - {""}),
        "accounts_more": sum(one.more > 0 for one in noticing.values()),
        "accounts_less": sum(one.less > 0 for one in noticing.values()),
        "accounts_newly_refused": sum(one.after > 0 and one.before == 0 for one in noticing.values()),
        "accounts_no_longer_refused": sum(one.before > 0 and one.after == 0 for one in noticing.values()),
        "accounts": [_account(name, noticing[name]) for name in by_harm[:TOP]],
        "hours": [
            {
                "at": hour * HOUR,
                "exchanges": counts[0],
                "before": counts[1],
                "after": counts[2],
                "more": counts[3],
                "less": counts[4],
            }
            for hour, counts in sorted(sums.hours.items())
        ],
        "limits": [
            {"limit": name, "more": counts[0], "less": counts[1]}
            for name, counts in sorted(sums.limits.items(), key=lambda pair: -sum(pair[1]))
        ],
        "factor": factor,
        "sampled": factor > 1,
        "notes": notes,
    }


def _account(name: str, one: Account) -> dict[str, Any]:
    return {
        "account": name,
        "tier": one.tier,
        "exchanges": one.exchanges,
        "refused_before": one.before,
        "refused_after": one.after,
        "more": one.more,
        "less": one.less,
        "first": one.first or None,
    }
