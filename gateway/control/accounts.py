"""The admin port's accounts: how sign-up, billing and support systems feed the directory. JSON in, JSON out.

All of it needs the admin token, what only looks as well: it is about people. Each change is one transaction with its
lines in the audit, and is in force on every worker within a second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from gateway.accounts import one_time
from gateway.accounts.keys import MintedKey
from gateway.accounts.ladder import Ladder
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys
from gateway.accounts.sql.accounts import Exists, NoSuch
from gateway.accounts.sql.database import Database, Writing
from gateway.control import account_changes as changes
from gateway.control.account_shapes import (
    AccountShape,
    EvidenceShape,
    FallShape,
    KeyShape,
    LinksShape,
    MemberShape,
    MoveShape,
    PageShape,
    RotateShape,
    SignInShape,
    WhyShape,
    Wrong,
    checked,
)
from gateway.control.account_shown import NEAR, audit_of, keys_of, listed, shown, when

ACTOR: Final = "X-Tidegate-Actor"
"""The request field in which a system says for whom it asks."""
WHO: Final = "admin_token"
AUDIT: Final = 100
"""Lines of an account's audit."""

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.Response]]


class AccountsApi:
    """`add_to` is for `gateway.control.admin.application`."""

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

    def add_to(self, app: web.Application) -> None:
        """Its routes."""
        one = "/accounts/{id}"
        for method, path, handler in (
            ("GET", "/accounts", self.list),
            ("POST", "/accounts", self.create),
            ("GET", one, self.show),
            ("PATCH", one, self.move),
            ("POST", f"{one}/suspend", self.suspend),
            ("POST", f"{one}/restore", self.restore),
            ("GET", f"{one}/audit", self.audit),
            ("GET", f"{one}/keys", self.list_keys),
            ("POST", f"{one}/keys", self.create_key),
            ("POST", "/keys/{prefix}/rotate", self.rotate_key),
            ("DELETE", "/keys/{prefix}", self.revoke_key),
            ("POST", f"{one}/evidence", self.add_evidence),
            ("DELETE", f"{one}/evidence/{{kind}}", self.withdraw_evidence),
            ("POST", f"{one}/falls/{{fall}}", self.add_fall),
            ("DELETE", f"{one}/falls/{{fall}}", self.clear_fall),
            ("POST", f"{one}/links", self.add_links),
            ("POST", f"{one}/members", self.add_member),
            ("POST", f"{one}/link", self.sign_in_link),
        ):
            app.router.add_route(method, path, _bordered(handler))

    async def list(self, request: web.Request) -> web.Response:
        """`?tier=&organisation=&suspended=&limit=&after=`. `next` is the `after` of the next page, or null."""
        page = checked(PageShape, _query(request))
        found, after = await self.database.reading(lambda connection: listed(connection, page))
        return _json({"accounts": found, "next": after or None})

    async def show(self, request: web.Request) -> web.Response:
        return await self._shown(request.match_info["id"])

    async def create(self, request: web.Request) -> web.Response:
        """201 with the account, and with its key where one was asked for: it is never shown again."""
        asked = checked(AccountShape, await _content(request))
        limits = self.limits()
        minted = await self._write(request, lambda writing: changes.create(writing, self.secrets, asked, limits))
        return await self._shown(asked.id, 201, {} if minted is None else _key(minted))

    async def move(self, request: web.Request) -> web.Response:
        account, asked = request.match_info["id"], checked(MoveShape, await _content(request))
        await self._write(request, lambda writing: changes.move(writing, account, asked))
        return await self._shown(account)

    async def suspend(self, request: web.Request) -> web.Response:
        account, why = request.match_info["id"], checked(WhyShape, await _content(request))
        await self._write(request, lambda writing: accounts.suspend(writing, account, why.reason))
        return await self._shown(account)

    async def restore(self, request: web.Request) -> web.Response:
        account, why = request.match_info["id"], checked(WhyShape, await _content(request))
        await self._write(request, lambda writing: accounts.restore(writing, account, why.reason))
        return await self._shown(account)

    async def audit(self, request: web.Request) -> web.Response:
        account = request.match_info["id"]
        lines = await self.database.reading(lambda connection: audit_of(connection, account, AUDIT))
        if not lines:
            raise NoSuch(f"nothing was ever done to an account `{account}`")
        return _json({"audit": lines})

    async def list_keys(self, request: web.Request) -> web.Response:
        account, now = request.match_info["id"], self.database.now()
        return _json({"keys": await self.database.reading(lambda connection: keys_of(connection, account, now))})

    async def create_key(self, request: web.Request) -> web.Response:
        """201 with the key: it is never shown again."""
        account, asked = request.match_info["id"], checked(KeyShape, await _content(request))
        minted = await self._write(request, lambda writing: changes.create_key(writing, self.secrets, account, asked))
        return _json(_key(minted), 201)

    async def rotate_key(self, request: web.Request) -> web.Response:
        """201 with the key that takes over."""
        prefix, asked = request.match_info["prefix"], checked(RotateShape, await _content(request))
        minted = await self._write(request, lambda writing: changes.rotate_key(writing, self.secrets, prefix, asked))
        return _json(_key(minted), 201)

    async def revoke_key(self, request: web.Request) -> web.Response:
        prefix, why = request.match_info["prefix"], checked(WhyShape, await _content(request))
        account = await self._write(request, lambda writing: keys.revoke(writing, prefix, why.reason))
        return _json({"prefix": prefix, "account": account, "state": "revoked"})

    async def add_evidence(self, request: web.Request) -> web.Response:
        """An account that only tokens have named so far gets a row."""
        account, asked = _id(request), checked(EvidenceShape, await _content(request))
        await self._write(request, lambda writing: changes.add_evidence(writing, account, asked))
        return await self._shown(account, 201)

    async def withdraw_evidence(self, request: web.Request) -> web.Response:
        account, kind = request.match_info["id"], request.match_info["kind"]
        why = checked(WhyShape, await _content(request))
        await self._write(request, lambda writing: changes.withdraw_evidence(writing, account, kind, why.reason))
        return await self._shown(account)

    async def add_fall(self, request: web.Request) -> web.Response:
        """As `add_evidence`."""
        account, content = _id(request), await _content(request)
        asked = checked(FallShape, content | {"fall": request.match_info["fall"]})
        await self._write(request, lambda writing: changes.add_fall(writing, account, asked))
        return await self._shown(account, 201)

    async def clear_fall(self, request: web.Request) -> web.Response:
        account, fall = request.match_info["id"], request.match_info["fall"]
        why = checked(WhyShape, await _content(request))
        await self._write(request, lambda writing: changes.clear_fall(writing, account, fall, why.reason))
        return await self._shown(account)

    async def add_links(self, request: web.Request) -> web.Response:
        """What came of it: nothing of the links themselves."""
        account, asked, limits = _id(request), checked(LinksShape, await _content(request)), self.limits()
        done = await self._write(
            request, lambda writing: changes.add_links(writing, self.secrets, account, asked, limits)
        )
        others = [one for one in done.identity if one != account]
        return _json({"account": account, "over_limit": done.over, "same_identity": others[:NEAR]}, 201)

    async def add_member(self, request: web.Request) -> web.Response:
        """Whoever answers from the address may sign in. One that is there already stays."""
        account, asked = request.match_info["id"], checked(MemberShape, await _content(request))
        await self._write(request, lambda writing: changes.add_member(writing, self.secrets, account, asked))
        return _json({"account": account}, 201)

    async def sign_in_link(self, request: web.Request) -> web.Response:
        """A link with which the account's owner signs in: it works once. Who has it is the owner."""
        account, asked = request.match_info["id"], checked(SignInShape, await _content(request))
        token, ends = await self._write(
            request, lambda writing: changes.sign_in_token(writing, self.secrets, account, asked)
        )
        return _json({"url": self.owner_url(token), "scope": one_time.Scope.OWNER, "expires": when(ends)}, 201)

    async def _write(self, request: web.Request, work: Callable[[Writing], T]) -> T:
        who = changes.by(WHO, request.headers.get(ACTOR, ""))
        return await self.database.writing(who, work)

    async def _shown(self, account: str, status: int = 200, more: dict[str, Any] | None = None) -> web.Response:
        now, ladder = self.database.now(), self.ladder()
        found = await self.database.reading(lambda connection: shown(connection, account, now, ladder))
        return _json(found | (more or {}), status)


