"""Contract section 4: identifiers, and what is refused of a path."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.contract.echo import Seen, passed
from tests.contract.outside import Outside, problem

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]


@pytest.mark.parametrize(
    "identifier",
    [
        "plain",
        "ada@example.com",
        "with space",
        "a/b/c",
        "100%",
        "%2F",
        "a+b",
        "a?b#c",
        "a;b=c&d",
        "ünï",
        "😀",
        "...",
        "~a",
        "-",
        "0",
        "\u202eabc",
        "'\"<>\\",
        "x" * 985,
    ],
)
def test_identifiers_of_every_kind_work_at_every_door(outside: Outside, identifier: str) -> None:
    """Each test makes its customers its own, so a number goes with the identifier."""
    customer = (
        f"{identifier}{outside.customer()[-36:]}"
        if len(identifier) > 900
        else f"{identifier} {outside.customer()}"
    )
    made = outside.adopt(customer)
    assert made["userForeignIdentifier"] == customer
    by_path = passed(outside, customer)
    by_door = Seen.of(
        outside.call("GET", "/proxy/hbdev/~/_echo/x", headers={"Patchbay-Connection": made["UUID"]}).json()
    )
    by_envelope = Seen.of(outside.envelope(customer, url="/_echo/x").json())
    raw = {"method": "get", "url": "https://api.hubapi.com/_echo/x", "userForeignIdentifier": customer}
    by_form = Seen.of(outside.call("POST", "/api/raw/hbdev", data=raw).json()["data"])
    tokens = {tuple(seen.values("authorization")) for seen in (by_path, by_door, by_envelope, by_form)}
    assert len(tokens) == 1
    assert {seen.target for seen in (by_path, by_door, by_envelope, by_form)} == {"/_echo/x"}
    user = outside.call(
        "GET", "/api/saas-org-user/get-user/hbdev", params={"userForeignIdentifier": customer}
    )
    assert user.json() == {"connected": True, "data": customer}


def test_an_identifier_of_1024_characters_outside_ascii_works(outside: Outside) -> None:
    customer = (outside.customer() + "é" * 1_024)[:1_024]
    outside.adopt(customer)
    assert passed(outside, customer).target == "/_echo/x"
    link = outside.link((outside.customer() + "😀" * 1_024)[:1_024])
    assert link["UUID"]


@pytest.mark.parametrize("identifier", [".", "%2e", "..", "%2E%2e", "x%00", "%0A", "%ff", "%C3", "y" * 1_025])
def test_an_identifier_that_is_none_is_refused(outside: Outside, identifier: str) -> None:
    reply = outside.raw("GET", f"/proxy/hbdev/{identifier}/_echo/x")
    problem(reply, 400, "invalid_request", field="userForeignIdentifier")


def test_the_path_is_cut_at_its_first_two_slashes_and_decoded_once(outside: Outside) -> None:
    customer = f"a%2Fb {outside.customer()}"
    outside.adopt(customer)
    assert passed(outside, customer).target == "/_echo/x"
    assert "%252F" in outside.through(customer, "")
    once = outside.raw("GET", f"/proxy/hbdev/{quote(customer, safe='%')}/_echo/x")
    problem(once, 404, "connection_not_found")


def test_the_second_door_needs_the_connection(outside: Outside, customer: str) -> None:
    problem(outside.raw("GET", "/proxy/hbdev/~/_echo/x"), 400, "invalid_request", field="Patchbay-Connection")
    for value in ("x", "", "3f1c2a6e"):
        headers = [*outside.partner.bearer.items(), ("Patchbay-Connection", value)]
        reply = outside.raw("GET", "/proxy/hbdev/~/_echo/x", headers=headers)
        problem(reply, 400, "invalid_request", field="Patchbay-Connection")


def test_the_name_of_the_connection_chooses_among_several(outside: Outside) -> None:
    customer = outside.customer()
    outside.adopt(customer)
    outside.adopt(customer, connectionName="zweite é")
    usual = passed(outside, customer).values("authorization")
    headers = [("Patchbay-Connection-Name", "zweite \xc3\xa9")]
    assert passed(outside, customer, headers=headers).values("authorization") != usual
    named = [("Patchbay-Connection-Name", "default")]
    assert passed(outside, customer, headers=named).values("authorization") == usual
