"""Enforced for a part of the accounts: for them by what the fleet knows, for the others by itself."""

from __future__ import annotations

from gateway.policies.captcha.policy import Captcha, Said, SlowingCaptcha
from gateway.policy import Context, Decision, Finding
from gateway.rollout import share_of


class Partly:
    """Two policies of the same file, where no ladder has a step `slow`."""

    def __init__(self, inside: Captcha, aside: Captcha, entry: str, share: float) -> None:
        self._inside = inside
        self._aside = aside
        self._entry = entry
        self._share = share

    def decide(self, context: Context) -> Said:
        return self._of(context).decide(context)

    def challenge(self, context: Context, by: str, decision: Decision) -> Said:
        return self._of(context).challenge(context, by, decision)

    def explain(self, context: Context) -> tuple[Finding, ...]:
        return self._of(context).explain(context)

    def _of(self, context: Context) -> Captcha:
        # As the chain tells for whom the entry is enforced.
        return self._inside if share_of(self._entry, context) < self._share else self._aside


class SlowingPartly(Partly):
    """With buckets: a rollout has them from the chain, apart for those who are outside."""

    def __init__(self, inside: SlowingCaptcha, aside: SlowingCaptcha, entry: str, share: float) -> None:
        super().__init__(inside, aside, entry, share)
        # Words and refunds are the same on both sides.
        self.refuse = inside.refuse
        self.settle = inside.settle
