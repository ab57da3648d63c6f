"""Tests of policies: what they may state, that they see what happens, and that they see it when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.suite import suites
from gateway.rehearsal.trial import Difference, Result, Trial
from gateway.rules.problems import Problems
from tests.rehearsal.folders import folder_of

ACCOUNTS = """\
accounts:
  acme: {tier: pro, signup_country: DE, created: 2025-01-01T00:00:00Z, verification: 2}
  gone: {suspended: true}
  boss: {tier: staff}
"""


def run(base: Path, tests: str) -> list[Result]:
    """All tests of a file whose accounts are ACCOUNTS."""
    folder = folder_of(base, tests=ACCOUNTS + "tests:\n" + tests)
    with Rehearsal(folder, {}) as rehearsal:
        trial = Trial(rehearsal)
        found = suites(folder, rehearsal.ruleset)
        return [trial.run(suite, index) for suite in found for index in range(len(suite.file.tests))]


GOOD = {
    "a refusal with all that can be said of it": """
  given: {account: acme, country: IR}
  expect: {decision: deny, reason: embargoed_country, entry: rules, rule: embargo, detail: not allowed, status: 451,
    retry_after: never, matches: [embargo], shadow: [], tags: [], weight: 0, country: IR, network_kinds: []}""",
    "a yes, and what is left": """
  given: {account: acme, output_cap: 100}
  expect: {decision: allow, limits: {requests: 9, output: 99900, spend: $9.99847, slots: 1}}""",
    "an address that is known to nobody": """
  given: {account: acme, address: 198.51.100.7}
  expect: {decision: allow, country: "", asn: 0}""",
    "a stranger": """
  given: {key: none}
  expect: {decision: deny, entry: auth, reason: missing_credentials, status: 401}""",
    "a revoked key": """
  given: {account: acme, key: revoked}
  expect: {reason: revoked_key}""",
    "a scoped key": """
  given: {account: acme, key: {models: [m-small]}, model: m-large}
  expect: {reason: model_not_in_scope}""",
    "a suspended account": """
  given: {account: gone}
  expect: {reason: suspended_account}""",
    "an account that is described": """
  given: {account: {tier: staff}, network_kinds: [tor]}
  expect: {decision: allow}""",
    "a tier over the account's own": """
  given: {account: acme, tier: staff, network_kinds: [tor]}
  expect: {decision: allow}""",
    "an entry whose when holds": """
  given: {account: acme, network_kinds: [tor]}
  expect: {decision: deny, entry: geo}""",
    "weight and tags": """
  given: {account: acme, network_kinds: [vpn], time: 2026-03-01T23:00:00Z, weight: 2, tags: [before]}
  expect: {decision: allow, weight: 7, tags: [late, before], matches: [vpn, late]}""",
    "inside of a rollout": """
  given: {account: acme, model: m-new, rollout: {ramp: inside}}
  expect: {decision: deny, rule: ramp}""",
    "outside of a rollout": """
  given: {account: acme, model: m-new, rollout: {ramp: outside}}
  expect: {decision: allow, shadow: [ramp]}""",
    "a bucket that is nearly empty": """
  given: {account: acme}
  counters: {requests: 2}
  repeat: 3
  expect: {decision: throttle, rule: requests, entry: quota, reason: quota_exceeded, retry_after: 1s}""",
    "a rule that applied before is not the one that refused": """
  given: {account: acme, network_kinds: [vpn], model: m-new, rollout: {ramp: outside}}
  counters: {requests: 0}
  expect: {entry: quota, rule: requests, matches: [vpn, requests], shadow: [ramp]}""",
    "no free slot": """
  given: {account: acme}
  counters: {slots: 0}
  expect: {decision: throttle, reason: concurrency_exceeded, rule: slots}""",
    "slots that are held": """
  given: {account: acme}
  steps:
    - {repeat: 2, running: true, expect: {decision: allow, limits: {slots: 0}}}
    - {expect: {rule: slots}}""",
    "slots that come back": """
  given: {account: acme}
  repeat: 3
  expect: {decision: allow, limits: {slots: 1}}""",
    "what was used": """
  given: {account: acme, output_cap: 1000}
  steps:
    - {used: {input: 10, output: 400}, expect: {decision: allow, limits: {output: 99000}}}
    - {expect: {decision: allow, limits: {output: 98600}}}""",
    "what failed is free": """
  given: {account: acme, output_cap: 1000}
  steps:
    - {used: {status: 503}}
    - {expect: {decision: allow, limits: {output: 99000, requests: 9}}}""",
    "time that passes": """
  given: {account: acme, output_cap: 1}
  counters: {requests: 1}
  steps:
    - {expect: {decision: allow}}
    - {after: 500ms, expect: {decision: throttle, retry_after: 500ms}}
    - {after: 500ms, expect: {decision: allow}}""",
    "a flood": """
  given: {account: acme}
  repeat: 51
  expect: {decision: throttle, entry: flood}""",
    "a body as it comes": """
  given:
    account: acme
    path: /v1/messages
    fields: {anthropic-version: "2023-06-01"}
    body: {model: m-new, max_tokens: 7, messages: [{role: user, content: hi}]}
    rollout: {ramp: inside}
  expect: {decision: deny, rule: ramp}""",
    "a store that is away": """
  given: {account: acme, store: away}
  counters: {requests: 0}
  expect: {decision: allow}""",
    "an account by itself: no other test's requests": """
  given: {account: acme}
  expect: {decision: allow, limits: {requests: 9}}""",
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_so(name: str, tmp_path: Path) -> None:
    """A test that states what happens passes."""
    (result,) = run(tmp_path, f'- name: "{name}"{GOOD[name]}')

    assert result.differences == ()
    assert result.passed


def test_tests_do_not_see_each_other(tmp_path: Path) -> None:
    """Each starts with full buckets, whatever ran before."""
    one = "- {name: %s, given: {account: acme}, repeat: 4, expect: {decision: allow, limits: {requests: 6}}}\n"
    assert all(result.passed for result in run(tmp_path, one % "first" + one % "second"))


@pytest.mark.parametrize(
    ("expect", "differences"),
    [
        pytest.param("decision: deny", [("decision", "deny", "allow")], id="decision"),
        pytest.param("reason: a, rule: ramp", [("reason", "a", "none"), ("rule", "ramp", "none")], id="reason"),
        pytest.param("limits: {requests: 8}", [("limits.requests", "8", "9")], id="limit"),
        pytest.param(
            "limits: {flood: 1}", [("limits.flood", "1", "not taken from")], id="limit that is not taken from"
        ),
        pytest.param("shadow: [ramp]", [("shadow", "[ramp]", "[]")], id="shadow"),
        pytest.param("tags: [a, b]", [("tags", "[a, b]", "[]")], id="tags"),
        pytest.param("weight: 1", [("weight", "1", "0")], id="weight"),
        pytest.param("retry_after: 1s", [("retry_after", "1s", "never")], id="retry-after"),
        pytest.param("detail: no", [("detail", "…no…", "none")], id="detail"),
        pytest.param("country: DE", [("country", "DE", "none")], id="country"),
        pytest.param("network_kinds: [vpn]", [("network_kinds", "[vpn]", "[]")], id="network"),
    ],
)
def test_what_is_not_so(expect: str, differences: list[tuple[str, str, str]], tmp_path: Path) -> None:
    """Each key that does not hold is told with both sides, in the words of the YAML."""
    (result,) = run(tmp_path, f"- {{name: one, given: {{account: acme}}, expect: {{{expect}}}}}")

    assert not result.passed
    assert list(result.differences) == [Difference(*difference) for difference in differences]


def test_a_step_that_fails_is_named(tmp_path: Path) -> None:
    """By its number and its line, and those after it are not asked."""
    tests = """\
