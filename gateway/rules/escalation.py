"""What is right by the letter of an entry that challenges, and surely not meant. Warnings, with their places."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from gateway.challenges.ladder import Step
from gateway.policies.captcha.config import BUILT_IN, CaptchaConfig, LadderConfig
from gateway.policies.kyc.config import KycConfig
from gateway.policies.quota.config import QuotaConfig
from gateway.policies.rules.config import RulesConfig
from gateway.rules.possible import Asked, Known, Possible
from gateway.rules.problems import Problem, did_you_mean
from gateway.rules.read import Loc
from gateway.rules.ruleset import Entry, Ruleset

UNSOLVABLE: Final = "challenges, and nothing in this chain lets a caller pass: an entry of kind `captcha` would"

SCORE: Final = "risk.score"

Said = tuple[Loc, str]


def of_escalation(config: CaptchaConfig, index: int, entries: Sequence[Entry], possible: Possible) -> Iterator[Said]:
    """All of one captcha entry, which stands at that place of the chain."""
    strangers = any(not entry.kind.config.__module__.startswith("gateway.") for entry in entries)
    yield from _ladders(config, possible)
    if strangers:
        # They may weigh, and find out who asks.
        return
    before = entries[:index]
    if not any(entry.kind.identifies for entry in before):
        yield (), "stands before any entry that finds out who asks: it knows callers by their address alone"
    for entry in before:
        if isinstance(entry.config, QuotaConfig) and entry.config.store == "shared":
            said = f"stands after `{entry.name}`: what that refuses is refused before anybody is challenged"
            yield (), said
    for entry in entries[index + 1 :]:
        if (
            entry.kind.name == "risk"
            and weighs(entry.config)
            and not any(isinstance(one.config, CaptchaConfig) for one in entries[index + 1 :])
        ):
            yield (), f"stands before `{entry.name}`: what that weighs comes too late for it"
    yield from _unreachable(config, before)
    yield from _unshown(config, entries)
    if entries[index].rollout > 0.0:
        earlier = [one for one in before if isinstance(one.config, CaptchaConfig) and one.rollout > 0.0]
        if earlier and "demanded" in config.model_fields_set:
            said = (
                f"`demanded` is without effect: `{earlier[0].name}` stands before, and makes other entries' challenges"
            )
            yield ("demanded",), said


def of_risk(index: int, entries: Sequence[Entry]) -> Iterator[str]:
    """Of a risk entry, which stands at that place of the chain: who it is for is not known yet, or who reads what it
    weighs has been asked.
    """
    if all(entry.kind.config.__module__.startswith("gateway.") for entry in entries) and not any(
        entry.kind.identifies for entry in entries[:index]
    ):
        yield "stands before any entry that finds out who asks: it says nothing of callers without an account"
    for earlier in entries[:index] if weighs(entries[index].config) else ():
        if weighs(earlier.config):
            # From here on there is something to read.
            return
        read = [earlier.when] if earlier.when is not None else []
        if isinstance(earlier.config, RulesConfig):
            read += [rule.when for rule in earlier.config.rules]
        if any(SCORE in when.reads for when in read):
            yield f"stands after `{earlier.name}`, which reads `{SCORE}`: what this weighs comes too late for it"


def unknown_captchas(ruleset: Ruleset, captchas: Collection[str]) -> list[Problem]:
    """Names in `providers` that tidegate.yaml does not know; `captchas` are those that it does."""
    found = []
    for entry in ruleset.entries:
        if isinstance(entry.config, CaptchaConfig):
            document = ruleset.documents[entry.path]
            for index, name in enumerate(entry.config.providers):
                if name != BUILT_IN and name not in captchas:
                    known = [*captchas, BUILT_IN]
                    there = did_you_mean(name, known) or f": there are {', '.join(sorted(known))}"
                    said = f"`providers[{index}]` names no captcha of tidegate.yaml{there}"
                    found.append(document.problem(("providers", index), said))
    return sorted(set(found))


def of_nobody(solving: Sequence[Entry]) -> str:
    """What is to be said of what challenges, where those that would let a caller pass are not enforced for everybody.

    Empty where one is. Nobody is enforced for the same part of the accounts as another entry.
    """
    if not solving:
        return UNSOLVABLE
    most = max(solving, key=lambda entry: entry.rollout)
    if most.rollout >= 1.0:
        return ""
    if most.rollout > 0.0:
        part = f"{most.rollout * 100:.4g} % of the accounts"
        return f"challenges, and `{most.name}` lets pass for {part} alone: the others never can"
    return f"challenges, and nothing in this chain lets a caller pass: `{solving[0].name}` would, and is in shadow"


def weighs(config: BaseModel) -> int:
    """The most suspicion that an entry with this config adds to one exchange: all that it states, together."""
    total = 0
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name == "weight" and isinstance(value, int):
            total += value
        for inner in value if isinstance(value, tuple | list) else (value,):
            if isinstance(inner, BaseModel):
                total += weighs(inner)
    return total


def _ladders(config: CaptchaConfig, possible: Possible) -> Iterator[Said]:
    """Ladders that are for nobody."""
    earlier: list[tuple[LadderConfig, Known | None]] = []
    for number, ladder in enumerate(config.ladders):
        known = possible.know(Asked(ladder.when.tree)) if ladder.when is not None else None
        if known is not None and known.never:
            yield ("ladders", number, "when"), f"`when` can never hold: the ladder `{ladder.name}` is for nobody"
            continue
        for other, holds in earlier:
            if holds is None or holds.always:
                yield ("ladders", number), f"ladder `{ladder.name}` is for nobody: `{other.name}` before it is for all"
                break
            if known is not None and possible.implies(known, holds):
                said = f"ladder `{ladder.name}` is for nobody: wherever it holds, `{other.name}` before it does"
                yield ("ladders", number), said
                break
        earlier.append((ladder, known))


def _unreachable(config: CaptchaConfig, before: Sequence[Entry]) -> Iterator[Said]:
    """Steps for which there can never be suspicion enough."""
    most = sum(weighs(entry.config) for entry in before if entry.rollout > 0.0)
    if not most:
        only = "only others' challenges and `first_use`" if config.first_use is not None else "only others' challenges"
        yield ("ladders",), f"no entry before it weighs, so nobody is ever suspected: {only} are left"
        return
    for number, ladder in enumerate(config.ladders):
        reach = float(most)
        for step, at in ladder.steps.thresholds().items():
            if at > reach:
                added = f"{most}, and answers {config.answers.at_most:g}" if reach > most else f"{most}"
                said = f"can never be reached: all that weighs before adds at most {added}"
                name = step.name.lower()
                yield ("ladders", number, "steps", name), f"`{name}` {said}"
                break
            if step in {Step.WORK, Step.CAPTCHA}:
                # From here on there are challenges that may go wrong.
                reach = most + config.answers.at_most


def _unshown(config: CaptchaConfig, entries: Sequence[Entry]) -> Iterator[Said]:
    """Evidence that is asked for, and that no ladder of verification knows."""
    asking = [number for number, ladder in enumerate(config.ladders) if ladder.steps.verify is not None]
    if not asking:
        return
    kyc = [entry.config for entry in entries if isinstance(entry.config, KycConfig)]
    known = {kind for one in kyc for tier in one.tiers for kind in tier.requires}
    known = known.union(*(one.evidence for one in kyc))
    lacking = [kind for kind in config.verify.evidence if kind not in known]
    if lacking:
        said = f"asks for {' and '.join(f'`{kind}`' for kind in lacking)}, which no entry of kind `kyc` asks for"
        more = "its owner has no page to show it on"
        yield ("ladders", asking[0], "steps", "verify"), f"`verify` {said}: {more}"
