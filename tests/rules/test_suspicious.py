"""What is surely not meant is said, with its place; what is sound is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from gateway.chain.entry import OnFailure
from gateway.expressions.expression import ExpressionFailed
from gateway.policies import auth, geo, quota, rules
from gateway.policies.rules.config import RulesConfig
from gateway.policies.rules.rule import Rule, follow, survey
from gateway.policy import (
    ALLOW,
    Context,
    Decision,
    PolicyKind,
)
from gateway.rules.feeds_file import FeedsFile
from gateway.rules.read import parse
from gateway.rules.ruleset import Entry, Ruleset, load
from gateway.rules.suspicious import suspicions
from tests.rules.exchanges import CONDITION, CONTEXTS, LIST_KINDS, LISTS, truth


class AlienConfig(BaseModel):
    """A stranger's."""


class Alien:
    def decide(self, context: Context) -> Decision:
        return ALLOW


AlienConfig.__module__ = "their_policies.alien"
KINDS: Mapping[str, PolicyKind[Any]] = {
    "auth": auth.KIND,
    "geo": geo.KIND,
    "quota": quota.KIND,
    "rules": rules.KIND,
    "captcha": PolicyKind("captcha", AlienConfig, lambda config, services: Alien()),
    "alien": PolicyKind("alien", AlienConfig, lambda config, services: Alien()),
}
CHAIN = "chain:\n  - {name: rules, kind: rules, on_failure: deny}\n"
CAPTCHA = CHAIN.replace("chain:", "chain:\n  - {name: captcha, kind: captcha, on_failure: deny}")
FEEDS = """\
lists:
  blocked: {kind: networks, items: [192.0.2.0/24]}
  embargoed: {kind: countries, items: [KP]}
"""


def said(tmp_path: Path, files: dict[str, str], tiers: set[str] | None = None) -> list[str]:
    for name, text in {"chain.yaml": CHAIN, **files}.items():
        (tmp_path / name).write_text(text)
    found = suspicions(load(tmp_path, KINDS, {}), tiers)
    return [f"{problem.path.name}:{problem.line}:{problem.column}: {problem.message}" for problem in found]


def file_of(*written: str, otherwise: str = "allow") -> str:
    """A rule a line, from line 2: `name action, when`; `~` after the action means in shadow, `%` to a part."""
    lines = ["rules:"]
    for text in written:
        head, _, when = text.partition(", ")
        name, action = head.split()
        more = {"weigh": ", weight: 5", "tag": ", tags: [a]", "throttle": ", limit: {requests: 1, per: [key]}"}
        mode = ", mode: shadow" if action.endswith("~") else ", rollout: 50%" if action.endswith("%") else ""
        action = action.rstrip("~%")
        lines.append(f"  - {{name: {name}, when: '{when}', action: {action}{mode}{more.get(action, '')}}}")
    return "\n".join([*lines, f"otherwise: {otherwise}\n"])


NOTHING = "2:5: rule `a` can never apply: its condition never holds"
SAME = "3:5: rule `b` is never asked: `a` (line 2) has the same condition, and ends the entry"
WIDER = "3:5: rule `b` can never apply: wherever it would, `a` (line 2) holds first, and ends the entry"
FIRST = "2:5: rule `a` always holds: `b` (line 3) and all after it are never asked"

