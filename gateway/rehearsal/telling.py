"""An answer as plain data: what `--json` prints, and what is laid out for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.policy import Action, Context, Decision, Take
from gateway.rehearsal.answer import Answer, Stage, Step
from gateway.rehearsal.places import Places
from gateway.rehearsal.trial import seen


def told(answer: Answer, places: Places) -> dict[str, Any]:
    """The whole of it, in types of JSON."""
    decision = answer.decision
    said = seen(answer)
    found: dict[str, Any] = {"decision": said["decision"]}
    if decision.action is not Action.ALLOW:
        found |= {key: said[key] for key in ("reason", "status", "entry", "rule")}
        found["at"] = _at(places, answer.entry, said["rule"])
        found |= {"detail": decision.detail, "note": decision.note, "retry_after": decision.retry_after}
    left = {
        (take.bucket.partition, take.bucket.limit.name): remaining
        for take, remaining in zip(answer.takes, answer.remaining, strict=False)
    }
    found["exchange"] = asked_for(answer.context)
    found["trail"] = [_step(step, places, left) for step in answer.trail]
    found["matches"] = [
        {"entry": entry, **match._asdict(), "at": _at(places, entry, match.rule)} for entry, match in answer.matches
    ]
    found["tags"] = sorted(said["tags"])
    found["weight"] = said["weight"]
    found["microseconds"] = _microseconds(answer.seconds)
    return found


def asked_for(context: Context) -> dict[str, Any]:
    """Who asked for what, from where."""
    ask, principal, location = context.ask, context.principal, context.location
    return {
        "time": datetime.fromtimestamp(context.now, UTC).isoformat().replace("+00:00", "Z"),
        "account": principal.account if principal else None,
        "organisation": principal.organisation if principal else "",
        "tier": principal.tier if principal else "",
        "key": principal.key if principal else "",
        "address": context.client_address,
        "country": location.country,
        "asn": location.asn,
        "network_kinds": sorted(str(kind) for kind in location.network_kinds),
        "method": context.method,
        "path": context.path,
        "model": ask.model,
        "features": sorted(ask.features),
        "streaming": ask.streaming,
        "input_tokens": ask.input_tokens,
        "output_cap": ask.output_cap,
    }


def _step(step: Step, places: Places, left: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    name = step.entry.name
    found: dict[str, Any] = {
        "entry": name,
        "kind": step.entry.kind.name,
        "at": _at(places, name, ""),
        "stage": step.stage.value,
        "microseconds": _microseconds(step.seconds),
    }
    if step.entry.when is not None:
        holds = None if step.stage is Stage.NOT_REACHED else step.stage is not Stage.SKIPPED
        found["when"] = {"condition": step.entry.when.text, "holds": holds, "read": _plain(step.read)}
    if step.decision is not None:
        found |= _decision(step.decision, left if step.stage is Stage.ASKED else {})
    if step.error:
        found["error"] = step.error
        found["on_failure"] = step.entry.on_failure.value
    if step.findings:
        found["findings"] = [
            {
                "rule": finding.rule,
                "applies": finding.applies,
                "read": _plain(finding.read),
                "note": finding.note,
                "at": str(places.rule(name, finding.rule) or ""),
            }
            for finding in step.findings
        ]
    return found


def _decision(decision: Decision, left: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    found: dict[str, Any] = {"decision": decision.action.value}
    found |= {key: value for key in ("reason", "detail", "note") if (value := getattr(decision, key))}
    facts = decision.facts
    if facts is not None:
        if facts.weight:
            found["adds_weight"] = facts.weight
        if facts.tags:
            found["adds_tags"] = sorted(facts.tags)
        if facts.captcha:
            found["captcha"] = True
    if decision.matches:
        found["matches"] = [match._asdict() for match in decision.matches]
    if decision.takes:
        found["takes"] = [_take(take, left) for take in decision.takes]
    return found


def _take(take: Take, left: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    limit = take.bucket.limit
    return {
        "limit": limit.name,
        "measure": limit.measure.value,
        "partition": take.bucket.partition,
        "takes": take.cost,
        "left": left.get((take.bucket.partition, limit.name)),
        "capacity": limit.capacity,
    }


def _plain(read: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in read.items()}


def _value(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _value(item) for key, item in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _at(places: Places, entry: str, rule: str) -> str:
    return str(places.rule(entry, rule) or places.entry(entry))


def _microseconds(seconds: float) -> float:
    return round(seconds * 1e6, 1)
