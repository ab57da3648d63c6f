"""TLS on both sides, with a certificate made for the day."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.edge.edge import Settings
from gateway.edge.listener import address_of, bind, listen, tls_context
from gateway.edge.upstream import Origin, Timeouts
from gateway.policy import Action, Decision
from tests.edge.conftest import ScriptedUpstream, Serve, post, read_answer, whole

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tidegate test")])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


async def test_tls_on_both_sides(serve: Serve, certificate: tuple[Path, Path]) -> None:
    """Callers over TLS, upstream over TLS; the upstream is told that it was https; large answers pass."""
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    content = b"[" + b" " * 3_000_000 + b"]"
    scripted = ScriptedUpstream(whole(content))
    secure = await asyncio.start_server(scripted.serve, "127.0.0.1", 0, ssl=tls_context(*certificate))
    port = secure.sockets[0].getsockname()[1]
    origin = Origin("tls", "127.0.0.1", port, b"upstream.test", tls=trusting)
    async with serve(origins=[origin]) as served:
        bound = bind("127.0.0.1:0")
        listening = await listen(served.edge, bound, tls_context(*certificate))
        reader, writer = await asyncio.open_connection("127.0.0.1", bound.getsockname()[1], ssl=trusting)
        for _ in range(2):
            writer.write(post())
            async with asyncio.timeout(10):
                assert (await read_answer(reader)).endswith(content)
        assert scripted.connections == 1
        assert scripted.heard[0].field(b"x-forwarded-proto") == b"https"
        assert scripted.heard[0].field(b"forwarded") == b"for=127.0.0.1;proto=https"
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost : a\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await read_answer(reader)).startswith(b"HTTP/1.1 400")
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        listening.close()
    secure.close()


async def test_an_upstream_that_is_not_trusted(serve: Serve, certificate: tuple[Path, Path]) -> None:
    """A certificate that nobody vouches for is no upstream: no byte of the request goes there."""
    scripted = ScriptedUpstream()
    secure = await asyncio.start_server(scripted.serve, "127.0.0.1", 0, ssl=tls_context(*certificate))
    port = secure.sockets[0].getsockname()[1]
    origin = Origin("tls", "127.0.0.1", port, b"upstream.test", tls=ssl.create_default_context())
    async with serve(origins=[origin], timeouts=Timeouts(connect=2)) as served:
        answer = await served.exchange(post())
        assert answer.startswith(b"HTTP/1.1 503") and b'"code":"upstream_unreachable"' in answer
        assert not scripted.heard
    secure.close()


def test_old_versions_are_not_spoken(certificate: tuple[Path, Path]) -> None:
    """TLS 1.2 is the oldest."""
    assert tls_context(*certificate).minimum_version is ssl.TLSVersion.TLSv1_2


async def test_links_are_opened_as_their_reader_came(serve: Serve, certificate: tuple[Path, Path]) -> None:
    """Without `public_url` they follow the Host field, and nobody who speaks TLS is sent to a port without it."""
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    members = {"challenge_url": "/tidegate/challenge/T"}
    async with serve() as served:
        served.policy.decision = Decision(Action.CHALLENGE, "challenge_required", "No.", members=members)
        bound = bind("127.0.0.1:0")
        listening = await listen(served.edge, bound, tls_context(*certificate))
        reader, writer = await asyncio.open_connection("127.0.0.1", bound.getsockname()[1], ssl=trusting)
        writer.write(post())
        async with asyncio.timeout(5):
            answer = await read_answer(reader)
        assert b'"challenge_url":"https://gateway/tidegate/challenge/T"' in answer
        writer.close()
        await writer.wait_closed()
        listening.close()


async def test_who_never_shakes_hands_is_sent_away(serve: Serve, certificate: tuple[Path, Path]) -> None:
    """A connection that is not the edge's yet has the time of a head, and no more."""
    async with serve(Settings(head_timeout=0.05)) as served:
        bound = bind("127.0.0.1:0")
        port = bound.getsockname()[1]
        listening = await listen(served.edge, bound, tls_context(*certificate))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        listening.close()


async def test_unix_socket(serve: Serve, tmp_path: Path) -> None:
    """A Unix socket is an address, too; what was left of it is removed; its peer has none."""
    path = tmp_path / "edge.sock"
    path.write_text("left behind")
    async with serve() as served:
        bound = bind(f"unix:{path}")
        assert address_of(bound) == f"unix:{path}"
        listening = await listen(served.edge, bound)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(post())
        async with asyncio.timeout(5):
            assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
        assert served.upstream.heard[0].field(b"forwarded") == b"for=unknown;proto=http"
        assert served.upstream.heard[0].field(b"x-forwarded-for") == b"unknown"
        writer.close()
        await writer.wait_closed()
        listening.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"], ids=["ipv4", "ipv6"])
async def test_addresses(host: str) -> None:
    """What is bound is told as it is written; two may share it."""
    first = bind(f"{host}:0")
    address = address_of(first)
    assert address.startswith(f"{host}:")
    bind(address).close()
    first.close()
