"""Rows of live decisions, and what filters them."""

from __future__ import annotations

import fnmatch
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.live.rows import AS_LOGGED, REFUSALS, Filter, Row, pattern, row_of
from tests.history.logs import event, refused

PASSED = row_of(event(exchange="e1", model="m-large", organisation="o1"), "worker-0")
REFUSED = row_of(refused("geo", "country_not_allowed", exchange="e2", country="FR", account="Other"), "worker-0")
FAILED = row_of(event(exchange="e3", request_id="Theirs-1", status=503, reason="upstream_unreachable"), "worker-0")


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        pytest.param({}, "e1 e2 e3", id="nothing stated is everything"),
        pytest.param({"account": "acme"}, "e1 e3", id="account"),
        pytest.param({"account": "acm"}, "", id="an account is whole"),
        pytest.param({"organisation": "o1"}, "e1", id="organisation"),
        pytest.param({"model": "m-*"}, "e1 e2 e3", id="model by pattern"),
        pytest.param({"model": "m-?"}, "", id="a question mark is one character"),
        pytest.param({"model": "m-[l]arge"}, "", id="brackets are themselves"),
        pytest.param({"country": "FR"}, "e2", id="country"),
        pytest.param({"reason": "country_not_allowed"}, "e2", id="reason"),
        pytest.param({"entry": "geo"}, "e2", id="entry"),
        pytest.param({"action": "allow"}, "e1 e3", id="allowed"),
        pytest.param({"action": "deny"}, "e2", id="denied"),
        pytest.param({"action": "refused"}, "e2", id="refused in any way"),
        pytest.param({"status": "503"}, "e3", id="status"),
        pytest.param({"status": "4xx"}, "e2", id="a class of statuses"),
        pytest.param({"tier": "free"}, "e1 e2 e3", id="tier"),
        pytest.param({"key": "k1"}, "e1 e2 e3", id="key"),
        pytest.param({"text": "oTHER"}, "e2", id="text whatever its capitals"),
        pytest.param({"text": "theirs-"}, "e3", id="text in the caller's id"),
        pytest.param({"account": "acme", "status": "5xx"}, "e3", id="all that is stated"),
        pytest.param({"account": "acme", "country": "FR"}, "", id="all of it"),
    ],
)
def test_a_filter_holds_in_all_that_it_states(stated: dict[str, str], found: str) -> None:
    """One row of the table a field."""
    test = Filter.model_validate(stated).test()
    assert " ".join(row["exchange"] for row in (PASSED, REFUSED, FAILED) if test(row)) == found


WORDS = st.sampled_from(["", "a", "b", "Ab"])
ROWS = st.fixed_dictionaries(
    {name: WORDS for name in AS_LOGGED if name not in {"status", "action", "country"}}
    | {
        "status": st.sampled_from([0, 200, 403, 429, 503]),
        "action": st.sampled_from(["", "allow", "deny", "challenge", "throttle"]),
        "country": st.sampled_from(["", "NO", "FR"]),
    }
)
FILTERS = st.builds(
    Filter,
    account=WORDS,
    organisation=WORDS,
    model=st.sampled_from(["", "*", "a*", "?", "?b"]),
    country=st.sampled_from(["", "NO"]),
    reason=WORDS,
    entry=WORDS,
    action=st.sampled_from(["", "allow", "deny", "refused"]),
    status=st.sampled_from(["", "429", "4xx"]),
    tier=WORDS,
    key=WORDS,
    text=WORDS,
)


def plainly(wanted: Filter, row: Row) -> bool:
    """What the fields say, one by one."""

    def holds(name: str, stated: str) -> bool:
        value: Any = row.get(name)
        match name:
            case "model":
                return fnmatch.fnmatchcase(value, stated)
            case "action":
                return value in REFUSALS if stated == "refused" else value == stated
            case "status":
                return str(value).startswith(stated.rstrip("x")) and len(str(value)) == 3
            case "text":
                names = ("exchange", "request_id", "account", "organisation", "key", "model", "path", "reason", "entry")
                return any(stated.lower() in row[one].lower() for one in names)
        return bool(value == stated)

    return all(holds(name, stated) for name, stated in wanted.model_dump().items() if stated)


@given(FILTERS, st.lists(ROWS, max_size=5))
def test_the_server_filters_as_one_reads_it(wanted: Filter, rows: list[Row]) -> None:
    """Filtering on the server is filtering the rows by what each field says."""
    test = wanted.test()
    assert [row for row in rows if test(row)] == [row for row in rows if plainly(wanted, row)]


@given(st.text(max_size=12))
def test_a_pattern_without_signs_is_itself(text: str) -> None:
    """Whatever characters a caller chose for a model."""
    if "*" not in text and "?" not in text:
        assert pattern(text).fullmatch(text)
