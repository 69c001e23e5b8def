import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from egress.aio import AsyncClient
from tests.egress.servers import Handler, Server

ORIGIN = "https://api.provider.example"
Serve = Callable[..., Server]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The server runs on uvloop, other processes on asyncio's loop; they differ in how sockets close."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def serve(settings: Any) -> Iterator[Serve]:
    """Start a server and map ORIGIN, or another origin, to it."""
    servers: list[Server] = []
    settings.UPSTREAM_MAP = {}

    def start(handler: Handler, *, origin: str = ORIGIN, ssl_context: ssl.SSLContext | None = None) -> Server:
        server = Server(handler, ssl_context=ssl_context)
        servers.append(server)
        scheme = "http" if ssl_context is None else "https"
        settings.UPSTREAM_MAP = settings.UPSTREAM_MAP | {origin: f"{scheme}://127.0.0.1:{server.port}"}
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with AsyncClient() as opened:
        yield opened


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate, and its key, for api.provider.example alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.provider.example")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("api.provider.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))
