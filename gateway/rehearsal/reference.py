"""docs/policies/reference.md, from the code: `python -m gateway.rehearsal.reference > docs/policies/reference.md`.

Every file that a policy author writes with every key; every variable, operator and function of conditions.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pydantic import BaseModel, RootModel

from gateway.expressions.checking import MAX_LENGTH
from gateway.expressions.engine import MAX_NESTING
from gateway.expressions.expression import LONGEST_TEXT
from gateway.expressions.functions import FUNCTIONS
from gateway.expressions.laws import LOOKED_UP, MAX_LOOP, MAX_NODES, MAX_PATTERN, MAX_PATTERN_PARTS
from gateway.expressions.values import MAX_CLAIMS, Type
from gateway.expressions.variables import VARIABLES, Variable
from gateway.feeds.kinds import ListKind
from gateway.policies.auth.config import AuthConfig
from gateway.policies.captcha.config import CaptchaConfig, WorthConfig
from gateway.policies.geo.config import Answer, GeoConfig
from gateway.policies.kyc.config import Gate, Identity, KycConfig
from gateway.policies.quota.config import QuotaConfig
from gateway.policies.risk.config import RiskConfig
from gateway.policies.rules.config import KEYS_OF, NEEDED, TERMINAL, RuleConfig, RulesConfig
from gateway.rehearsal.key_words import Key, keys, meanings, models_in
from gateway.rehearsal.suite import TestFile
from gateway.rules.chain_file import ChainFile
from gateway.rules.feeds_file import FeedsFile
from gateway.rules.prices_file import Price, PricesFile

FILES: Final[Mapping[str, tuple[type[BaseModel], str]]] = {
    "chain.yaml": (ChainFile, "Which policies are asked, in which order, and what happens when one is broken."),
    "feeds.yaml": (FeedsFile, "Knowledge from elsewhere that rules lean on: geo databases, and lists."),
    "prices.yaml": (
        PricesFile,
        "Model → what its tokens cost. `default` is required, and is for all that is not named.",
    ),
    "tests/*.yaml": (TestFile, "Exchanges, and what is expected of them: what `tidegate test` runs."),
    "kind: auth": (AuthConfig, "Who is asking."),
    "kind: geo": (GeoConfig, "From where. Everything that applies is reported, and the strongest answer holds."),
    "kind: kyc": (KycConfig, "Which tier has an account earned by evidence, and what may that have?"),
    "kind: risk": (
        RiskConfig,
        "What speaks against an exchange that is allowed? It adds weight; only `campaigns` refuses.",
    ),
    "kind: rules": (
        RulesConfig,
        "What you write: ordered conditions, and what becomes of an exchange for which one holds.",
    ),
    "kind: captcha": (
        CaptchaConfig,
        "Friction that grows with suspicion: from which on what is asked of whom, and what passing it is good for.",
    ),
    "kind: quota": (QuotaConfig, "How much: token buckets, many a request. All are taken from, or none."),
}
"""Heading -> the model of the file, and what it is for."""

ROOMS: Final = ("auth", "geo", "kyc", "risk", "rules", "captcha", "quota")

CALLED: Final[Mapping[type[BaseModel], str]] = {
    Answer: "an answer",
    Gate: "a gate",
    Identity: "a limit",
    Price: "a model",
    WorthConfig: "a clearance",
}
"""Mappings that stand under many keys, or under any."""

_HEAD: Final = """\
# Reference

Every key of every file in `policies/`, and everything that a condition may say. How to begin: [README.md](README.md).
In an editor the same comes by itself: `tidegate schema` writes a JSON Schema for each file.

This page is written from the code: `python -m gateway.rehearsal.reference > docs/policies/reference.md`.

## How values are written

The files are YAML 1.2: `NO`, `on` and `12:30` are text. A key that is not named here is an error, and so is one that
stands twice.

