"""The operators' port of a gateway that runs, for commands: one client, and one sentence for whatever goes wrong.

    port = AdminPort(config, admin)
    said = port.get("/limits", account="acme")                      # or it ends with a sentence, and status 1
    done = port.send("PUT", "/overrides/3", content, etag="17")     # done.content, done.etag

`port.ask` raises `Refused` instead; `Client` is the same for a program that has a loop (`tidegate top`).
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final, NamedTuple, Self, TypeVar
from urllib.parse import quote

import aiohttp
import typer

from gateway.app.configuration import read_configuration
from gateway.cli.columns import second
from gateway.cli.configured import fail, fail_with
from gateway.cli.directory_access import NOTHING, UNSET
from gateway.control.operations import ACTOR
from gateway.rules.problems import Problems

T = TypeVar("T")
TOKEN: Final = "TIDEGATE_ADMIN_TOKEN"  # noqa: S105 - the name of the variable
ADMIN: Final = "TIDEGATE_ADMIN"
IN_FILE: Final = "admin_token in tidegate.yaml"
LIMIT: Final = aiohttp.ClientTimeout(total=90, connect=10)
"""A reload is waited for: workers may take a minute to load rules."""
ENDLESS: Final = aiohttp.ClientTimeout(connect=10, sock_read=45)
"""Of a feed, which says something at least every 15 seconds."""
LONGEST_EVENT: Final = 8 * 2**20
"""Bytes."""
SHOWN: Final = ("reason", "by", "created", "expires", "revision")
"""Of what somebody else has set, beside what it is."""

AdminOption = Annotated[
    str,
    typer.Option(
        "--admin",
        help="The operators' port: HOST:PORT, unix:/path or https://HOST; as the configuration says if not.",
        envvar=ADMIN,
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For scripts.")]


class Answer(NamedTuple):
    status: int
    content: Any
    etag: str
    """Without its quotes; empty where there is none."""


class Refused(Exception):
    """Not what was wanted. The text is for people; status 0 where nobody answered."""

    def __init__(self, said: str, status: int = 0, content: Any = None) -> None:
        super().__init__(said)
        self.status = status
        self.content = content if isinstance(content, dict) else {}


class Door(NamedTuple):
    """Where the port is, and with what it opens."""

    address: str
    token: str
    origin: str
    """Where the token is from, in words."""

    @property
    def base(self) -> str:
        if self.address.startswith("unix:"):
            return "http://localhost"
        if self.address.startswith(("http://", "https://")):
            return self.address.rstrip("/")
        return f"http://{self.address}"


def door_of(config: Path, admin: str) -> Door:
    """From --admin and the environment, else from the configuration. Ends with a sentence where that cannot be read."""
    token = os.environ.get(TOKEN, "")
    if admin and token:
        return Door(admin, token, TOKEN)
    try:
        file = _file(config)
    except Problems as problems:
        if admin and not config.exists():
            # What needs no token can be asked for from anywhere.
            return Door(admin, "", "")
        fail_with(problems)
    if token:
        return Door(admin or file.admin, token, TOKEN)
    stated = file.admin_token.get_secret_value() if file.admin_token is not None else ""
    return Door(admin or file.admin, stated, IN_FILE) if stated else Door(admin or file.admin, "", "")


def _file(config: Path) -> Any:
    """Raises Problems. Whoever asks a gateway need not have its credentials: a variable that is not set and that
    nothing here needs is none.
    """
    try:
        return read_configuration(config).file
    except Problems as problems:
        unset = [found[1] if (found := UNSET.search(problem.message)) else "" for problem in problems.problems]
        if not all(unset):
            raise
        file = read_configuration(config, os.environ | dict.fromkeys(unset, NOTHING)).file
        token = file.admin_token
        if NOTHING in file.admin or (token is not None and NOTHING in token.get_secret_value()):
            raise
        return file


class Client:
    """On a loop: `async with Client(door) as client`. Raises Refused."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        unix = self.door.address.startswith("unix:")
        path = self.door.address.removeprefix("unix:")
        connector = aiohttp.UnixConnector(path) if unix else aiohttp.TCPConnector()
        fields = {ACTOR: user()} | ({"Authorization": f"Bearer {self.door.token}"} if self.door.token else {})
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=LIMIT, headers=fields, read_bufsize=2**18, trust_env=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(
        self, method: str, path: str, content: Any = None, *, query: Mapping[str, Any] | None = None, etag: str = ""
    ) -> Answer:
        """What is wanted: a status below 400."""
        answer = await self.whatever(method, path, content, query=query, etag=etag)
        if answer.status >= 400:
            raise Refused(why(self.door, answer), answer.status, answer.content)
        return answer

    async def whatever(
        self, method: str, path: str, content: Any = None, *, query: Mapping[str, Any] | None = None, etag: str = ""
    ) -> Answer:
        """Any status."""
        fields = {"If-Match": f'"{etag}"'} if etag else {}
        try:
            async with self._open().request(
                method,
                self.door.base + path,
                json=content,
                params=_stated(query),
                headers=fields,
                allow_redirects=False,
            ) as answer:
                text = await answer.read()
                return Answer(answer.status, _parsed(text), answer.headers.get("ETag", "").strip('"'))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._away(error) from None

    async def copy(self, path: str, query: Mapping[str, Any], write: Callable[[bytes], object]) -> None:
        """Whatever the answer is, as it comes."""
        try:
            async with self._open().get(
                self.door.base + path, params=_stated(query), timeout=aiohttp.ClientTimeout(connect=10, sock_read=60)
            ) as answer:
                if answer.status >= 400:
                    found = Answer(answer.status, _parsed(await answer.read()), "")
                    raise Refused(why(self.door, found), found.status, found.content)
                async for chunk in answer.content.iter_any():
                    write(chunk)
        except (aiohttp.ClientError, TimeoutError) as error:  # No OSError: that is of what is written to.
            raise self._away(error) from None

    async def events(self, path: str, query: Mapping[str, Any] | None = None) -> AsyncIterator[tuple[str, Any]]:
        """Server-sent events (HTML Living Standard, 9.2): name and data, which is JSON. Ends where the feed does."""
        try:
            async with self._open().get(
                self.door.base + path, params=_stated(query), timeout=ENDLESS, headers={"Accept": "text/event-stream"}
            ) as answer:
                if answer.status >= 400:
                    found = Answer(answer.status, _parsed(await answer.read()), "")
                    raise Refused(why(self.door, found), found.status, found.content)
                async for name, text in _events(answer.content):
                    if (data := _parsed(text)) is not None:
                        yield name, data
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._away(error) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is not open")
        return self._session

    def _away(self, error: Exception) -> Refused:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, aiohttp.ClientConnectorError | ConnectionRefusedError | FileNotFoundError):
            number = error.errno or 0  # Below 0 it is of the resolver.
            said = os.strerror(number) if number > 0 else error.strerror or said
            return Refused(f"no gateway answers at {self.door.address} ({said}): does it run, and is this its `admin`?")
        return Refused(f"no answer from {self.door.address}: {said}")


