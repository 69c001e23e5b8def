"""One platform for the whole table: served for real, with a recording server for each of the provider's origins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.management import call_command
from django.test import override_settings

from integrations.models import Connection
from tests import factories
from tests.egress.servers import Conversation, Server
from tests.factories import HUBSPOT_ORIGINS, World
from tests.proxy.conftest import TOKEN
from tests.proxy.hostile import catalogued, providers
from tests.proxy.hostile.network import Network, watched
from tests.proxy.hostile.rows import PAGE, SERVER, Row
from tests.proxy.servers import RawReply, Served, served

#: places to which nothing may go, reachable for whoever gets them wrong
TRAPS = (
    "https://evil.example",
    "https://api.hubapi.com.evil.example",
    "https://app.hubspot.com",
    "https://hubapi.com",
    "https://api.hubapi.com:8443",
    "https://127.0.0.1",
    "https://[::1]",
    "https://169.254.169.254",
    "https://localhost",
    "http://api.hubapi.com",
    "http://evil.example",
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answering(conversation: Conversation) -> None:
    """A redirect where the path asks for one; else a short yes."""
    while True:
        request = conversation.read_request()
        target = request.split(b" ", 2)[1]
        if target.startswith(b"/redirect/"):
            _, _, status, location = target.split(b"/", 3)
            conversation.send(
                b"HTTP/1.1 %s Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
                % (status, bytes.fromhex(location.decode()))
            )
        else:
            conversation.send(ANSWER)


@dataclass
class Arrived:
    """One request as a provider's server received it."""

    origin: str
    request: bytes

    @property
    def url(self) -> str:
        return self.origin + self.request.split(b" ", 2)[1].decode("ascii")

    @property
    def fields(self) -> list[tuple[str, str]]:
        lines = self.request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


@dataclass
class Place:
    """The platform, its customer, the world outside, and what happens there."""

    platform: Served
    at: World
    connection: Connection
    network: Network
    servers: dict[str, Server] = field(default_factory=dict)

    def arrived(self) -> list[Arrived]:
        """What came to any server since it was asked last."""
        found = []
        for origin, server in self.servers.items():
            found += [Arrived(origin, request) for request in server.requests]
            server.requests.clear()
        return found

    @property
    def bearer(self) -> str:
        return f"Authorization: Bearer {self.at.api_key}"

    def passthrough(self, target: str, *fields: str, host: str = "localhost") -> RawReply:
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}", self.bearer, *fields, "", ""]
        return self.platform.raw("\r\n".join(lines).encode("latin-1"))

    def post(self, path: str, content: bytes, content_type: str) -> RawReply:
        return self.platform.call(
            "POST",
            path,
            [("Authorization", f"Bearer {self.at.api_key}"), ("Content-Type", content_type)],
            content,
        )

    def envelope(self, url: str, **members: Any) -> RawReply:
        envelope = {"userForeignIdentifier": "cust", "method": "GET", "url": url, **members}
        return self.post("/api/v1/proxy/hbdev", json.dumps(envelope).encode(), "application/json")

    def stackgo(self, url: str, path: str = "/api/raw/hbdev") -> RawReply:
        form = {"userForeignIdentifier": "cust", "method": "get", "url": url}
        content = urlencode(form, errors="surrogatepass").encode()
        return self.post(path, content, "application/x-www-form-urlencoded")

    def check(self, row: Row, got: RawReply) -> list[Arrived]:
        """Hold a call to its row: what was answered, what arrived where, and that nothing else happened."""
        arrived = self.arrived()
        assert [found.url for found in arrived] == ([row.lands] if row.lands else []), row.why
        assert (got.status, _code(got)) == (row.status, "" if row.code in (SERVER, PAGE) else row.code), (
            row.why
        )
        self.check_secrets(got, arrived)
        assert self.network.elsewhere == [], row.why
        assert self.network.ports <= {self.platform.port, *(server.port for server in self.servers.values())}
        return arrived

    def check_secrets(self, got: RawReply, arrived: list[Arrived]) -> None:
        """The customer's token went to the provider once and to nobody else; the partner's key stayed."""
        assert TOKEN.encode() not in got.raw + got.body
        for found in arrived:
            assert found.origin in factories.HUBSPOT_ORIGINS and found.origin not in TRAPS
            assert found.request.count(TOKEN.encode()) == 1
            assert self.at.api_key.encode() not in found.request
            values = dict(found.fields)
            assert values["authorization"] == f"Bearer {TOKEN}"
            assert [value for name, value in found.fields if name == "host"] == [
                found.origin.removeprefix("https://")
            ]
            assert not any(name.startswith("patchbay-") for name in values)


def _code(got: RawReply) -> str:
    if got.get("Content-Type") != "application/problem+json":
        return ""
    return str(json.loads(got.body)["code"])


@pytest.fixture(scope="package")
def transactional_db(django_db_setup: Any, django_db_blocker: Any) -> Iterator[None]:
    """In place of the fixture of that name: committed rows, emptied once, after all of this folder's tests."""
    with django_db_blocker.unblock():
        yield
        call_command("flush", verbosity=0, interactive=False)


@pytest.fixture(scope="package")
def place(transactional_db: None) -> Iterator[Place]:
    """Made once: the table's rows change nothing, and each looks only at what its own call did."""
    origins = [*(origin for origin in HUBSPOT_ORIGINS if origin not in TRAPS), *TRAPS]
    origins += providers.ORIGINS.values()
    servers = {origin: Server(answering) for origin in origins}
    mapping = {origin: f"http://127.0.0.1:{server.port}" for origin, server in servers.items()}
    # One server for the hosts of all other entries: what came to it is told apart by its Host.
    servers[""] = Server(answering)
    others = {f"https://{host}" for entry in catalogued.ENTRIES for host in entry.hosts} - mapping.keys()
    mapping |= dict.fromkeys(others, f"http://127.0.0.1:{servers[''].port}")
    at = factories.world()
    cust = factories.connection(at, "cust", access_token=TOKEN, expires_in=86_400)
    for provider_id in providers.ORIGINS:
        connected(at, provider_id, **providers.KNOWN.get(provider_id, {}))
    for entry in catalogued.ENTRIES:
        connected(at, entry.id, entry.integration, **entry.connection)
    with override_settings(UPSTREAM_MAP=mapping), served() as platform, watched() as network:
        yield Place(platform, at, cust, network, servers)
    for server in servers.values():
        server.close()


def connected(at: World, provider_id: str, config: dict[str, str] | None = None, **known: Any) -> None:
    """The same customer's connection with another provider, of the integration `of-{provider_id}`.

    config: what staff have told of it. known: what the connection knows beside its token.
    """
    made = factories.integration(
        f"of-{provider_id}", provider_id, client_id="0123456789abcdef", connection_config=config or {}
    )
    at.credential.integration_grants.create(integration=made)
    there = World(at.partner, at.new_credential, made, made.current_client())
    factories.connection(there, "cust", access_token=TOKEN, expires_in=86_400, **known)