SUSPICIOUS = [
    ("never", ['a deny, account.tier == "x" && account.tier == "y"'], NOTHING),
    ("never by numbers", ["a deny, risk.score > 5 && risk.score < 6"], NOTHING),
    ("never by sets", ['a deny, client.country in ["DE", "FR"] && client.country == "GB"'], NOTHING),
    ("never by time", ['a deny, account.age < duration("1h") && account.age > duration("2h")'], NOTHING),
    (
        "never by what is not looked into",
        ['a deny, request.path.startsWith("/x") && !request.path.startsWith("/x")'],
        NOTHING,
    ),
    (
        "always",
        ['a weigh, account.tier != "x" || account.tier != "y"'],
        "2:5: rule `a` always holds, whatever is asked",
    ),
    ("always before others", ["a deny, true", "b deny, request.streaming", "c allow, true"], FIRST),
    ("the same", ['a deny, account.tier == "x"', 'b allow, account.tier == "x"'], SAME),
    ("the same, not looked into", ['a deny, claims.plan == "x"', 'b allow, claims.plan  ==  "x"'], SAME),
    (
        "wider",
        ['a deny, client.country in ["DE", "FR"]', 'b allow, client.country == "FR" && request.streaming'],
        WIDER,
    ),
    ("wider by number", ["a deny, risk.score >= 20", "b challenge, risk.score >= 50"], WIDER),
    (
        "wider by list",
        ["a deny, client.address in lists.blocked || request.streaming", "b weigh, client.address in lists.blocked"],
        WIDER,
    ),
    ("hidden in shadow", ["a deny, request.streaming", "b deny~, request.streaming"], SAME),
    (
        "a tag twice",
        ["a tag, request.streaming", "b tag, request.streaming"],
        "3:5: rule `b` adds nothing: `a` (line 2) sets the same tags",
    ),
]


@pytest.mark.parametrize(("written", "message"), [row[1:] for row in SUSPICIOUS], ids=[row[0] for row in SUSPICIOUS])
def test_rules_that_have_no_effect(tmp_path: Path, written: list[str], message: str) -> None:
    """One suspicion, at the line of the rule, with the line of the other one."""
    lists = "lists:\n  blocked: {kind: networks, items: [192.0.2.0/24]}\n"
    files = {"rules.yaml": file_of(*written)} | ({"feeds.yaml": lists} if "lists." in written[0] else {})
    captcha = {"chain.yaml": CAPTCHA, "captcha.yaml": "{}"}
    assert said(tmp_path, files | captcha) == [f"rules.yaml:{message}"]


SOUND = [
    ("apart", ['a deny, account.tier == "x"', 'b allow, account.tier == "y"']),
    ("narrow first", ['a allow, client.country == "FR" && request.streaming', 'b deny, client.country == "FR"']),
    ("the same in shadow first", ["a deny~, request.streaming", "b deny, request.streaming"]),
    ("the same rolled out first", ["a deny%, request.streaming", "b deny, request.streaming"]),
    ("the same with another action", ["a weigh, request.streaming", "b tag, request.streaming"]),
    ("a weight between", ["a deny, risk.score >= 20", "b weigh, request.streaming", "c challenge, risk.score >= 50"]),
    ("a tag between", ['a deny, "x" in tags', "b tag, request.streaming", 'c allow, "x" in tags']),
    ("who has passed goes on", ["a challenge, request.streaming", "b weigh, request.streaming"]),
    ("only who has not passed", ["a deny, request.streaming && captcha.passed", "b challenge, request.streaming"]),
    ("true at the end", ["a deny, request.streaming", "b allow, true"]),
    ("true and going on", ["a weigh, true", "b tag, true", "c throttle, true", "d deny, request.streaming"]),
    ("a failure is no yes", ['a deny, claims.plan == "x" || claims.plan != "x"', "b deny, request.streaming"]),
    ("neighbours of a number", ["a deny, risk.score > 5", "b deny, risk.score >= 5"]),
    ("between texts", ['a deny, request.model > "a" && request.model < "b"', 'b deny, request.model == "a"']),
    ("the empty text", ['a deny, account.tier < "a"', 'b deny, account.tier <= "a"']),
    (
        "too much to try",
        [
            "a deny, " + " && ".join(f'request.path.contains("{n}")' for n in range(12)),
            'b deny, request.path.contains("0")',
        ],
    ),
]


@pytest.mark.parametrize("written", [row[1] for row in SOUND], ids=[row[0] for row in SOUND])
def test_sound_rules_are_left_alone(tmp_path: Path, written: list[str]) -> None:
    """A warning about a sound file is a defect."""
    captcha = {"chain.yaml": CAPTCHA, "captcha.yaml": "{}"}
    assert said(tmp_path, {"rules.yaml": file_of(*written)} | captcha) == []


