"""A comparison as plain data: what `--json` prints, and what the tables show."""

from __future__ import annotations

from typing import Any

from gateway.history.shares import percent, tiers_in_words
from gateway.rehearsal.comparison import CHANGED, DAY, Account, Change, Comparison, Group, GroupKey


def findings(comparison: Comparison, most: int) -> dict[str, Any]:
    """Everything that was counted; at most `most` rows in each list."""
    judged = comparison.judged
    hurt = comparison.hurt()
    honest = [account for account in hurt if account.honest(comparison.last)]
    return {
        "exchanges": comparison.exchanges,
        "judged": judged,
        "accounts": len(comparison.accounts),
        "first": comparison.first,
        "last": comparison.last,
        "changes": [_change(comparison, change, judged) for change in Change],
        "groups": {
            change.value: [_group(*pair, judged) for pair in comparison.of(change)[:most]] for change in CHANGED
        },
        "hurt": [_account(account, comparison.last) for account in hurt[:most]],
        "hurt_accounts": len(hurt),
        "hurt_honest": len(honest),
        "hurt_honest_exchanges": sum(account.newly_refused for account in honest),
        "verdict": verdict(comparison, hurt, honest),
    }


def _change(comparison: Comparison, change: Change, judged: int) -> dict[str, Any]:
    count = comparison.changes[change]
    accounts: set[str] = set()
    for key, group in comparison.groups.items():
        if key.change is change:
            accounts |= group.accounts
    return {
        "change": change.value,
        "exchanges": count,
        "share": count / judged if judged and change is not Change.NOT_JUDGED else None,
        "accounts": len(accounts) if change in CHANGED else None,
    }


def _group(key: GroupKey, group: Group, judged: int) -> dict[str, Any]:
    return {
        "tier": key.tier,
        "country": key.country,
        "entry": key.entry,
        "rule": key.rule,
        "reason": key.reason,
        "exchanges": group.count,
        "share": group.count / judged if judged else 0.0,
        "accounts": len(group.accounts),
        "example": group.example,
    }


def _account(account: Account, now: float) -> dict[str, Any]:
    profile = account.principal.profile
    return {
        "account": account.principal.account,
        "tier": account.principal.tier,
        "organisation": account.principal.organisation,
        "verification": profile.verification,
        "evidence": sorted({one.kind for one in profile.evidence}),
        "falls": sorted({fall.reason for fall in profile.falls}),
        "age_days": round(account.age(now) / DAY, 1) if profile.created else None,
        "email_domain": profile.email_domain,
        "honest": account.honest(now),
        "exchanges": account.exchanges,
        "refused_before": account.refused_before,
        "newly_refused": account.newly_refused,
        "share": account.share,
        "tokens": account.tokens,
        "countries": sorted(account.countries, key=lambda country: (-account.countries[country], country)),
    }


def verdict(comparison: Comparison, hurt: list[Account], honest: list[Account]) -> str:
    """One line that an author can act on."""
    count = comparison.changes[Change.NEWLY_REFUSED]
    if not comparison.judged:
        return "Nothing could be judged: in all of these exchanges nobody was asked, or nobody knew who asks."
    if not count:
        return "No exchange would be newly refused."
    tiers = sorted({account.principal.tier for account in hurt})
    # Of strangers nobody knows how many they are.
    whom = f"{len(hurt)} account{'s' if len(hurt) != 1 else ''} ({tiers_in_words(tiers)})" if hurt else "nobody known"
    said = f"Would newly refuse {percent(count / comparison.judged)} of exchanges, {whom}"
    if not honest:
        return f"{said}; none of them is verified or has a history of 90 days."
    lost = sum(account.newly_refused for account in honest)
    look = f"{len(honest)} of them look{'s' if len(honest) == 1 else ''} honest"
    return f"{said}. {look} (verified, or 90 days old, and hardly ever refused): they lose {lost} exchanges."
