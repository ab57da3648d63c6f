"""For whom a rule is enforced, changed in the text that somebody wrote: comments, order and quotes stay.

Values that are there are replaced where they stand; a key that is not is written behind `name`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

SHADOW: Final = "shadow"


class NoSuchRule(Exception):
    """The text has none of that name, or cannot be read. The text of this is for people."""


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


def with_share(text: str, name: str, share: float) -> str:
    """The text, with the item of that name enforced for this share of the accounts: 0 is shadow, 1 everybody.

    An item is a mapping in a list of the file (`rules`, `chain`) with that `name`. Raises NoSuchRule.
    """
    item = _item(text, name)
    wanted = {"mode": SHADOW if share <= 0.0 else "enforce", "rollout": "100%" if share <= 0.0 else percent(share)}
    # What holds where nothing is written need not be written.
    unsaid = {"mode": "enforce", "rollout": "100%"}
    edits = []
    missing = []
    there = {key.value: value for key, value in item.value}
    for key, value in wanted.items():
        if key in there:
            node = there[key]
            edits.append(_Edit(node.start_mark.index, node.end_mark.index, value))
        elif value != unsaid[key]:
            missing.append(f"{key}: {value}")
    if missing:
        edits.append(_added(text, item, missing))
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def percent(share: float) -> str:
    """0.125 -> 12.5%."""
    return f"{round(share * 100, 4):g}%"


def _added(text: str, item: MappingNode, lines: list[str]) -> _Edit:
    key, value = next((key, value) for key, value in item.value if key.value == "name")
    if item.flow_style:
        at = value.end_mark.index
        return _Edit(at, at, "".join(f", {line}" for line in lines))
    at = text.find("\n", value.end_mark.index)
    indent = " " * key.start_mark.column
    if at < 0:
        return _Edit(len(text), len(text), "".join(f"\n{indent}{line}" for line in lines))
    # A file of Windows stays one.
    ending = "\r\n" if text[at - 1] == "\r" else "\n"
    return _Edit(at + 1, at + 1, "".join(f"{indent}{line}{ending}" for line in lines))


def _item(text: str, name: str) -> MappingNode:
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, RecursionError) as error:
        raise NoSuchRule("the file cannot be read as YAML: mend that first") from error
    for item in _items(root):
        if any(key.value == "name" and value.value == name for key, value in item.value):
            return item
    raise NoSuchRule(f"the file has no `{name}` in a list: it was renamed, or removed")


def _items(root: Any) -> Iterator[MappingNode]:
    for _, listed in root.value if isinstance(root, MappingNode) else ():
        for item in listed.value if isinstance(listed, SequenceNode) else ():
            if isinstance(item, MappingNode) and all(isinstance(key, ScalarNode) for key, _ in item.value):
                yield item