def quota_of(*limits: str) -> dict[str, str]:
    chain = "chain:\n  - {name: quota, kind: quota, on_failure: deny}\n"
    defaults = "per: [account]"
    lines = [
        f"  - {{name: l{index}, {limit}{'' if 'per:' in limit else ', ' + defaults}}}"
        for index, limit in enumerate(limits)
    ]
    return {"chain.yaml": chain, "quota.yaml": "limits:\n" + "\n".join(lines) + "\n"}


FIRST_NEVER = ["2:5: limit `l0` can never be the one that refuses: `l1` (line 3)"]
SECOND_NEVER = ["3:5: limit `l1` can never be the one that refuses: `l0` (line 2)"]


@pytest.mark.parametrize(
    ("limits", "messages"),
    [
        (["measure: requests, capacity: 10", "measure: requests, capacity: 1000"], SECOND_NEVER),
        (["measure: requests, capacity: 1000", "measure: requests, capacity: 10"], FIRST_NEVER),
        (["measure: requests, capacity: 10", "measure: requests, capacity: 10"], SECOND_NEVER),
        (["measure: requests, capacity: 10", "measure: requests, capacity: 1000, every: 1d"], []),
        (["measure: requests, capacity: 10", "measure: requests, capacity: 1000, per: [key]"], []),
        (["measure: requests, capacity: 10", "measure: input_tokens, capacity: 1000"], []),
        (["measure: requests, capacity: 10, tiers: [pro]", "measure: requests, capacity: 1000"], []),
        (["measure: requests, capacity: 10", "measure: requests, capacity: 1000, tiers: [pro]"], SECOND_NEVER),
        (["measure: requests, capacity: 10, models: [m-*]", "measure: requests, capacity: 1000, models: [m-1]"], []),
        (["measure: requests, capacity: 0", "measure: requests, capacity: 1000"], []),
        (["measure: input_tokens, capacity: 10", "measure: input_tokens, capacity: 1000"], []),
        (["measure: input_tokens, capacity: 10", "measure: input_tokens, capacity: 10, every: 1s"], SECOND_NEVER),
        (
            ["measure: output_tokens, capacity: 10", "measure: output_tokens, capacity: 10, on_exhausted: cut"],
            FIRST_NEVER,
        ),
        (["measure: concurrency, capacity: 5", "measure: concurrency, capacity: 6"], SECOND_NEVER),
    ],
)
def test_limits_that_never_refuse(tmp_path: Path, limits: list[str], messages: list[str]) -> None:
    """A limit is as tight or tighter for all exchanges of another, whatever is taken and given back."""
    found = said(tmp_path, quota_of(*limits))
    assert [one.removesuffix(" is as tight or tighter") for one in found] == [f"quota.yaml:{one}" for one in messages]


JWT = "jwt: [{issuer: https://id.example.com, audience: x, jwks_url: https://id.example/k, claims: {tier: plan}}]\n"


@pytest.mark.parametrize(
    ("auth_file", "tiers", "count"),
    [
        ("api_keys: true\n", {"free"}, 1),
        ("api_keys: true\n", {"free", "gold"}, 0),
        ("api_keys: true\n", None, 0),
        (JWT, {"free"}, 0),
    ],
)
def test_a_limit_for_nobody(tmp_path: Path, auth_file: str, tiers: set[str] | None, count: int) -> None:
    """No account has the tier, and no token can say it."""
    files = quota_of(
        "measure: requests, capacity: 1, tiers: [gold, silver]", "measure: requests, capacity: 1, tiers: [default]"
    )
    files["chain.yaml"] += "  - {name: auth, kind: auth, on_failure: deny}\n"
    message = "quota.yaml:2:55: limit `l0` is for nobody: no account has the tier `gold` or `silver`"
    assert said(tmp_path, files | {"auth.yaml": auth_file}, tiers) == [message] * count


