"""Every entry's own words for what is closed, tried at both doors and in other spellings; its calls pass."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from tests.proxy.conftest import TOKEN
from tests.proxy.hostile.catalogued import ENTRIES, Entry, spellings
from tests.proxy.hostile.conftest import Arrived, Place
from tests.proxy.servers import RawReply

pytestmark = pytest.mark.served
WITH_CLOSED = [entry for entry in ENTRIES if entry.closed]


def enveloped(place: Place, entry: Entry, url: str, method: str = "POST") -> RawReply:
    envelope = {"userForeignIdentifier": "cust", "method": method, "url": url}
    return place.post(f"/api/v1/proxy/of-{entry.id}", json.dumps(envelope).encode(), "application/json")


def passed_through(place: Place, entry: Entry, url: str) -> RawReply | None:
    """None where no passthrough call can name the address: it is beside the path of the base."""
    host, start = urlsplit(url).netloc, f"/proxy/of-{entry.id}/cust"
    if url.startswith((f"{entry.base}/", f"{entry.base}?")):
        return place.passthrough(start + url.removeprefix(entry.base))
    if host == urlsplit(entry.base).netloc:
        return None
    return place.passthrough(start + url.removeprefix(f"https://{host}"), f"Patchbay-Host: {host}")


def require_refused(place: Place, url: str, *replies: RawReply | None) -> None:
    for got in replies:
        if got is not None:
            assert (got.status, json.loads(got.body)["code"]) == (403, "destination_not_allowed"), url
            assert TOKEN.encode() not in got.raw + got.body


@pytest.mark.parametrize("entry", WITH_CLOSED, ids=str)
def test_prx_36_what_an_entry_closes_gets_no_token_however_it_is_written(place: Place, entry: Entry) -> None:
    for url in entry.closed:
        require_refused(place, url, enveloped(place, entry, url), passed_through(place, entry, url))
        for written in spellings(url):
            require_refused(
                place, written, passed_through(place, entry, written) or enveloped(place, entry, written)
            )
    assert place.arrived() == []
    assert place.network.elsewhere == []


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_a_call_of_an_entry_passes_at_both_doors(place: Place, entry: Entry) -> None:
    got = [enveloped(place, entry, entry.open, "GET"), passed_through(place, entry, entry.open)]
    assert [reply and reply.status for reply in got] == [200, 200]
    arrived = place.arrived()
    assert [address_of(found) for found in arrived] == [entry.open.partition("?")[0]] * 2
    for found in arrived:
        assert place.at.api_key.encode() not in found.request
    assert place.network.elsewhere == []


def address_of(found: Arrived) -> str:
    """Without its query, in which the credential may stand. Several hosts lead to one server here."""
    (host,) = [value for name, value in found.fields if name == "host"]
    target = found.request.split(b" ", 2)[1].decode("ascii")
    return f"https://{host}{target.partition('?')[0]}"