class AdminPort:
    """For commands: whatever is refused ends them with a sentence on standard error, and status 1."""

    def __init__(self, config: Path, admin: str = "") -> None:
        self.door = door_of(config, admin)

    def get(self, path: str, **query: Any) -> Any:
        """The content. What is None, or empty, is not asked for."""
        return self.send("GET", path, query=query).content

    def send(
        self, method: str, path: str, content: Any = None, *, query: Mapping[str, Any] | None = None, etag: str = ""
    ) -> Answer:
        try:
            return self.ask(method, path, content, query=query, etag=etag)
        except Refused as refused:
            fail(str(refused))

    def ask(
        self, method: str, path: str, content: Any = None, *, query: Mapping[str, Any] | None = None, etag: str = ""
    ) -> Answer:
        """Raises Refused."""
        return self._run(lambda client: client.ask(method, path, content, query=query, etag=etag))

    def whatever(self, method: str, path: str, content: Any = None) -> Answer:
        """Any status. Raises Refused where nobody answers."""
        return self._run(lambda client: client.whatever(method, path, content))

    def copy(self, path: str, write: Callable[[bytes], object], **query: Any) -> None:
        try:
            self._run(lambda client: client.copy(path, query, write))
        except Refused as refused:
            fail(str(refused))

    def _run(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        async def whole() -> T:
            async with Client(self.door) as client:
                return await work(client)

        return asyncio.run(whole())


def segment(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="")


def why(door: Door, answer: Answer) -> str:
    """In a sentence, or a few lines: what was wrong, and what helps."""
    content = answer.content if isinstance(answer.content, dict) else {}
    error = content.get("error")
    said = readable(error) if isinstance(error, str) else ""
    match answer.status:
        case 401 if not door.token:
            return f"{door.address} wants a token: set {TOKEN}, or {IN_FILE}"
        case 401:
            return f"{door.address} does not take the token in {door.origin}: {said or 'it is unknown'}"
        case 403:
            return f"{said or 'this token may not do this'} (the token is from {door.origin or 'nowhere'})"
        case 404 if not said:
            return f"{door.address} is no gateway's operators' port, or that of another version"
        case 409 | 412:
            return "\n".join([said or "somebody else has changed it meanwhile", *_theirs(content)])
        case 422:
            return "\n".join([said, *_fields(content)]) if content.get("fields") else said
        case 400 | 404 | 413 | 421 | 428 | 429 | 502 | 503 if said:
            return said
    return f"{door.address} answered {answer.status}: {said or 'nothing that can be read'}"


def user() -> str:
    """Whom the system knows: stands in the audit beside the token's name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def readable(text: object) -> str:
    """Without what steers a terminal: callers choose names of models, accounts and their own ids."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in str(text))


def _theirs(content: Mapping[str, Any]) -> list[str]:
    """What is there now, where the answer says so."""
    found = next((content[name] for name in ("current", "override", "existing") if name in content), None)
    if not isinstance(found, dict):
        return []
    whole = found.get("said") or (json.dumps(found["change"], ensure_ascii=False) if "change" in found else "")
    lines = [f"  now: {whole}"] if whole else []
    for name in SHOWN:
        value = found.get(name)
        if value not in (None, ""):
            lines.append(f"  {name}: {f'{second(value)} UTC' if isinstance(value, float) else value}")
    return [*map(readable, lines), "  look at it again, then decide"] if lines else []


def _fields(content: Mapping[str, Any]) -> list[str]:
    fields = content["fields"]
    return [readable(f"  {name or 'the whole'}: {said}") for name, said in fields.items()]


def _stated(query: Mapping[str, Any] | None) -> dict[str, str]:
    """As a query has it; what is None or empty is left out."""
    found = {name: value for name, value in (query or {}).items() if value is not None and value != ""}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}


def _parsed(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, str]]:
    name, data, held = "message", list[str](), b""
    async for chunk in content.iter_any():
        *lines, held = (held + chunk).split(b"\n")
        if len(held) > LONGEST_EVENT:
            return
        for raw in lines:
            line = raw.rstrip(b"\r").decode("utf-8", "replace")
            if not line:
                if data:
                    yield name, "\n".join(data)
                name, data = "message", []
            elif not line.startswith(":"):
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
