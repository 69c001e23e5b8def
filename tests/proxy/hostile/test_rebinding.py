"""Names that resolve to what is not the provider: each address is checked, and only those checked are used."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import connector
from django.test import override_settings

from egress import resolver
from tests.proxy.hostile.conftest import Place

pytestmark = pytest.mark.served
PUBLIC = "93.184.216.34"


class Dialled(list[list[str]]):
    """The addresses that were about to be connected to; nothing is."""

    async def start_connection(self, addr_infos: list[Any], **options: Any) -> None:
        self.append([info[4][0] for info in addr_infos])
        raise ConnectionRefusedError(111, "refused")


@pytest.fixture
def dialled(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dialled]:
    """No origin is mapped, and every connection is only noted."""
    dialled = Dialled()
    monkeypatch.setattr(connector.aiohappyeyeballs, "start_connection", dialled.start_connection)
    with override_settings(UPSTREAM_MAP={}):
        yield dialled


def answer(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """What the name server says, one answer after the other, the last one for ever."""
    told = itertools.chain(answers, itertools.repeat(answers[-1]))
    monkeypatch.setattr(resolver, "lookup", lambda host: next(told))


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["0.0.0.0"],
        ["10.0.0.5"],
        ["100.64.0.1"],
        ["169.254.169.254"],
        ["168.63.129.16"],
        ["255.255.255.255"],
        ["::1"],
        ["::"],
        ["::ffff:127.0.0.1"],
        ["::ffff:93.184.216.34"],
        ["64:ff9b::7f00:1"],
        ["64:ff9b:1::1"],
        ["2002:7f00:1::"],
        ["2001:0:7f00:1::"],
        ["fe80::1"],
        ["fe80::1%1"],
        ["fd00:ec2::254"],
        ["ff02::1"],
        ["2606:4700::1111%1"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        [PUBLIC, "2606:4700::1111", "::1"],
    ],
    ids=", ".join,
)
def test_prx_36_a_name_of_an_inner_address_gets_nothing(
    place: Place, dialled: Dialled, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    answer(monkeypatch, addresses)
    got = place.passthrough("/proxy/hbdev/cust/x", "Patchbay-Retries: 2")
    assert (got.status, json.loads(got.body)["code"]) == (403, "destination_not_allowed")
    assert "destination_ip_prohibited" in (got.get("Proxy-Status") or "")
    assert (dialled, place.arrived(), place.network.elsewhere) == ([], [], [])


def test_prx_36_a_name_that_is_public_when_checked_and_loopback_ever_after(
    place: Place, dialled: Dialled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checked address is the one that is dialled; the name is never asked again in between."""
    answer(monkeypatch, [PUBLIC], ["127.0.0.1"])
    for _ in range(2):
        place.passthrough("/proxy/hbdev/cust/x", "Patchbay-Host: api-eu1.hsforms.com")
    assert dialled
    assert {address for addresses in dialled for address in addresses} == {PUBLIC}
    assert (place.arrived(), place.network.elsewhere) == ([], [])
