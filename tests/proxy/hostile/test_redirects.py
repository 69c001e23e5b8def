"""Redirects are the partner's to follow: they come back as they are, and nobody goes there."""

from __future__ import annotations

import pytest

from tests.proxy.hostile.conftest import Place
from tests.proxy.hostile.rows import API
from tests.proxy.servers import RawReply

pytestmark = pytest.mark.served

LOCATIONS = {
    "other-host": "https://evil.example/x",
    "relative-host": "//evil.example/x",
    "clear-text": "http://api.hubapi.com/x",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "loopback": "https://127.0.0.1/",
    "userinfo": "https://api.hubapi.com@evil.example/",
    "closed-path": "https://api.hubapi.com/oauth/v1/token",
    "own-path": "/x",
    "itself": "",
    "file": "file:///etc/passwd",
    "script": "javascript:alert(1)",
}


def location_of(place: Place, door: str, status: int, location: str) -> RawReply:
    path = f"/redirect/{status}/{location.encode().hex()}"
    if door == "passthrough":
        return place.passthrough("/proxy/hbdev/cust" + path)
    if door == "envelope":
        return place.envelope(path)
    return place.stackgo(path)


@pytest.mark.parametrize("location", LOCATIONS.values(), ids=LOCATIONS.keys())
@pytest.mark.parametrize("door", ["passthrough", "envelope", "stackgo"])
def test_prx_36_a_redirect_is_handed_back(place: Place, door: str, location: str) -> None:
    for status in (301, 302, 303, 307, 308):
        got = location_of(place, door, status, location)
        arrived = place.arrived()
        assert (got.status, got.get("Location")) == (status, location)
        assert [found.origin for found in arrived] == [API]
        place.check_secrets(got, arrived)
    assert place.network.elsewhere == []
