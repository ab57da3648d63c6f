"""Folders of policies for tests of what runs them."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "chain": """\
chain:
  - {name: flood, kind: quota, on_failure: deny}
  - {name: auth, kind: auth, on_failure: deny}
  - {name: geo, kind: geo, on_failure: deny, when: account.tier != "staff"}
  - {name: rules, kind: rules, on_failure: deny}
  - {name: quota, kind: quota, on_failure: degrade}
""",
    "flood": """\
store: local
limits:
  - {name: flood, measure: requests, per: [client_address], capacity: 50, every: 1s}
""",
    "auth": "api_keys: true\n",
    "geo": "networks: {tor: deny}\n",
    "rules": """\
rules:
  - name: embargo
    when: client.country in lists.embargoed
    action: deny
    reason: embargoed_country
    status: 451
  - {name: ramp, when: request.model == "m-new", action: deny, rollout: 50%}
  - {name: vpn, when: '"vpn" in client.network_kinds', action: weigh, weight: 5}
  - {name: late, when: time.hour >= 22, action: tag, tags: [late]}
""",
    "quota": """\
limits:
  - {name: requests, measure: requests, per: [account], capacity: 10, every: 10s}
  - {name: output, measure: output_tokens, per: [account], capacity: 100k, every: 1d}
  - {name: spend, measure: spend, per: [account], capacity: $10, every: 1d}
  - {name: slots, measure: concurrency, per: [account], capacity: 2}
""",
    "prices": "default: {input: 3, output: 15}\n",
    "feeds": "lists: {embargoed: {kind: countries, items: [IR, KP]}}\n",
}


def folder_of(base: Path, **changes: str) -> Path:
    """Write it; `tests` is the file of tests."""
    folder = base / "policies"
    (folder / "tests").mkdir(parents=True, exist_ok=True)
    for name, text in (FILES | changes).items():
        path = folder / "tests" / "first.yaml" if name == "tests" else folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
    return folder
