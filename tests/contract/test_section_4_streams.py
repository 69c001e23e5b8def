"""Contract section 4: large bodies, events, replies that break off, and what cannot be reached."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract.outside import Outside, Raw

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]


@contextmanager
def open_stream(outside: Outside, target: str) -> Iterator[socket.socket]:
    """A raw GET whose reply is read piece by piece."""
    place = urlsplit(outside.base)
    with socket.create_connection(("127.0.0.1", place.port or 80), timeout=20) as wire:
        head = (
            f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {outside.partner.api_key}\r\n"
        )
        wire.sendall(f"{head}Connection: close\r\n\r\n".encode())
        yield wire


def test_large_bodies_stream_both_ways(outside: Outside, customer: str) -> None:
    size = 40_000_000
    direct = requests.get(f"{outside.demo['sandboxUrl']}/_bytes/{size}", timeout=30).content
    through = outside.call("GET", outside.through(customer, f"/_bytes/{size}"))
    assert through.headers["Content-Length"] == str(size)
    assert hashlib.sha256(through.content).digest() == hashlib.sha256(direct).digest()
    sunk = outside.call("POST", outside.through(customer, "/_sink"), data=direct).json()
    assert sunk == {"bytes": size, "sha256": hashlib.sha256(direct).hexdigest()}


def test_server_sent_events_arrive_one_by_one(outside: Outside, customer: str) -> None:
    with open_stream(outside, outside.through(customer, "/_events/8")) as wire:
        moments, received = [], b""
        while piece := wire.recv(65_536):
            moments.append(time.monotonic())
            received += piece
    assert received.count(b"\ndata:") == 8
    assert len(moments) >= 4 and moments[-1] - moments[0] >= 0.25


@pytest.mark.usefixtures("_sandbox_at_rest")
def test_a_reply_that_breaks_off_breaks_off_for_the_partner(outside: Outside, customer: str) -> None:
    fault = {"match": {"path": "/crm/v3/objects/companies"}, "times": 1, "action": "truncate"}
    outside.control("POST", "/faults", fault)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        outside.call("GET", outside.through(customer, "/crm/v3/objects/companies")).content  # noqa: B018
    assert outside.call("GET", outside.through(customer, "/_echo/x")).status_code == 200


@pytest.mark.parametrize("path", ["/_control/state", "/_control/requests", "/developer/apps"])
def test_the_sandboxes_control_cannot_be_reached_through_the_proxy(
    outside: Outside, customer: str, path: str
) -> None:
    replies = [outside.raw("GET", outside.through(customer, path))]
    hosts = ("api.hubapi.com", "api.hsforms.com")
    for host in hosts:
        headers = [*outside.partner.bearer.items(), ("Patchbay-Host", host)]
        replies.append(outside.raw("GET", outside.through(customer, path), headers=headers))
    enveloped = outside.envelope(
        customer, url=path, headers={"Host": urlsplit(outside.demo["sandboxUrl"]).netloc}
    )
    replies.append(Raw(enveloped.status_code, [], enveloped.content))
    for reply in replies:
        assert reply.status == 404, reply.body[:200]
        assert b"refreshTokens" not in reply.body


def test_the_vendors_sdk_works_with_base_url_and_token_changed(outside: Outside, customer: str) -> None:
    from hubspot import HubSpot

    place = outside.base + outside.through(customer, "")
    client = HubSpot(access_token=outside.partner.api_key, host=place, base_url=place)
    page = client.crm.contacts.basic_api.get_page(limit=2)
    assert len(page.results) == 2