@pytest.mark.parametrize(
    ("chain", "written", "messages"),
    [
        (
            "",
            'account.tier == "x" && client.address in lists.blocked',
            ["feeds.yaml:3:3: list `embargoed` is asked by nobody"],
        ),
        ("", "client.address in lists.blocked || client.country in lists.embargoed", []),
        (", when: client.country in lists.embargoed", "client.address in lists.blocked", []),
    ],
)
def test_a_list_that_nobody_asks(tmp_path: Path, chain: str, written: str, messages: list[str]) -> None:
    """Neither a rule nor an entry's `when`."""
    files = {"chain.yaml": CHAIN.replace("}", f"{chain}}}"), "feeds.yaml": FEEDS}
    assert said(tmp_path, {**files, "rules.yaml": file_of(f"a deny, {written}")}) == messages


def test_a_list_that_makes_a_network_kind_is_used(tmp_path: Path) -> None:
    """The geo databases ask it, for every address."""
    feeds = "lists:\n  exits: {kind: networks, items: [192.0.2.0/24], network_kind: tor}\n"
    assert said(tmp_path, {"feeds.yaml": feeds, "rules.yaml": file_of("a deny, request.streaming")}) == []


def test_strangers_may_know_more(tmp_path: Path) -> None:
    """Where a kind is not ours, nobody knows which lists it asks, which tiers it gives, and what it lets pass."""
    chain = CHAIN + "  - {name: alien, kind: alien, on_failure: deny}\n"
    files = {"chain.yaml": chain, "feeds.yaml": FEEDS, "alien.yaml": "{}"}
    assert said(tmp_path, {**files, "rules.yaml": file_of("a challenge, request.streaming")}, {"free"}) == []


@pytest.mark.parametrize(
    ("written", "otherwise", "entry", "found"),
    [
        (["a deny, request.streaming"], "deny", "", True),
        (["a weigh, true", "b deny, true"], "allow", "", True),
        (["a allow, request.streaming"], "deny", "", False),
        (["a allow~, request.streaming"], "deny", "", True),
        (["a deny%, true"], "allow", "", False),
        (["a challenge, true"], "allow", "", False),
        (["a deny, request.streaming"], "deny", ", mode: shadow", False),
        (["a deny, request.streaming"], "deny", ", rollout: 99%", False),
        (["a deny, request.streaming"], "deny", ", when: request.streaming", False),
        (["a deny, true"], "allow", ", when: 'risk.score > 1 || risk.score < 2'", True),
    ],
)
def test_what_stands_behind_a_wall(tmp_path: Path, written: list[str], otherwise: str, entry: str, found: bool) -> None:
    """An entry after one that refuses everything is never asked."""
    chain = "chain:\n  - {name: wall, kind: rules, on_failure: deny, file: rules.yaml" + entry + "}\n"
    files = {
        "chain.yaml": chain + "  - {name: behind, kind: auth, on_failure: deny}\n",
        "auth.yaml": "api_keys: true\n",
    }
    message = "chain.yaml:3:5: entry `behind` is never asked: `wall` (line 2) refuses everything"
    assert (message in said(tmp_path, {**files, "rules.yaml": file_of(*written, otherwise=otherwise)})) is found
    allowing = files["chain.yaml"].replace("on_failure: deny", "on_failure: allow", 1)
    assert message not in said(tmp_path, {**files, "chain.yaml": allowing})


def test_a_challenge_that_nobody_can_pass(tmp_path: Path) -> None:
    """Said where no kind in the chain lets anybody pass, but not of a rule in shadow."""
    hint = "challenges, and nothing in this chain lets a caller pass: an entry of kind `captcha` would"
    written = file_of("a challenge, request.streaming", 'b challenge~, account.tier == "x"')
    assert said(tmp_path, {"rules.yaml": written}) == [f"rules.yaml:2:5: rule `a` {hint}"]


