"""What is said of rules that lean on what nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.rules.build import policy_kinds
from gateway.rules.ruleset import Ruleset, load
from gateway.rules.unknown import placeless, undated

DATABASE = "databases: [{name: country, path: country.mmdb}]\n"
VPNS = "lists: {vpns: {kind: networks, items: [198.51.100.0/24], network_kind: vpn}}\n"


def ruleset(
    folder: Path, rules: str = "", *, geo: str = "", risk: str = "", feeds: str = "", when: str = ""
) -> Ruleset:
    chain = []
    if rules:
        (folder / "rules.yaml").write_text(f"rules:\n{rules}")
        chain.append("  - {name: rules, kind: rules, on_failure: deny}")
    if geo:
        (folder / "geo.yaml").write_text(geo)
        chain.append("  - {name: geo, kind: geo, on_failure: deny}")
    if risk:
        (folder / "risk.yaml").write_text(risk)
        chain.append("  - {name: risk, kind: risk, on_failure: allow}")
    if when:
        (folder / "auth.yaml").write_text("api_keys: true\n")
        chain.append(f"  - {{name: auth, kind: auth, on_failure: deny, when: {when}}}")
    (folder / "chain.yaml").write_text("chain:\n" + "\n".join(chain) + "\n")
    if feeds:
        (folder / "feeds.yaml").write_text(feeds)
    return load(folder, policy_kinds())


def rule(when: str, action: str = "deny") -> str:
    more = {"weigh": "    weight: 1\n", "tag": "    tags: [x]\n"}.get(action, "")
    return f"  - name: one\n    when: {when}\n    action: {action}\n{more}"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"rules": rule('client.country == "NO"')}, ["rules.yaml:3:11: reads `client.country`"]),
        ({"rules": rule("client.asn == 64496")}, ["rules.yaml:3:11: reads `client.asn`"]),
        ({"rules": rule('"vpn" in client.network_kinds')}, ["rules.yaml:3:11: reads `client.network_kinds`"]),
        ({"rules": rule("'\"vpn\" in client.network_kinds'"), "feeds": VPNS}, []),
        ({"rules": rule('client.country == "NO"'), "feeds": VPNS}, ["rules.yaml:3:11: reads `client.country`"]),
        ({"rules": rule('client.country == "NO"'), "feeds": DATABASE}, []),
        ({"rules": rule('account.signup_country == "NO"')}, []),
        ({"when": "client.asn == 64496"}, ["chain.yaml:2:54: reads `client.asn`"]),
        ({"geo": "countries: {deny: [NO]}\nunknown: {country: allow}\n"}, ["geo.yaml:1:1: entry `geo` asks"]),
        ({"geo": "networks: {vpn: deny}\n"}, ["geo.yaml:1:1: entry `geo` asks"]),
        ({"geo": "networks: {vpn: deny}\n", "feeds": VPNS}, []),
        ({"geo": "networks: {vpn: deny}\n", "feeds": DATABASE}, []),
        ({"geo": "private: deny\n"}, []),
        ({"risk": "new_network: {within: asn}\n"}, ["risk.yaml:1:23: `new_network` never weighs"]),
        ({"risk": "key_shared: {of: country}\n"}, ["risk.yaml:1:18: `key_shared` never weighs"]),
        ({"risk": "key_shared: {}\n"}, ["risk.yaml:1:13: `key_shared` never weighs"]),
        ({"risk": "new_network: {within: asn}\n", "feeds": VPNS}, ["risk.yaml:1:23: `new_network` never weighs"]),
        ({"risk": "new_network: {within: asn}\n", "feeds": DATABASE}, []),
        ({"risk": "new_network: {within: network}\n"}, []),
        ({"risk": "refused: {}\n"}, []),
    ],
    ids=[
        "country", "asn", "kinds", "kinds that a list knows", "a list knows no country", "there is a database",
        "sign-up needs none", "when of an entry", "geo", "geo of kinds", "geo of kinds that a list knows",
        "geo with a database", "private needs none",
        "new in a system", "shared in countries", "shared, not stated in what", "a list knows no system",
        "a system with a database", "networks need none", "refusals need none",
    ],
)  # fmt: skip
def test_places_that_nobody_knows(tmp_path: Path, written: dict[str, str], said: list[str]) -> None:
    """A rule about places without a database never applies, and its author is told."""
    if "rules" in written:
        written = written | {"rules": written["rules"].replace('when: "', "when: '\"").replace("kinds\n", "kinds'\n")}
    found = [str(problem).replace(f"{tmp_path}/", "") for problem in placeless(ruleset(tmp_path, **written))]
    assert len(found) == len(said)
    assert all(one.startswith(beginning) for one, beginning in zip(found, said, strict=True)), found


@pytest.mark.parametrize(
    ("when", "action", "name"),
    [
        ('account.age < duration("24h")', "deny", "account.age"),
        ('duration("24h") >= account.age', "weigh", "account.age"),
        ('account.tier == "free" && account.age < duration("24h")', "challenge", "account.age"),
        ('account.created < timestamp("2026-01-01T00:00:00Z")', "deny", "account.created"),
        ('account.created > timestamp("2026-01-01T00:00:00Z")', "deny", ""),
        ('account.has_created && account.age < duration("24h")', "deny", ""),
        ('account.age < duration("24h")', "tag", ""),
        ('account.age > duration("24h")', "deny", ""),
        ('account.age > duration("24h")', "allow", ""),
        ('!(account.age < duration("24h"))', "deny", ""),
    ],
)
def test_an_unknown_date_is_not_a_new_account(tmp_path: Path, when: str, action: str, name: str) -> None:
    """Whoever restricts new accounts is told that those without a date would be among them; nobody else is."""
    found = [
        problem.message for problem in undated(ruleset(tmp_path, rule(f"'{when}'" if "!" in when else when, action)))
    ]
    assert [message.split("`")[1] for message in found] == ([name] if name else [])
