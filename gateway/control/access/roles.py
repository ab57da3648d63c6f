"""What each role may do. One table: the guard, the OpenAPI document, the console and the tests all go by it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class Permission(enum.StrEnum):
    """What an operation needs."""

    LOOK = "look"
    """What is in force and how it goes: nothing of one person or account."""
    PEOPLE = "people"
    """Accounts, exchanges, challenges, reviews, the audit."""
    TUNE = "tune"
    """Overrides of limits, incident switches, usage."""
    ACT = "act"
    """What is done to one account: suspend, restore, keys, falls, lift of a challenge."""
    JUDGE = "judge"
    """Reviews: decide about people."""
    WRITE = "write"
    """The rules: edit, apply, go back."""
    GOVERN = "govern"
    """Tokens of operators; accounts and keys made; evidence stated by hand."""


class Role(enum.StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    AUTHOR = "author"
    ANALYST = "analyst"
    ADMIN = "admin"


P = Permission
MAY: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: frozenset({P.LOOK}),
    Role.OPERATOR: frozenset({P.LOOK, P.PEOPLE, P.TUNE, P.ACT}),
    Role.AUTHOR: frozenset({P.LOOK, P.WRITE}),
    Role.ANALYST: frozenset({P.LOOK, P.PEOPLE, P.ACT, P.JUDGE}),
    Role.ADMIN: frozenset(P),
}
