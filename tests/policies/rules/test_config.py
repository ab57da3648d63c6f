"""The YAML of rules: what it may hold, and where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.policies.rules.config import RulesConfig
from gateway.rules.check import check
from gateway.rules.problems import Problems
from gateway.rules.read import parse
from tests.policies.rules.built import KINDS, config

FILE = Path("rules.yaml")


def problems(text: str) -> list[str]:
    with pytest.raises(Problems) as found:
        check(parse(FILE, text.encode()), RulesConfig, {}, KINDS)
    return [str(problem) for problem in found.value.problems]


def one(**keys: Any) -> str:
    """A file of one rule, a key a line."""
    lines = [f"{key}: {value}" for key, value in {"name": "x", "when": '"true"', **keys}.items()]
    return "rules:\n  - " + "\n    ".join(lines) + "\n"


GOOD = """\
rules:
  - name: embargo
    when: client.country in lists.embargoed
    action: deny
    reason: embargoed_country
    message: The service is not offered in this country.
    link: https://docs.example.com/embargo
    status: 451
    rollout: 5%
  - {name: heavy, when: "request.model == 'm'", action: weigh, weight: 20, mode: shadow}
  - {name: free-tools, when: "true", action: throttle, limit: {requests: 10, every: 1m, per: [account]}}
  - {name: partner, when: "true", action: allow}
  - {name: ask, when: "risk.score > 10", action: challenge}
  - {name: mark, when: "true", action: tag, tags: [student, new]}
