"""The admin port's accounts: how sign-up, billing and support systems feed the directory. JSON in, JSON out.

All of it needs somebody who may: it is about people. Each change is one transaction with its
lines in the audit, and is in force on every worker within a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from aiohttp import web

from gateway.accounts import one_time
from gateway.accounts.keys import MintedKey
from gateway.accounts.ladder import Ladder
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys
from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import Database, Writing
from gateway.control import account_changes as changes
from gateway.control.access.answers import said
from gateway.control.access.content import content, query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import (
    AccountShape,
    EvidenceShape,
    FallShape,
    FallWhyShape,
    KeyShape,
    LinksShape,
    MemberShape,
    MoveShape,
    PageShape,
    RotateShape,
    Shape,
    SignInShape,
    WhyShape,
    checked,
)
from gateway.control.account_shown import NEAR, audit_of, keys_of, listed, shown, when
from gateway.control.operations import Handler, Operation, who

AUDIT: Final = 100
"""Lines of an account's audit."""

T = TypeVar("T")


class AccountsApi:
    """`operations` are for `gateway.control.admin.application`."""

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        ladder: Callable[[], Ladder | None],
        limits: Callable[[], changes.Limits],
        owner_url: Callable[[str], str],
    ) -> None:
        """`ladder` and `limits` are those in force; `owner_url` makes the address where a one-time token is opened."""
        self.database = database
        self.secrets = secrets
        self.ladder = ladder
        self.limits = limits
        self.owner_url = owner_url

    def operations(self) -> list[Operation]:
        one, people, act, govern = "/accounts/{id}", Permission.PEOPLE, Permission.ACT, Permission.GOVERN
        return [
            Operation("GET", "/accounts", self.list, people, "Accounts, a page at a time.", query=PageShape),
            _made("POST", "/accounts", self.create, govern, "Make an account.", AccountShape, twice=True),
            _one("GET", one, self.show, people, "Everything of one account that people may see."),
            _one("PATCH", one, self.move, govern, "To another tier or organisation.", MoveShape),
            _one("POST", f"{one}/suspend", self.suspend, act, "Suspend it.", WhyShape),
            _one("POST", f"{one}/restore", self.restore, act, "Let it in again.", WhyShape),
            _one("GET", f"{one}/audit", self.audit, people, "What was done to it."),
            _one("GET", f"{one}/keys", self.list_keys, people, "Its keys, without the keys."),
            _made("POST", f"{one}/keys", self.create_key, govern, "Make a key: it is shown once.", KeyShape),
            _made("POST", "/keys/{prefix}/rotate", self.rotate_key, govern, "A key that takes over.", RotateShape),
            _one("DELETE", "/keys/{prefix}", self.revoke_key, act, "Revoke a key.", WhyShape),
            _made("POST", f"{one}/evidence", self.add_evidence, govern, "State what it has shown.", EvidenceShape),
            _one(
                "DELETE", f"{one}/evidence/{{kind}}", self.withdraw_evidence, govern, "Withdraw evidence.", WhyShape
            ),
            _made("POST", f"{one}/falls/{{fall}}", self.add_fall, act, "Let it fall on the ladder.", FallWhyShape),
            _one("DELETE", f"{one}/falls/{{fall}}", self.clear_fall, act, "Clear a fall.", WhyShape),
            _made("POST", f"{one}/links", self.add_links, govern, "Say what identifies its people.", LinksShape),
            _made("POST", f"{one}/members", self.add_member, govern, "Let an address sign in.", MemberShape),
            _made("POST", f"{one}/link", self.sign_in_link, govern, "A link for its owner, for once.", SignInShape),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """`?tier=&organisation=&suspended=&limit=&after=`. `next` is the `after` of the next page, or null."""
        page = query(request, PageShape)
        found, after = await self.database.reading(lambda connection: listed(connection, page))
        return said({"accounts": found, "next": after or None})

    async def show(self, request: web.Request) -> web.Response:
        return await self._shown(request.match_info["id"])

    async def create(self, request: web.Request) -> web.Response:
        """201 with the account, and with its key where one was asked for: it is never shown again."""
        asked = await content(request, AccountShape)
        limits = self.limits()
        minted = await self._write(request, lambda writing: changes.create(writing, self.secrets, asked, limits))
        return await self._shown(asked.id, 201, {} if minted is None else _key(minted))

    async def move(self, request: web.Request) -> web.Response:
        account, asked = request.match_info["id"], await content(request, MoveShape)
        await self._write(request, lambda writing: changes.move(writing, account, asked))
        return await self._shown(account)

    async def suspend(self, request: web.Request) -> web.Response:
        account, why = request.match_info["id"], await content(request, WhyShape)
        await self._write(request, lambda writing: accounts.suspend(writing, account, why.reason))
        return await self._shown(account)

    async def restore(self, request: web.Request) -> web.Response:
        account, why = request.match_info["id"], await content(request, WhyShape)
        await self._write(request, lambda writing: accounts.restore(writing, account, why.reason))
        return await self._shown(account)

    async def audit(self, request: web.Request) -> web.Response:
        account = request.match_info["id"]
        lines = await self.database.reading(lambda connection: audit_of(connection, account, AUDIT))
        if not lines:
            raise NoSuch(f"nothing was ever done to an account `{account}`")
        return said({"audit": lines})

    async def list_keys(self, request: web.Request) -> web.Response:
        account, now = request.match_info["id"], self.database.now()
        return said({"keys": await self.database.reading(lambda connection: keys_of(connection, account, now))})

    async def create_key(self, request: web.Request) -> web.Response:
        """201 with the key: it is never shown again."""
        account, asked = request.match_info["id"], await content(request, KeyShape)
        minted = await self._write(request, lambda writing: changes.create_key(writing, self.secrets, account, asked))
        return said(_key(minted), 201)

    async def rotate_key(self, request: web.Request) -> web.Response:
        """201 with the key that takes over."""
        prefix, asked = request.match_info["prefix"], await content(request, RotateShape)
        minted = await self._write(request, lambda writing: changes.rotate_key(writing, self.secrets, prefix, asked))
        return said(_key(minted), 201)

    async def revoke_key(self, request: web.Request) -> web.Response:
        prefix, why = request.match_info["prefix"], await content(request, WhyShape)
        account = await self._write(request, lambda writing: keys.revoke(writing, prefix, why.reason))
        return said({"prefix": prefix, "account": account, "state": "revoked"})

    async def add_evidence(self, request: web.Request) -> web.Response:
        """An account that only tokens have named so far gets a row."""
        account, asked = _id(request), await content(request, EvidenceShape)
        await self._write(request, lambda writing: changes.add_evidence(writing, account, asked))
        return await self._shown(account, 201)

    async def withdraw_evidence(self, request: web.Request) -> web.Response:
        account, kind = request.match_info["id"], request.match_info["kind"]
        why = await content(request, WhyShape)
        await self._write(request, lambda writing: changes.withdraw_evidence(writing, account, kind, why.reason))
        return await self._shown(account)

    async def add_fall(self, request: web.Request) -> web.Response:
        """As `add_evidence`."""
        account = _id(request)
        asked = await content(request, FallShape, {"fall": request.match_info["fall"]})
        await self._write(request, lambda writing: changes.add_fall(writing, account, asked))
        return await self._shown(account, 201)

    async def clear_fall(self, request: web.Request) -> web.Response:
        account, fall = request.match_info["id"], request.match_info["fall"]
        why = await content(request, WhyShape)
        await self._write(request, lambda writing: changes.clear_fall(writing, account, fall, why.reason))
        return await self._shown(account)

    async def add_links(self, request: web.Request) -> web.Response:
        """What came of it: nothing of the links themselves."""
        account, asked, limits = _id(request), await content(request, LinksShape), self.limits()
        done = await self._write(
            request, lambda writing: changes.add_links(writing, self.secrets, account, asked, limits)
        )
        others = [one for one in done.identity if one != account]
        return said({"account": account, "over_limit": done.over, "same_identity": others[:NEAR]}, 201)

    async def add_member(self, request: web.Request) -> web.Response:
        """Whoever answers from the address may sign in. One that is there already stays."""
        account, asked = request.match_info["id"], await content(request, MemberShape)
        await self._write(request, lambda writing: changes.add_member(writing, self.secrets, account, asked))
        return said({"account": account}, 201)

    async def sign_in_link(self, request: web.Request) -> web.Response:
        """A link with which the account's owner signs in: it works once. Who has it is the owner."""
        account, asked = request.match_info["id"], await content(request, SignInShape)
        token, ends = await self._write(
            request, lambda writing: changes.sign_in_token(writing, self.secrets, account, asked)
        )
        return said({"url": self.owner_url(token), "scope": one_time.Scope.OWNER, "expires": when(ends)}, 201)

    async def _write(self, request: web.Request, work: Callable[[Writing], T]) -> T:
        return await self.database.writing(who(request), work)

    async def _shown(self, account: str, status: int = 200, more: dict[str, Any] | None = None) -> web.Response:
        now, ladder = self.database.now(), self.ladder()
        found = await self.database.reading(lambda connection: shown(connection, account, now, ladder))
        return said(found | (more or {}), status)


def _one(
    method: str, path: str, handler: Handler, needs: Permission, summary: str, content: type[Shape] | None = None
) -> Operation:
    """Of something that is there, or not."""
    return Operation(
        method, path, handler, needs, summary, content=content,
        errors={404: "There is no such account, or nothing of the kind."},
    )  # fmt: skip


def _made(
    method: str,
    path: str,
    handler: Handler,
    needs: Permission,
    summary: str,
    content: type[Shape],
    *,
    twice: bool = False,
) -> Operation:
    """Something new."""
    errors = {409: "There is one of that name already."} if twice else {404: "There is no such account or key."}
    return Operation(method, path, handler, needs, summary, content=content, status=201, errors=errors)


def _id(request: web.Request) -> str:
    """Of an account that may be new. Raises Wrong."""
    return checked(AccountShape, {"id": request.match_info["id"]}).id


def _key(minted: MintedKey) -> dict[str, Any]:
    return {"key": minted.key, "prefix": minted.prefix}
