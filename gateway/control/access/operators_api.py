"""Tokens of operators on the admin port: made, listed, given another role, revoked."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import Field, StringConstraints

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import operators
from gateway.accounts.sql.database import Database, Writing
from gateway.control.access.answers import Refused, said
from gateway.control.access.content import content
from gateway.control.access.roles import MAY, Permission, Role
from gateway.control.access.tokens import FILE, Tokens
from gateway.control.account_shapes import DAY, OneLine, Reason, Shape, WhyShape
from gateway.control.operations import OPERATOR, Operation, who
from gateway.quantities import Duration

LASTS: Final = 90 * DAY
LAST_ADMIN: Final = "nobody can make tokens any more: set admin_token in tidegate.yaml, and start again"


class OperatorShape(Shape):
    """A token to be made."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}$")]
    """Of a person or a program: stands in the audit, as `token:NAME`."""
    role: Role
    lasts: Annotated[Duration, Field(ge=60, le=3660 * DAY)] | Literal["forever"] = LASTS
    reason: OneLine = ""


class RoleShape(Shape):
    role: Role
    reason: Reason


class OperatorAnswer(Shape):
    """A token without the token. Times are Unix seconds, or null."""

    id: str
    name: str
    role: str
    state: Literal["holds", "expired", "revoked"]
    created: float
    by: str
    expires: float | None
    revoked: float | None
    used: float | None
    """To the minute."""
    note: str = ""


class MintedAnswer(OperatorAnswer):
    token: str
    """Shown here, and never again."""


class OperatorsAnswer(Shape):
    operators: list[OperatorAnswer]
    admin_token: bool
    """Whether tidegate.yaml has one, too."""


class OperatorsApi:
    def __init__(self, database: Database, secrets: Secrets, tokens: Tokens, *, others: bool) -> None:
        """`others`: whether an admin may come by somebody else's word (OIDC)."""
        self._database = database
        self._secrets = secrets
        self._tokens = tokens
        self._others = others

    def operations(self) -> list[Operation]:
        govern, one = Permission.GOVERN, "/operators/{id}"
        known = {404: "There is no such token.", 409: "It is that of tidegate.yaml, or above your own role."}
        return [
            Operation("GET", "/operators", self.list, govern, "Tokens of operators.", answer=OperatorsAnswer),
            Operation(
                "POST", "/operators", self.create, govern, "Make a token: it is shown once.",
                content=OperatorShape, answer=MintedAnswer, status=201,
                errors={409: "A token of this name holds."},
            ),
            Operation(
                "PATCH", one, self.change, govern, "Give it another role.",
                content=RoleShape, answer=OperatorAnswer, errors=known,
            ),
            Operation(
                "DELETE", one, self.revoke, govern, "Revoke it: its sessions end, too.",
                content=WhyShape, answer=OperatorAnswer, errors=known,
            ),
        ]  # fmt: skip

    async def list(self, _: web.Request) -> web.Response:
        rows, now = await self._database.reading(operators.listed), self._database.now()
        return said({"operators": [_shown(row, now) for row in rows], "admin_token": self._tokens.file})

    async def create(self, request: web.Request) -> web.Response:
        asked = await content(request, OperatorShape)
        _check_below(request, asked.role)
        now = self._database.now()
        expires = None if asked.lasts == "forever" else now + asked.lasts

        def work(writing: Writing) -> tuple[operators.Minted, Any]:
            made = operators.create(writing, self._secrets, asked.name, str(asked.role), expires, asked.reason)
            return made, operators.find(writing.connection, made.id)

        minted, row = await self._database.writing(who(request), work)
        return said(_shown(row, now) | {"token": minted.token}, 201)

    async def change(self, request: web.Request) -> web.Response:
        named, asked = _named(request), await content(request, RoleShape)
        _check_below(request, asked.role)

        def work(writing: Writing) -> tuple[Any, bool]:
            operators.change_role(writing, named, str(asked.role), asked.reason)
            return operators.find(writing.connection, named), self._nobody(writing)

        return await self._done(request, named, work)

    async def revoke(self, request: web.Request) -> web.Response:
        named, why = _named(request), await content(request, WhyShape)

        def work(writing: Writing) -> tuple[Any, bool]:
            operators.revoke(writing, named, why.reason)
            return operators.find(writing.connection, named), self._nobody(writing)

        return await self._done(request, named, work)

    async def _done(self, request: web.Request, named: str, work: Any) -> web.Response:
        row, nobody = await self._database.writing(who(request), work)
        self._tokens.forget(named)
        return said(_shown(row, self._database.now()) | {"note": LAST_ADMIN if nobody else ""})

    def _nobody(self, writing: Writing) -> bool:
        """Whether nobody is left who may make tokens."""
        if self._tokens.file or self._others:
            return False
        return operators.count(writing.connection, str(Role.ADMIN), writing.now) == 0


def _named(request: web.Request) -> str:
    named = request.match_info["id"]
    if named == FILE:
        raise Refused(409, "this token stands in tidegate.yaml: take it out there, and start again")
    return named


def _check_below(request: web.Request, role: Role) -> None:
    """Nobody gives what they have not got. Raises Refused."""
    mine = request[OPERATOR].role
    if not MAY[role] <= MAY[mine]:
        raise Refused(409, f"the role {role} may more than {mine}, which is yours")


def _shown(row: Any, now: float) -> dict[str, Any]:
    over = row.expires is not None and row.expires <= now
    return {
        "id": row.id,
        "name": row.name,
        "role": row.role,
        "state": "revoked" if row.revoked is not None else "expired" if over else "holds",
        "created": row.created,
        "by": row.by,
        "expires": row.expires,
        "revoked": row.revoked,
        "used": row.used,
    }