- name: one
  given: {account: acme}
  steps:
    - expect: {decision: allow}
    - expect: {decision: deny}
    - expect: {decision: allow}
"""
    (result,) = run(tmp_path, tests)

    assert (result.failed, result.line, result.asked) == (1, 10, 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param("body: '{'", "the edge would refuse it before any policy: malformed_content", id="body"),
        pytest.param(
            "rollout: {ramp: inside, other: inside}", "unknown entry or rule `other`: there are auth", id="rollout"
        ),
        pytest.param("verdicts: {acmee: {score: 9}}", "unknown account `acmee`", id="verdicts"),
        pytest.param("verdicts: {acme: {families: {}}}", "score", id="no-score"),
        pytest.param("verdicts: {acme: {score: 9, families: {luck: 3}}}", "luck", id="no-family"),
    ],
)
def test_an_exchange_that_cannot_be(given: str, said: str, tmp_path: Path) -> None:
    """It is an error of the file, at its place, and not a test that fails."""
    with pytest.raises(Problems, match=f"first.yaml:6:.*{said}"):
        run(tmp_path, f"- {{name: one, given: {{{given}}}, expect: {{decision: deny}}}}")


def test_a_guard_cannot_be_filled(tmp_path: Path) -> None:
    """What each worker counts for itself no store holds: the file is told what to do."""
    with pytest.raises(Problems, match=r"first.yaml:6:\d+: limit `flood` is counted by each worker.*use `repeat`"):
        run(tmp_path, "- {name: one, counters: {flood: 1}, expect: {decision: deny}}")
