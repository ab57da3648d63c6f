"""Dashboards and alert rules speak of metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OF_PROMETHEUS = {"up": {"job", "instance"}}
GIVEN = {"instance", "job"}
"""Labels that Prometheus puts on everything that it scrapes."""
HISTOGRAMS = ("_bucket", "_sum", "_count")


def known() -> dict[str, set[str]]:
    """Metric -> its labels, from the reference; that page is held against the code."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    found: dict[str, set[str]] = dict(OF_PROMETHEUS)
    for name, labels in re.findall(r"^\| `(tidegate_\w+)` \|([^|]*)\|", page, re.MULTILINE):
        held = {label.strip() for label in labels.split(",") if label.strip()} | GIVEN
        found[name] = held
        if name.endswith("_seconds") and not held - GIVEN:
            found |= {name + "_bucket": held | {"le"}, name + "_sum": held, name + "_count": held}
    return found


def rules() -> list[dict[str, Any]]:
    groups = YAML(typ="safe").load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    board = json.loads((DEPLOY / "grafana" / "tidegate.json").read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[Any]:
    for rule in rules():
        yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in panels():
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


def selectors(node: Any) -> Iterator[Any]:
    """Every vector selector below, with the labels by which its parents group."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
        return
    if isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
        return
    for name in ("lhs", "rhs", "expr", "param"):
        inner = getattr(node, name, None)
        if inner is not None:
            yield from selectors(inner)
    for inner in getattr(node, "args", None) or ():
        yield from selectors(inner)


def grouped(text: str) -> set[str]:
    return {label.strip() for found in re.findall(r"\bby \(([^)]*)\)", text) for label in found.split(",")}


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_is_of_what_there_is(expression: str) -> None:
    """It parses, and names metrics and labels that a gateway tells."""
    text = expression.replace("$__rate_interval", "5m").replace("$instance", ".*")
    metrics = known()
    found = list(selectors(promql_parser.parse(text)))
    assert found
    labels: set[str] = set()
    for selector in found:
        assert selector.name in metrics
        stated = {matcher.name for matcher in selector.matchers.matchers}
        assert stated <= metrics[selector.name]
        labels |= metrics[selector.name]
    assert grouped(text) <= labels


def test_alerts_say_what_to_do() -> None:
    """Who is woken is told what it is and what helps; names are unique."""
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert len(rule["annotations"]["summary"]) < 120
        assert len(rule["annotations"]["description"]) > 40


def test_panels_are_whole() -> None:
    """Each has a description, a unit and a place of its own."""
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(set(places)) == len(places)
    for panel in panels():
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["legendFormat"] for target in panel["targets"])


def test_a_metric_that_there_is_not_is_found() -> None:
    """The search sees into functions, sums and quotients."""
    node = promql_parser.parse('histogram_quantile(0.5, sum by (le) (rate(a_bucket{x="1"}[5m]))) / b > c')
    assert {selector.name for selector in selectors(node)} == {"a_bucket", "b", "c"}