otherwise: deny
"""


def test_a_good_file() -> None:
    """All that there is, in one file."""
    read = check(parse(FILE, GOOD.encode()), RulesConfig, {}, KINDS)

    assert [rule.action for rule in read.rules] == ["deny", "weigh", "throttle", "allow", "challenge", "tag"]
    assert [rule.share for rule in read.rules] == [0.05, 0.0, 1.0, 1.0, 1.0, 1.0]
    assert read.shared_names() == {"free-tools": ("rules", 2, "name")}
    limit = read.rules[2].bucket_limit()
    assert limit is not None
    assert (limit.name, limit.capacity, limit.refill, limit.every) == ("free-tools", 10, 10, 60)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(one(action="allow", weight=5), "5:13: `weight` is for `action: weigh`", id="weight"),
        pytest.param(one(action="challenge", status=451), "5:13: `status` is for `action: deny`", id="status"),
        pytest.param(one(action="deny", tags="[a]"), "5:11: `tags` is for `action: tag`", id="tags"),
        pytest.param(
            one(action="deny", limit="{requests: 1, per: [key]}"), "5:12: `limit` is for `action: throttle`", id="limit"
        ),
        pytest.param(
            one(action="allow", message="Yes"),
            "5:14: `message` is for `action: deny` and `action: challenge` and `action: throttle`",
            id="message",
        ),
        pytest.param(one(action="weigh"), "4:13: `action`: `weigh` needs `weight`", id="no weight"),
        pytest.param(one(action="throttle"), "4:13: `action`: `throttle` needs `limit`", id="no limit"),
        pytest.param(one(action="tag"), "4:13: `action`: `tag` needs `tags`", id="no tags"),
        pytest.param(
            one(action="deny", status=600), "5:13: `status` must be less than or equal to 599", id="not a refusal"
        ),
        pytest.param(one(action="deny", status=302), "5:13: `status` must be greater than or equal to 400", id="moved"),
        pytest.param(
            one(action="challenge", retry_after="1m"), "5:18: `retry_after` is for `action: deny`", id="retry_after"
        ),
        pytest.param(
            one(action="deny", retry_after=60),
            "5:18: `retry_after` must be a duration with its unit, such as 250ms, 10s, 5m, 1h or 30d, not 60",
            id="a wait without a unit",
        ),
        pytest.param(
            one(action="deny", retry_after="31d"),
            "5:18: `retry_after` must be less than or equal to 2592000",
            id="long",
        ),
        pytest.param(one(action="deny", retry_after="0s"), "5:18: `retry_after` must be greater than 0", id="no wait"),
        pytest.param(
            one(action="deny", mode="shadow", rollout="5%"),
            "6:14: `rollout`: `mode: shadow` is for everybody: leave `rollout` out, or enforce it for a part",
            id="shadow and rollout",
        ),
        pytest.param(
            one(action="deny", link="http://example.com"),
            "5:11: `link` must be an https link, such as https://docs.example.com/embargo",
            id="plain link",
        ),
        pytest.param(
            one(action="deny", link='"https://example.com/a b"'),
            "5:11: `link` must be an https link, such as https://docs.example.com/embargo",
            id="link with a space",
        ),
        pytest.param(
            one(action="deny", reason="No Way"),
            "5:13: `reason` must match ^[a-z][a-z0-9]*([_.-][a-z0-9]+)*$",
            id="reason",
        ),
        pytest.param(
            one(name="otherwise", action="deny"),
            "2:11: `name` is taken: it stands for the file's own `otherwise`",
            id="reserved",
        ),
        pytest.param(
            one(action="refuse"),
            "4:13: `action` must be 'allow', 'deny', 'challenge', 'throttle', 'weigh' or 'tag'",
            id="action",
        ),
        pytest.param("rules: []\n", "1:1: `rules` is empty: state at least one", id="empty"),
        pytest.param(
            one(action="throttle", limit="{requests: 0, per: [account]}"),
            "5:23: `requests` must be greater than 0",
            id="a throttle of nothing",
        ),
        pytest.param(
            one(action="throttle", limit="{requests: 1, per: [key, key]}"),
            "5:12: `limit`: `per` names a dimension twice",
            id="per twice",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_place(text: str, said: str) -> None:
    """One problem, at the line and column of the value."""
    assert problems(text) == [f"rules.yaml:{said}"]


def test_every_problem_at_once() -> None:
    """Two rules of one name, in a file that is right otherwise; and two keys at the wrong action."""
    text = "rules:\n- {name: a, when: 'true', action: allow}\n- {name: a, when: 'true', action: allow}\n"
    assert problems(text) == ["rules.yaml:3:10: `name` is a duplicate: another rule is `a`"]
    assert len(problems(one(action="allow", weight=5, status=400, tags="[b]"))) == 3


def test_a_message_is_one_line() -> None:
    """What callers are shown holds no control characters."""
    with pytest.raises(ValueError, match="message"):
        config({"action": "deny", "message": "two\nlines"})


def in_schema(rule: dict[str, Any]) -> bool:
    schema = RulesConfig.model_json_schema()
    return bool(jsonschema.Draft202012Validator(schema).is_valid({"rules": [{"name": "x", "when": "true", **rule}]}))


@pytest.mark.parametrize(
    ("rule", "valid"),
    [
        ({"action": "weigh", "weight": 5}, True),
        ({"action": "weigh"}, False),
        ({"action": "deny", "weight": 5}, False),
        ({"action": "deny", "status": 451, "message": "No"}, True),
        ({"action": "allow", "message": "No"}, False),
        ({"action": "throttle", "limit": {"requests": 5, "every": "1m", "per": ["account"]}}, True),
        ({"action": "tag"}, False),
    ],
)
def test_the_schema_knows_which_key_belongs_where(rule: dict[str, Any], valid: bool) -> None:
    """An editor says what `tidegate check` would say."""
    assert in_schema(rule) is valid


def test_every_key_is_explained_in_the_schema() -> None:
    """What an editor shows beside a key."""
    definitions = RulesConfig.model_json_schema()["$defs"]
    for model in ("RuleConfig", "ThrottleConfig"):
        unexplained = {key for key, shape in definitions[model]["properties"].items() if "description" not in shape}
        assert unexplained == set()
