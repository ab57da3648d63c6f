"""From `captchas` of tidegate.yaml to providers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gateway.challenges.providers.altcha import NAME, Altcha
from gateway.challenges.providers.breaker import Breaker
from gateway.challenges.providers.contract import Captcha
from gateway.challenges.providers.hosted import Hosted
from gateway.challenges.providers.vendors import Entry
from gateway.challenges.token import Tokens
from gateway.challenges.work import Work


def build(
    entries: Iterable[Entry],
    work: Work,
    tokens: Tokens,
    clock: Callable[[], float],
    monotonic: Callable[[], float],
    host: str = "",
) -> Mapping[str, Captcha]:
    """All that are configured, each behind a breaker of its own, and `altcha`. Nothing is asked yet; whoever builds
    them closes them.

    `clock` is Unix time; `host` is that of `public_url`, if there is one. Raises ValueError for an entry that is not
    whole for its kind, and KeyError for a kind that is not known.
    """
    providers: dict[str, Captcha] = {NAME: Altcha(work, tokens, clock)}
    for entry in entries:
        providers[entry.name] = Breaker(Hosted(entry, clock, host), monotonic)
    return providers