| | |
|---|---|
| name | Lower-case letters, digits, `_` and `-`, beginning with a letter; 48 characters at most. |
| duration | A number with its unit: `250ms`, `10s`, `5m`, `1h`, `30d`. |
| count | `1000`, `1_000`, `10k`, `1.5M`, `2G`. |
| money | US dollars: `5`, `0.25`, `$5`. |
| percentage | `5%`, `0.1%`. |
| secret | `${NAME}` or `${NAME:-default}` of the environment, `file:///path`, or itself. |
| speed, distance | `1000 km/h`, `500 km`. |
| country | ISO 3166-1 alpha-2, such as `NO`. |
| condition | [CEL](#conditions). Quote it where it begins with `!`, `"`, `'`, `[` or `{`, or holds `: ` or ` #`. |
"""

_OPERATORS: Final = (
    ("`==` `!=`", "two of one type", "Text is compared letter by letter, and capitals count."),
    ("`<` `<=` `>` `>=`", "numbers, text, times, durations", ""),
    ("`in`", "a text or number, and a list", '`"tools" in request.features`, `client.address in lists.office`'),
    ("`&&` <code>&#124;&#124;</code> `!`", "truths", "`&&` binds closer. Where one side decides, the other may fail."),
    ("`? :`", "a truth, and two of one type", '`request.items > (account.tier == "free" ? 10 : 1000)`'),
    ("`+` `-` `*` `/` `%`", "numbers; `+` text; `-` times", "A division by zero is a failure, and too large a number."),
    ("`[ ]`", "claims", '`claims["https://example.com/plan"]`: where the name has more than letters.'),
)

_FUNCTIONS: Final[Mapping[str, str]] = {
    "startsWith": "",
    "endsWith": "",
    "contains": "",
    "matches": "RE2, anywhere in the text: write `^` and `$` for all of it. The pattern is written out.",
    "size": "Characters of a text, items of a list.",
    "timestamp": "RFC 3339, with its zone.",
    "duration": "`h`, `m`, `s` and `ms`; there are no days: a week is `168h`.",
    "int": "",
    "double": "",
    "string": "",
    "bool": "",
    "getFullYear": "Of a time, in UTC or in a zone.",
    "getMonth": "0 is January.",
    "getDayOfYear": "0 is the first.",
    "getDayOfMonth": "0 is the first.",
    "getDate": "1 is the first.",
    "getDayOfWeek": "0 is Sunday. `time.weekday` counts otherwise: 1 is Monday.",
    "getHours": "",
    "getMinutes": "",
    "getSeconds": "",
    "getMilliseconds": "",
    "has": "Whether a claim is there.",
    "exists": "Whether it holds for one or more.",
    "exists_one": "Whether it holds for exactly one.",
    "all": "Whether it holds for each; true for an empty list.",
    "filter": "Those for which it holds.",
    "map": "Another value for each.",
}
"""What a function does, where its name does not say it."""

_FAILURE: Final = """\
### When a condition gives no answer

A claim that is not there, a number out of range, a list that cannot be read: there is then neither yes nor no, and
nothing is taken for one of them.

| where | what then |
|---|---|
| `when` of an entry in chain.yaml | The entry has failed. Its `on_failure` says what then. |
| `when` of a rule that is enforced | The whole entry has failed, and no other rule of the file has an effect. |
| `when` of a rule in shadow | It is noted with the action `broken`, and the next rule is asked. |

`on_failure: deny` and `degrade` refuse with 503 `policy_unavailable`; `allow` goes on as if the entry were not there.
Each failure is counted in `tidegate_policy_failures_total` and written to the gateway's log; `tidegate explain` names
the condition.
"""


def page() -> str:
    """The whole page."""
    return "\n".join((_HEAD, *(_file(heading) for heading in FILES), _conditions()))


# -- files -------------------------------------------------------------------------------------------------------------


def _file(heading: str) -> str:
    model, purpose = FILES[heading]
    room = heading.removeprefix("kind: ")
    parts = [f"## {heading}\n\n{purpose}"]
    if room in ROOMS:
        parts[0] += f"\nHow it decides, its reasons, how it fails: [its page](../../gateway/policies/{room}/README.md)."
    titles = dict(_titles(heading, model))
    links = {inner: f"[{_kind_of(title)}](#{_slug(title)})" for inner, title in titles.items()}
    for inner, title in titles.items():
        if inner is not model:
            parts.append(f"### {title}")
            parts.extend([inner.__doc__.strip()] if inner.__doc__ and inner.__module__.startswith("gateway.") else [])
        table = _table(inner, links)
        if table:
            parts.append(table)
        if inner is RuleConfig:
            parts.append(_actions())
    return "\n\n".join(parts) + "\n"


def _titles(heading: str, model: type[BaseModel]) -> Iterator[tuple[type[BaseModel], str]]:
    """Every mapping of a file, once, under the key where it comes first: in the order of reading."""
    seen = {model}
    yield model, heading
    todo: list[tuple[str, type[BaseModel]]] = [("", model)]
    while todo:
        above, owner = todo.pop(0)
        for name, found in _inner(owner):
            for inner in found:
                if inner not in seen:
                    seen.add(inner)
                    way = CALLED.get(inner) or (f"{above}.{name}" if above else name)
                    yield inner, f"{heading}: {way}"
                    todo.append((way, inner))


def _inner(model: type[BaseModel]) -> Iterator[tuple[str, list[type[BaseModel]]]]:
    if issubclass(model, RootModel):
        yield "", models_in(model.model_fields["root"].annotation)
    else:
        for key in keys(model, {}):
            yield key.name, list(key.models)


def _kind_of(title: str) -> str:
    last = title.rpartition(": ")[2]
    return last if last in CALLED.values() else f"`{last}`"


def _slug(title: str) -> str:
    """As forges make it of a heading."""
    return "".join(letter for letter in title.lower() if letter.isalnum() or letter in "-_ ").replace(" ", "-")


def _table(model: type[BaseModel], links: Mapping[type[BaseModel], str]) -> str:
    found = list(keys(model, links))
    if not found:
        return ""
    return _rows(("key", "type", "default", ""), [_row(key) for key in found])


def _row(key: Key) -> tuple[str, ...]:
    return f"`{key.name}`", key.takes, key.default, key.meaning


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [_line(head), "|---" * len(head) + "|"]
    return "\n".join([*lines, *(_line(cell.replace("|", "\\|") for cell in row) for row in rows)])


def _line(cells: Iterable[str]) -> str:
    return "|".join(["", *(f" {cell} " if cell else " " for cell in cells), ""])


def _actions() -> str:
    """Which keys go with which action."""
    rows = []
    for action in ("allow", "deny", "challenge", "throttle", "weigh", "tag"):
        own = [f"`{key}`" for key, actions in KEYS_OF.items() if action in actions and key != NEEDED.get(action)]
        needs = f"`{NEEDED[action]}`" if action in NEEDED else ""
        rows.append((f"`{action}`", needs, ", ".join(own), "ends the entry" if action in TERMINAL else "goes on"))
    return _rows(("action", "needs", "may have", ""), rows)


# -- conditions --------------------------------------------------------------------------------------------------------


def _conditions() -> str:
    variables = _rows(("variable", "type", "", "missing", "remembered"), [_variable(one) for one in VARIABLES.values()])
    lists = _rows(("kind", "holds", "asked for"), [_list(kind) for kind in ListKind])
    functions = _rows(("function", ""), list(_functions()))
    operators = _rows(("operator", "on", ""), _OPERATORS)
    return f"""\
## Conditions

[CEL](https://github.com/google/cel-spec), checked when it is loaded: a name that does not exist, a comparison of two
types, a word that nothing can be (`"XX"` is no country, `"toolz"` no feature) are errors with their place. How to write
them: [conditions.md](conditions.md).

### Variables

A missing value is the empty value of its type: `""`, 0, false, `[]`. The column says when that happens; empty means
never. What conditions of a `rules` entry answer is remembered by the values that they read: a variable that is not
remembered differs for nearly every exchange, so conditions on it are asked each time.

{variables}

### Lists

Of `feeds.yaml`, on the right of `in`: `client.country in lists.embargoed`. An empty value is in no list.

{lists}

### Operators

{operators}

### Functions

{functions}

### Bounds

A condition has at most {MAX_LENGTH} characters and {MAX_NODES} parts (names, literals, operators), nested {MAX_NESTING}
deep. A pattern of `matches` has at most {MAX_PATTERN} characters, and {MAX_PATTERN_PARTS} with what it repeats by
number (`(ab){{3}}` has 6). A loop over a list (`exists`, `all`, …) asks at most
{MAX_LOOP} parts of each item, and stands in no other loop. All of it is seen when the file is read.

While it runs, a text of more than {LONGEST_TEXT} characters gives no answer in a condition with `matches`, `contains`,
`+` or a loop, and neither do claims of more than {MAX_CLAIMS} values. Only a path, an id or a claim can be so long.

{_FAILURE}"""


def _variable(one: Variable) -> tuple[str, ...]:
    words = (
        f" One of {', '.join(f'`{word}`' for word in one.vocabulary.words)}." if _few(one) and one.vocabulary else ""
    )
    remembered = "no" if one.volatile else "yes"
    return f"`{one.name}`", _SHOWN[one.type], one.doc + words, one.missing, remembered


_SHOWN: Final[Mapping[Type, str]] = {
    Type.TEXT: "text",
    Type.NUMBER: "number",
    Type.TRUTH: "truth",
    Type.TIME: "time",
    Type.DURATION: "duration",
    Type.TEXTS: "list of text",
    Type.CLAIMS: "map",
}


def _few(one: Variable) -> bool:
    return one.vocabulary is not None and 0 < len(one.vocabulary.words) <= 10


def _list(kind: ListKind) -> tuple[str, ...]:
    holds = meanings(ListKind)[kind.name].partition(";")[0].rstrip(".") + "."
    return f"`{kind.value}`", holds, ", ".join(f"`{name}`" for name in LOOKED_UP[kind])


def _functions() -> Iterator[tuple[str, str]]:
    for name, function in FUNCTIONS.items():
        yield f"`{function.usage}`".replace(") or ", ")` or `"), _FUNCTIONS[name]


if __name__ == "__main__":
    sys.stdout.write(page())