def _bordered(handler: Handler) -> Handler:
    """What callers can do wrong, and a database that is away, as answers."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Wrong as wrong:
            return _json({"error": "some fields are wrong", "fields": wrong.fields}, 422)
        except NoSuch as error:
            return _json({"error": str(error)}, 404)
        except Exists as error:
            return _json({"error": str(error)}, 409)
        except IntegrityError:
            return _json({"error": "somebody has changed the same at the same time: ask again"}, 409)
        except SQLAlchemyError:
            return _json({"error": "the directory cannot be asked just now: try again"}, 503)

    return answer


async def _content(request: web.Request) -> dict[str, Any]:
    """An object; nothing at all is an empty one."""
    content = await request.read()
    try:
        found = orjson.loads(content) if content.strip() else {}
    except ValueError:
        raise Wrong({"": "the content must be JSON"}) from None
    if not isinstance(found, dict):
        raise Wrong({"": "the content must be a JSON object"})
    return found


def _query(request: web.Request) -> dict[str, Any]:
    """Numbers and truths as JSON has them, where they are any."""
    found: dict[str, Any] = dict(request.query)
    for name, value in found.items():
        if name == "limit" and value.isascii() and value.isdecimal() and len(value) < 10:
            found[name] = int(value)
        elif name == "suspended" and value in ("true", "false"):
            found[name] = value == "true"
    return found


def _id(request: web.Request) -> str:
    """Of an account that may be new. Raises Wrong."""
    return checked(AccountShape, {"id": request.match_info["id"]}).id


def _key(minted: MintedKey) -> dict[str, Any]:
    return {"key": minted.key, "prefix": minted.prefix}


def _json(content: dict[str, Any], status: int = 200) -> web.Response:
    """Kept by nobody on the way: it is about people, and may hold a key."""
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )
