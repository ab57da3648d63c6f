"""Mail to owners: one short text to one address, by SMTP in a thread.

The address is used and forgotten: it stands in no log, and neither does what a server says, which likes to repeat it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import smtplib
import ssl
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import formatdate, make_msgid, parseaddr
from typing import Final, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

AT_ONCE: Final = 2
"""Conversations: threads that wait for a slow server look up no names of upstreams meanwhile."""
WAITING: Final = 200
"""Mails that wait for their turn. More are not sent: whoever asked for one asks again."""
PATIENCE: Final = 20.0
"""Seconds for each step of a conversation with the mail server."""
LONGEST: Final = 254
"""Characters of an address (RFC 5321, section 4.5.3.1.3, less the angle brackets)."""
_PORTS: Final = {"smtp": 587, "smtps": 465}
_LOCAL: Final = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_LOCAL}@(?:{_LABEL}\.)+{_LABEL}")
"""As browsers check `type=email` (WHATWG HTML, "valid e-mail address"), with a dot in the domain."""


class MailUnavailable(Exception):
    """It was not sent. The text is for the log, and names nobody."""


class Mailer(Protocol):
    async def send(self, to: str, subject: str, text: str) -> None:
        """Raises MailUnavailable, and ValueError for an address that is none."""


class MailServer(NamedTuple):
    """Where mail goes out, as `mail.smtp` of tidegate.yaml names it."""

    host: str
    port: int
    implicit_tls: bool
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"<MailServer {self.host}:{self.port}>"


def mail_server(url: str) -> MailServer:
    """smtp://USER:PASSWORD@HOST:587 or smtps://…:465. Raises ValueError, whose text holds no password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("must be smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465")
    return MailServer(
        parts.hostname,
        _PORTS[parts.scheme] if port is None else port,
        parts.scheme == "smtps",
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def address(text: str) -> str:
    """One address, without spaces around it. Raises ValueError.

    A domain of other letters has to be written in its ASCII form (xn--…): ways to make that form differ, and mail for
    the one address must never go to the other.
    """
    found = text.strip()
    local = found.partition("@")[0]
    if len(found) > LONGEST or not _ADDRESS.fullmatch(found) or ".." in local or local[:1] == "." or local[-1:] == ".":
        raise ValueError("not an e-mail address")
    return found


class SmtpMailer:
    """A connection for each mail: they are few. Nothing is said in the clear, except to this machine."""

    def __init__(
        self, server: MailServer, sender: str, now: Callable[[], float], trust: ssl.SSLContext | None = None
    ) -> None:
        """`sender` is the From address, maybe with a name: `Tidegate <no-reply@example.com>`. `now` is Unix time."""
        self._server = server
        self._sender = sender
        self._now = now
        self._trust = trust or ssl.create_default_context()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    def __repr__(self) -> str:
        return f"<SmtpMailer {self._server!r}>"

    async def send(self, to: str, subject: str, text: str) -> None:
        """Raises MailUnavailable, and ValueError for an address that is none."""
        message = self._message(address(to), subject, text)
        if self._waiting >= WAITING:
            raise MailUnavailable(f"{self._server!r}: {WAITING} mails wait already")
        self._waiting += 1
        try:
            async with self._turns:
                await asyncio.to_thread(self._deliver, message)
        finally:
            self._waiting -= 1

    def _message(self, to: str, subject: str, text: str) -> EmailMessage:
        message = EmailMessage(policy=WIRE)
        message["From"] = self._sender
        message["To"] = Address(addr_spec=to)
        message["Subject"] = subject
        message["Date"] = formatdate(self._now())
        message["Message-ID"] = make_msgid(domain=parseaddr(self._sender)[1].rpartition("@")[2] or None)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday is to answer.
        message.set_content(text)
        return message

    def _deliver(self, message: EmailMessage) -> None:
        server = self._server
        try:
            with self._connect() as connection:
                if not server.implicit_tls and not _loopback(server.host):
                    connection.starttls(context=self._trust)
                if server.user:
                    connection.login(server.user, server.password)
                connection.send_message(message)
        except smtplib.SMTPResponseException as error:
            raise MailUnavailable(f"{server!r} answered {error.smtp_code}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailable(f"{server!r}: {type(error).__name__}") from None

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.implicit_tls:
            return smtplib.SMTP_SSL(server.host, server.port, timeout=PATIENCE, context=self._trust)
        return smtplib.SMTP(server.host, server.port, timeout=PATIENCE)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
