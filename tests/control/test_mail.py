"""Mail to owners, to real servers: what arrives, over which line, and what is never said."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.control import mail
from gateway.control.mail import MailServer, MailUnavailable, SmtpMailer, address, mail_server
from gateway.testing import Clock

NAME: Final = "mail.example.test"
SENDER: Final = "Tidegate <no-reply@example.com>"


class Server:
    """Takes everything, or answers with what it was told."""

    def __init__(self, answer: str = "250 OK") -> None:
        self.answer = answer
        self.mails: list[tuple[str, list[str], EmailMessage]] = []
        self.encrypted: list[bool] = []
        self.port = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((envelope.mail_from or "", envelope.rcpt_tos, message))
        self.encrypted.append(session.ssl is not None)
        return self.answer


@contextlib.asynccontextmanager
async def serving(server: Server, *, implicit: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[Server]:
    """On loopback."""
    loop = asyncio.get_running_loop()
    made = await loop.create_server(
        lambda: SMTP(server, hostname=NAME, loop=loop, **options), "127.0.0.1", 0, ssl=implicit
    )
    server.port = made.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        made.close()
        await made.wait_closed()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of NAME, signed by itself: the file with it, and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("mail")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*form))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def server_side(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """What a server proves itself with."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def trust(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """What believes it."""
    return ssl.create_default_context(cafile=certificate[0])


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """NAME is a host that is not this one, as far as anybody can see."""
    real = socket.getaddrinfo

    def found(host: str, *arguments: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host == NAME else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)


async def test_a_mail_arrives() -> None:
    """To loopback in the clear, with what a mail needs, and no holiday answers it."""
    async with serving(Server()) as server:
        mailer = SmtpMailer(MailServer("127.0.0.1", server.port, implicit_tls=False), SENDER, Clock())
        await mailer.send("ann@example.com", "Your link", "Zwölf Boxkämpfer\nhttps://example.com/a\n")
    [(sender, to, message)] = server.mails
    assert (sender, to) == ("no-reply@example.com", ["ann@example.com"])
    assert message["To"] == "ann@example.com"
    assert message["From"] == SENDER
    assert message["Auto-Submitted"] == "auto-generated"
    assert str(message["Message-ID"]).endswith("@example.com>")
    assert message["Date"].datetime.timestamp() == Clock()()
    assert message.get_content().split() == ["Zwölf", "Boxkämpfer", "https://example.com/a"]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "smtps"])
async def test_elsewhere_it_is_encrypted(implicit: bool, server_side: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    """With STARTTLS or from the first byte, and the password only after that."""
    seen: list[bytes] = []

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        seen.append(data.login + b":" + data.password)
        return AuthResult(success=True)

    options: dict[str, Any] = {"authenticator": authenticate, "auth_require_tls": not implicit}
    if not implicit:
        options |= {"tls_context": server_side, "require_starttls": True}
    async with serving(Server(), implicit=server_side if implicit else None, **options) as server:
        where = MailServer(NAME, server.port, implicit, "user@example.com", "p:ss w/rd")
        await SmtpMailer(where, SENDER, Clock(), trust).send("ann@example.com", "Your link", "text")
    assert len(server.mails) == 1
    assert seen == [b"user@example.com:p:ss w/rd"]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("case", ["no-starttls", "stranger", "refused", "nobody"])
async def test_it_is_not_sent(case: str, server_side: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    """In the clear, to a server that does not prove itself, or that says no: never, and nobody is named."""
    options: dict[str, Any] = {} if case == "no-starttls" else {"tls_context": server_side}
    answer = "554 ann@example.com is not wanted here" if case == "refused" else "250 OK"
    async with serving(Server(answer), **options) as server:
        port = server.port
        mailer = SmtpMailer(MailServer(NAME, port, False), SENDER, Clock(), None if case == "stranger" else trust)
        if case == "nobody":
            mailer = SmtpMailer(MailServer(NAME, _free_port(), False), SENDER, Clock(), trust)
        with pytest.raises(MailUnavailable) as failed:
            await mailer.send("ann@example.com", "Your link", "text")
    assert "ann@" not in str(failed.value)
    assert NAME in str(failed.value)
    assert case == "refused" or server.mails == []


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        pytest.param("ann@example.com\nBcc: eve@example.com", "Your link", id="address-with-a-line"),
        pytest.param("ann@example.com, eve@example.com", "Your link", id="two-addresses"),
        pytest.param("ann@example.com", "Your link\nBcc: eve@example.com", id="subject-with-a-line"),
    ],
)
async def test_no_line_is_smuggled_in(to: str, subject: str) -> None:
    """What makes more of a mail than one to one address is refused."""
    async with serving(Server()) as server:
        mailer = SmtpMailer(MailServer("127.0.0.1", server.port, implicit_tls=False), SENDER, Clock())
        with pytest.raises(ValueError):
            await mailer.send(to, subject, "text")
    assert server.mails == []


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", MailServer("mail.example.com", 587, False)),
        ("smtps://mail.example.com", MailServer("mail.example.com", 465, True)),
        ("smtp://u%40x:p%3As@mail.example.com:25/", MailServer("mail.example.com", 25, False, "u@x", "p:s")),
        ("smtp://[::1]:2525", MailServer("::1", 2525, False)),
    ],
)
def test_addresses_of_servers(url: str, server: MailServer) -> None:
    """As tidegate.yaml states them."""
    assert mail_server(url) == server


@pytest.mark.parametrize(
    "url", ["http://u:hunter2@x", "smtp://", "mail", "smtp://u:hunter2@x:port", "smtp://u:hunter2@x/y", "smtps://x?y"]
)
def test_no_addresses_of_servers(url: str) -> None:
    """What is none is refused without its password."""
    with pytest.raises(ValueError) as wrong:
        mail_server(url)
    assert "hunter2" not in str(wrong.value)


def test_nobody_prints_a_password() -> None:
    """Neither a server nor who sends through it shows more than where it is."""
    server = mail_server("smtp://user:hunter2@mail.example.com")
    assert "hunter2" not in repr(server) + repr(SmtpMailer(server, SENDER, Clock())) + str(server)


@pytest.mark.parametrize(
    "text", ["ann@example.com", " a.b+c@x.y.example ", "o'neil@example.co.uk", "a@xn--strae-oqa.de"]
)
def test_addresses(text: str) -> None:
    """Usual ones pass, without the spaces around them."""
    assert address(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    ["", "@", "a@b", "a@b@c.de", ".a@b.de", "a.@b.de", "a..b@c.de", "a b@c.de", "a@-b.de", "a@b_c.de", "a@straße.de",
     "ä@b.de", '"a b"@c.de', "a@[127.0.0.1]", "x" * 65 + "@b.de", "a@" + "b" * 64 + ".de",
     "a@" + "b." * 130 + "de"],
)  # fmt: skip
def test_no_addresses(text: str) -> None:
    """What is no address, or may be one of two, is none."""
    with pytest.raises(ValueError):
        address(text)


async def test_few_threads_wait_for_a_slow_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others of the process, such as those that look names up, are left alone; and not all mail waits."""
    monkeypatch.setattr(mail, "WAITING", 5)
    begun: list[None] = []
    goes_on = threading.Event()

    def deliver(*_: object) -> None:
        begun.append(None)
        assert goes_on.wait(10.0)

    monkeypatch.setattr(SmtpMailer, "_deliver", deliver)
    mailer = SmtpMailer(MailServer("127.0.0.1", 25, implicit_tls=False), SENDER, Clock())
    sending = [asyncio.ensure_future(mailer.send("ann@example.com", "s", "t")) for _ in range(5)]
    while len(begun) < mail.AT_ONCE:
        await asyncio.sleep(0)
    with pytest.raises(MailUnavailable, match="5 mails wait"):
        await mailer.send("ann@example.com", "s", "t")
    assert len(begun) == mail.AT_ONCE
    goes_on.set()
    await asyncio.gather(*sending)
    assert len(begun) == 5
