"""msgraph-sdk, unchanged, in a process of its own, to a server that answers as Microsoft's Graph pages show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.provider_server import Answer
from tests.sdks import installed, page
from tests.sdks.conftest import Connect, Partner
from tests.sdks.vendor import Vendor

pytestmark = [pytest.mark.served, pytest.mark.slow]
ORIGIN = "https://graph.microsoft.com"
ME = {"id": "u1", "displayName": "Adele", "userPrincipalName": "adele@example.com"}


def refusal(status: int, code: str, message: str, **headers: str) -> Answer:
    return Answer({"error": {"code": code, "message": message}}, status=status, headers=headers)


class Graph:
    """A partner's program: the page's lines, and a story that uses them."""

    def __init__(self, vendor: Vendor, partner: Partner, folder: Path) -> None:
        self.vendor = vendor
        self._partner = partner
        self._folder = folder
        self._python = installed.python_with_msgraph()

    def tell(self, story: str) -> Any:
        environment = {
            "PROXY_URL": self._partner.proxy_url,
            "KEY": self._partner.key,
            "LINES": page.block("msgraph-sdk").text,
        }
        command = [str(self._python), str(installed.HERE / "msgraph" / "story.py"), story]
        return json.loads(installed.run(command, environment=environment, folder=self._folder))


@pytest.fixture
def graph(connect: Connect, tmp_path: Path) -> Graph:
    vendor, partner = connect(
        "microsoft",
        ORIGIN,
        token_endpoint="https://login.microsoftonline.com/common/oauth2/v2.0/token",
        expired=refusal(
            401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."
        ),
    )
    return Graph(vendor, partner, tmp_path)


def test_graphs_client_reads_and_writes(graph: Graph) -> None:
    vendor = graph.vendor
    vendor.on("GET", "/v1.0/me", ME)
    assert graph.tell("me") == "Adele"
    vendor.on("POST", "/v1.0/me/contacts", Answer({"id": "c1"}, status=201))
    vendor.on("PATCH", "/v1.0/me/contacts/c1", {"id": "c1", "surname": "Ä"})
    vendor.on("DELETE", "/v1.0/me/contacts/c1", Answer(b"", status=204))
    assert graph.tell("write") == ["c1", "Ä"]
    assert vendor.received("/v1.0/me/contacts")[0].json["givenName"] == "Zoë & 9007199254740993"


def test_graphs_client_pages_by_absolute_links(graph: Graph) -> None:
    vendor = graph.vendor
    following = f"{ORIGIN}/v1.0/me/messages?$select=subject&$top=1&$skiptoken=a%2Bb%3D"
    vendor.on(
        "GET",
        "/v1.0/me/messages",
        {"value": [{"id": "m1", "subject": "First"}], "@odata.nextLink": following},
        {"value": [{"id": "m2", "subject": "Second"}]},
    )
    assert graph.tell("page") == ["First", "Second"]
    assert vendor.received("/v1.0/me/messages")[1].query["$skiptoken"] == "a+b="


def test_graphs_client_uploads_and_follows_a_download_without_the_key(graph: Graph) -> None:
    vendor = graph.vendor
    path = "/v1.0/drives/d1/items/f1/content"
    vendor.on("PUT", path, {"id": "f1", "size": 256_000})
    elsewhere = f"{vendor.server.url}/download/f1?tempauth=x"
    vendor.on("GET", path, Answer(b"", status=302, headers={"Location": elsewhere}))
    vendor.server.on("GET", f"https://{vendor.server.url.removeprefix('http://')}/download/f1", b"\x00\xff")
    assert graph.tell("content") == ["f1", "00ff"]
    assert vendor.received(path)[0].body == bytes(range(256)) * 1_000
    (download,) = [request for request in vendor.server.requests if "/download/" in request.target]
    assert download.header("Authorization") is None


def test_graphs_client_raises_its_own_error_with_graphs_message(graph: Graph) -> None:
    message = "The specified object was not found in the store."
    graph.vendor.on("GET", "/v1.0/me/messages/none", refusal(404, "ErrorItemNotFound", message))
    assert graph.tell("refused") == [404, "ErrorItemNotFound", message]


def test_prx_29_graphs_client_waits_as_graph_asks_and_tries_again(graph: Graph) -> None:
    limited = refusal(429, "TooManyRequests", "Please retry again later.", **{"Retry-After": "1"})
    graph.vendor.on("GET", "/v1.0/me", limited, ME)
    assert graph.tell("me") == "Adele"
    assert len(graph.vendor.received("/v1.0/me")) == 2


def test_graphs_client_does_not_notice_that_its_token_expired(graph: Graph) -> None:
    graph.vendor.on("GET", "/v1.0/me", ME)
    graph.vendor.expire(expires_in=3_600, refresh_token="next")
    assert graph.tell("me") == "Adele"
    assert graph.vendor.refreshes == 1