def test_a_geo_entry_that_challenges_where_nobody_can_pass(tmp_path: Path) -> None:
    """Said as of rules, at each place: answers written as a word, those of rules, and lists."""
    hint = "challenges, and nothing in this chain lets a caller pass: an entry of kind `captcha` would"
    chain = "chain:\n  - {name: geo, kind: geo, on_failure: deny}\n"
    written = """\
unknown: {country: challenge}
countries: {challenge: [DE]}
networks:
  tor: deny
  vpn: {action: challenge, message: Prove it.}
rules:
  - {name: tools, features: [tools], private: challenge}
"""
    found = said(tmp_path, {"chain.yaml": chain, "geo.yaml": written})
    assert found == [
        f"geo.yaml:1:20: `country` {hint}",
        f"geo.yaml:2:24: `challenge` {hint}",
        f"geo.yaml:5:8: `vpn` {hint}",
        f"geo.yaml:7:47: `private` {hint}",
    ]
    shadow = {"chain.yaml": chain.replace("deny}", "deny, mode: shadow}"), "geo.yaml": written}
    assert said(tmp_path, shadow) == []


def test_an_entry_whose_condition_never_holds(tmp_path: Path) -> None:
    """At the `when` in chain.yaml."""
    chain = CHAIN.replace("}", ", when: time.hour > 22 && time.hour < 5}")
    found = said(tmp_path, {"chain.yaml": chain, "rules.yaml": file_of("a deny, request.streaming")})
    assert found == ["chain.yaml:2:56: `when` can never hold: `rules` is never asked"]


# -- never a false suspicion ----------------------------------------------------------------------------------------

ACTS = ["deny", "allow", "challenge", "weigh", "tag"]


def _ruleset(config: RulesConfig, tmp_path: Path) -> Ruleset:
    lines = "\n".join(f"  - {{name: {rule.name}}}" for rule in config.rules)
    documents = {
        tmp_path / name: parse(tmp_path / name, text.encode())
        for name, text in {"rules.yaml": f"rules:\n{lines}\n", "chain.yaml": CHAIN}.items()
    }
    entry = Entry("rules", rules.KIND, config, OnFailure.DENY, tmp_path / "rules.yaml")
    return Ruleset((entry,), {}, FeedsFile(), documents, "", ())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CONDITION, st.sampled_from(ACTS), st.booleans()), min_size=1, max_size=5))
def test_what_an_exchange_reaches_is_not_suspected(written: list[tuple[str, str, bool]]) -> None:
    """A rule that applies to some exchange is never said to be hidden; one that does not hold for one, never true."""
    extra: dict[str, dict[str, Any]] = {"weigh": {"weight": 5}, "tag": {"tags": ["student"]}}
    config = RulesConfig.model_validate(
        {
            "rules": [
                {
                    "name": f"r{n}",
                    "when": when,
                    "action": act,
                    **extra.get(act, {}),
                    **({"mode": "shadow"} if shadow else {}),
                }
                for n, (when, act, shadow) in enumerate(written)
            ]
        },
        context={"lists": LIST_KINDS},
    )
    made = [Rule.of(rule, rule.when.bind(LISTS)) for rule in config.rules]
    applied = {name for one in CONTEXTS for name in _applied(made, one)}
    for problem in suspicions(_ruleset(config, Path("/nowhere"))):
        name = problem.message.split("`")[1]
        if "always holds" in problem.message:
            rule = next(rule for rule in made if rule.name == name)
            assert rule.reads_sums or all(truth(rule.holds, one) is not False for one in CONTEXTS), problem.message
        elif "nothing in this chain" not in problem.message and "adds nothing" not in problem.message:
            assert name not in applied, problem.message


def _applied(made: list[Rule], one: Context) -> list[str]:
    """The rules that say so of an exchange."""
    try:
        decision = follow(survey(made, one), one, ALLOW, lambda *_: False)
    except ExpressionFailed:
        return []
    return [match.rule for match in decision.matches if match.action != "broken"]
