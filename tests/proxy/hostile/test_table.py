"""Every hostile row through every door that takes it: it arrives at the provider's own origin, or nowhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.proxy.calls import STACKGO_PATHS
from tests.proxy.hostile import fields, paths, urls
from tests.proxy.hostile.conftest import Place
from tests.proxy.hostile.rows import Row
from tests.proxy.servers import RawReply

pytestmark = pytest.mark.served

Door = Callable[[Place, str], RawReply]


def envelope(place: Place, url: str) -> RawReply:
    return place.envelope(url)


def stackgo(place: Place, url: str) -> RawReply:
    return place.stackgo(url)


def passthrough(place: Place, path: str) -> RawReply:
    return place.passthrough("/proxy/hbdev/cust" + path)


def second_door(place: Place, path: str) -> RawReply:
    return place.passthrough("/proxy/hbdev/~" + path, f"Patchbay-Connection: {place.connection.pk}")


def absolute(place: Place, path: str) -> RawReply:
    """The path in an absolute URL of an envelope."""
    return place.envelope("https://api.hubapi.com" + path)


@pytest.mark.parametrize("row", urls.ROWS, ids=str)
@pytest.mark.parametrize("door", [envelope, stackgo])
def test_prx_11_36_a_url(place: Place, door: Door, row: Row) -> None:
    place.check(row, door(place, row.text))


@pytest.mark.parametrize("row", paths.ROWS, ids=str)
@pytest.mark.parametrize("door", [passthrough, second_door, envelope, absolute, stackgo])
def test_prx_07_09_11_a_path(place: Place, door: Door, row: Row) -> None:
    place.check(row, door(place, row.text))


@pytest.mark.parametrize("row", paths.PASSTHROUGH_ROWS, ids=str)
@pytest.mark.parametrize("door", [passthrough, second_door])
def test_prx_11_a_path_that_only_a_passthrough_takes(place: Place, door: Door, row: Row) -> None:
    place.check(row, door(place, row.text))


@pytest.mark.parametrize("row", fields.HOSTS, ids=str)
def test_prx_36_patchbay_host(place: Place, row: Row) -> None:
    place.check(row, place.passthrough("/proxy/hbdev/cust/x", f"Patchbay-Host: {row.text}"))


@pytest.mark.parametrize("row", fields.FIELDS, ids=str)
def test_a_field_by_which_somebody_routes(place: Place, row: Row) -> None:
    arrived = place.check(row, place.passthrough("/proxy/hbdev/cust/x", row.text))
    sent = {name for found in arrived for name, _ in found.fields}
    assert sent <= {"host", "authorization"}, row.why


@pytest.mark.parametrize("row", fields.PASSED, ids=str)
def test_a_field_that_means_nothing_here(place: Place, row: Row) -> None:
    (found,) = place.check(row, place.passthrough("/proxy/hbdev/cust/x", row.text))
    name, _, value = row.text.partition(": ")
    assert (name.lower(), value) in found.fields


@pytest.mark.parametrize("row", fields.TARGETS, ids=str)
def test_a_whole_request_target(place: Place, row: Row) -> None:
    place.check(row, place.passthrough(row.text, host="evil.example" if "evil" in row.text else "localhost"))


@pytest.mark.parametrize("row", fields.NO_TARGETS, ids=str)
def test_a_request_target_that_is_no_call_of_the_customer(place: Place, row: Row) -> None:
    place.check(row, place.passthrough(row.text))


@pytest.mark.parametrize("path", STACKGO_PATHS)
def test_every_path_of_stackgo_refuses_alike(place: Place, path: str) -> None:
    for row in (*urls.USER_INFORMATION, *urls.OTHER_HOSTS[:8], *paths.CLOSED[:8]):
        place.check(row, place.stackgo(row.text, path))


def test_the_table_is_long_enough_and_its_ids_are_its_own() -> None:
    """At least 200 rows; a row counts once, through however many doors it goes."""
    tables = (
        urls.ROWS, paths.ROWS, paths.PASSTHROUGH_ROWS, fields.HOSTS, fields.FIELDS, fields.PASSED,
        fields.TARGETS, fields.NO_TARGETS,
    )  # fmt: skip
    rows = [row for table in tables for row in table]
    print(f"hostile rows: {len(rows)}")
    assert len(rows) >= 200
    for table in (urls.ROWS, [*paths.ROWS, *paths.PASSTHROUGH_ROWS]):
        assert len({row.id for row in table}) == len({row.text for row in table}) == len(table)
