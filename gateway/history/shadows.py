"""What rules in shadow would have done, against what was enforced. One pass over the log, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from gateway.history.decode import column
from gateway.history.shares import counted, percent, tiers_in_words

COLUMNS: Final = ("time", "exchange", "account", "tier", "country", "action", "verification", "rules")
REFUSING: Final = frozenset({"deny", "challenge", "throttle"})
"""Actions of rules that refuse an exchange."""


class RuleKey(NamedTuple):
    """A rule in shadow, or a whole entry where `rule` is empty."""

    entry: str
    rule: str
    action: str
    reason: str


class Cell:
    """Some exchanges in which a rule in shadow applied."""

    __slots__ = ("accounts", "exchanges", "newly", "refused_anyway")

    def __init__(self) -> None:
        self.exchanges = 0
        self.refused_anyway = 0
        """Something that is enforced refused them."""
        self.newly: set[str] = set()
        """Accounts that it alone would have refused; of a rule that refuses nobody, none."""
        self.accounts: set[str] = set()

    def add(self, account: str, *, refuses: bool, refused: bool) -> None:
        self.exchanges += 1
        self.refused_anyway += refused
        if account:
            self.accounts.add(account)
            if refuses and not refused:
                self.newly.add(account)

    def told(self, decided: int, *, refuses: bool) -> dict[str, Any]:
        newly = self.exchanges - self.refused_anyway if refuses else 0
        return {
            "exchanges": self.exchanges,
            "share": self.exchanges / decided if decided else 0.0,
            "accounts": len(self.accounts),
            "refused_anyway": self.refused_anyway,
            "newly_refused": newly,
            "newly_refused_share": newly / decided if decided else 0.0,
            "newly_refused_accounts": len(self.newly),
        }


class Shadowed:
    """One rule in shadow."""

    def __init__(self, key: RuleKey) -> None:
        self.key = key
        self.refuses = key.action in REFUSING
        self.all = Cell()
        self.by: dict[tuple[str, str], Cell] = {}
        """By tier and country."""
        self.newly_by_account: dict[str, int] = {}
        self.tiers: dict[str, str] = {}
        """Account -> its tier, of those newly refused."""
        self.verified: set[str] = set()
        """Of the accounts newly refused."""


class ShadowReport:
    """Sums over the log."""

    def __init__(self) -> None:
        self.decided = 0
        self.refused = 0
        self.accounts: set[str] = set()
        self.rules: dict[RuleKey, Shadowed] = {}
        self.first = self.last = 0.0

    def read(self, tables: Iterable[pa.Table]) -> ShadowReport:
        for table in tables:
            self.add(table)
        return self

    def add(self, table: pa.Table) -> None:
        """One batch with COLUMNS. Only rows with rules become Python values."""
        actions = table.column("action").cast(pa.string())
        asked = table.filter(pc.not_equal(actions, ""))
        if not asked.num_rows:
            return
        times = column(asked.slice(0, 1), "time") + column(asked.slice(asked.num_rows - 1), "time")
        self.first, self.last = self.first or times[0], times[1]
        self.decided += asked.num_rows
        self.refused += int(pc.sum(pc.not_equal(asked.column("action").cast(pa.string()), "allow")).as_py() or 0)
        self.accounts.update(name for name in pc.unique(asked.column("account").cast(pa.string())).to_pylist() if name)
        ruled = asked.filter(pc.greater(pc.list_value_length(asked.column("rules")), 0))
        if not ruled.num_rows:
            return
        names = ("account", "tier", "country", "action", "verification", "rules")
        for account, tier, country, action, verification, rules in zip(
            *[column(ruled, name) for name in names], strict=True
        ):
            # A rule that applied twice to one exchange would have refused it once.
            for key in {RuleKey(*rule[:4]) for rule in rules if not rule[4]}:
                self._add(key, account, tier, country, refused=action != "allow", verified=verification > 0)

    def _add(self, key: RuleKey, account: str, tier: str, country: str, *, refused: bool, verified: bool) -> None:
        found = self.rules.get(key)
        if found is None:
            found = self.rules[key] = Shadowed(key)
        refuses = found.refuses
        found.all.add(account, refuses=refuses, refused=refused)
        cell = found.by.get((tier, country))
        if cell is None:
            cell = found.by[tier, country] = Cell()
        cell.add(account, refuses=refuses, refused=refused)
        if refuses and not refused:
            found.newly_by_account[account] = found.newly_by_account.get(account, 0) + 1
            found.tiers[account] = tier
            if verified:
                found.verified.add(account)

    # -- for people -------------------------------------------------------------------------------------------------

    def told(self, most: int) -> dict[str, Any]:
        """As plain data: the rules that would refuse most anew first, at most `most` rows in each list."""
        rules = sorted(self.rules.values(), key=self._weight)
        return {
            "first": self.first,
            "last": self.last,
            "exchanges": self.decided,
            "refused": self.refused,
            "accounts": len(self.accounts),
            "rules": [self._rule(rule, most) for rule in rules],
        }

    def _weight(self, rule: Shadowed) -> tuple[object, ...]:
        newly = rule.all.exchanges - rule.all.refused_anyway if rule.refuses else 0
        return (-newly, -rule.all.exchanges, rule.key)

    def _rule(self, rule: Shadowed, most: int) -> dict[str, Any]:
        cells = sorted(rule.by.items(), key=lambda item: (-item[1].exchanges, item[0]))
        top = sorted(rule.newly_by_account.items(), key=lambda item: (item[0] not in rule.verified, -item[1], item[0]))
        return {
            **rule.key._asdict(),
            **rule.all.told(self.decided, refuses=rule.refuses),
            "by": [
                {"tier": tier, "country": country, **cell.told(self.decided, refuses=rule.refuses)}
                for (tier, country), cell in cells[:most]
            ],
            "top": [
                {
                    "account": account,
                    "tier": rule.tiers[account],
                    "verified": account in rule.verified,
                    "newly_refused": count,
                }
                for account, count in top[:most]
            ],
            "verdict": self.verdict(rule),
        }

    def verdict(self, rule: Shadowed) -> str:
        """One line that an author can act on."""
        every = rule.all
        if not rule.refuses:
            accounts = counted(len(every.accounts), "account")
            return f"Would {rule.key.action} {percent(every.exchanges / self.decided)} of exchanges, {accounts}."
        newly = every.exchanges - every.refused_anyway
        if not newly:
            return "Would newly refuse nobody: all that it would refuse is refused by something else."
        if not every.newly:
            whom = "of strangers"
        else:
            whom = f"{counted(len(every.newly), 'account')}, {tiers_in_words(sorted(set(rule.tiers.values()) - {''}))}"
        look = f"; {len(rule.verified)} of them verified" if rule.verified else ""
        return f"Would newly refuse {percent(newly / self.decided)} of exchanges, {whom}{look}."
