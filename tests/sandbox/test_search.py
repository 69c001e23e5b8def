"""Search: operators, sorting, offsets, limits, the lag of the index."""

from typing import Any

import pytest
import requests

from sandbox.testing import RunningSandbox
from tests.sandbox.conftest import Api

SEARCH = "/crm/v3/objects/contacts/search"
DEALS = "/crm/v3/objects/deals/search"


@pytest.fixture(autouse=True)
def _no_search_limit(sandbox: RunningSandbox) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"searchRateLimit": None})


def _one(name: str, operator: str, **given: Any) -> dict[str, Any]:
    return {"filterGroups": [{"filters": [{"propertyName": name, "operator": operator, **given}]}]}


def _names(reply: requests.Response, name: str = "firstname") -> list[str]:
    assert reply.status_code == 200, reply.text
    return [row["properties"][name] for row in reply.json()["results"]]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (_one("firstname", "EQ", value="bryan"), ["Bryan"]),
        (_one("firstname", "IN", values=["bryan", "sam"]), ["Bryan", "Sam"]),
        (_one("firstname", "NOT_IN", values=["bryan", "sam", "priya"]), ["Maria", "Zoë", "Łukasz"]),
        (_one("phone", "NOT_HAS_PROPERTY"), ["Łukasz"]),
        (_one("phone", "HAS_PROPERTY"), ["Bryan", "Maria", "Zoë", "Priya", "Sam"]),
        (_one("email", "CONTAINS_TOKEN", value="person3*"), ["Zoë"]),
        (_one("email", "NOT_CONTAINS_TOKEN", value="meowmix"), []),
        (_one("lastname", "GTE", value="o"), ["Zoë", "Łukasz", "Priya", "Sam"]),
        ({"query": "johns"}, ["Maria"]),
        ({"filterGroups": [*_one("firstname", "EQ", value="sam")["filterGroups"],
                           *_one("firstname", "EQ", value="maria")["filterGroups"]]}, ["Maria", "Sam"]),
        ({"sorts": ["-firstname"], "limit": 2}, ["Łukasz", "Zoë"]),
        ({"sorts": [{"propertyName": "firstname", "direction": "ASCENDING"}], "limit": 1}, ["Bryan"]),
    ],
)  # fmt: skip
def test_operators(api: Api, body: dict[str, Any], expected: list[str]) -> None:
    assert _names(api.post(SEARCH, json=body)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (_one("amount", "GT", value="100"), ["1200.00", "480"]),
        (_one("amount", "BETWEEN", value="99", highValue=480), ["480", "99.5"]),
        (_one("amount", "LT", value="100"), ["99.5"]),
        (_one("amount", "NEQ", value="480.0"), ["1200.00", "99.5"]),
        (_one("createdate", "GT", value="2020-01-01T00:00:00Z"), ["1200.00", "480", "99.5"]),
        (_one("createdate", "LT", value="1577836800000"), []),
    ],
)
def test_numbers_and_times_compare_as_such(api: Api, body: dict[str, Any], expected: list[str]) -> None:
    assert _names(api.post(DEALS, json=body), "amount") == expected


def test_offsets_page_through_the_total(api: Api) -> None:
    first = api.post(SEARCH, json={"limit": 4}).json()
    assert (first["total"], len(first["results"]), first["paging"]["next"]["after"]) == (6, 4, "4")
    rest = api.post(SEARCH, json={"limit": 4, "after": "4"}).json()
    assert len(rest["results"]) == 2
    assert "paging" not in rest


def _filters(count: int) -> list[dict[str, str]]:
    return [{"propertyName": "email", "operator": "HAS_PROPERTY"}] * count


@pytest.mark.parametrize(
    "body",
    [
        {"filterGroups": [{"filters": _filters(1)}] * 6},
        {"filterGroups": [{"filters": _filters(7)}]},
        {"filterGroups": [{"filters": _filters(5)}] * 4},
        {"limit": 201},
        {"after": "9900", "limit": 101},
        {"after": "x"},
        {"sorts": ["email", "firstname"]},
        {"sorts": [3]},
        {"query": "x" * 3000},
        {"filterGroups": {}},
        {"filterGroups": [3]},
        _one("nonsense", "EQ", value="1"),
        _one("email", "LIKE", value="1"),
        _one("email", "EQ"),
        _one("email", "IN", values=[]),
    ],
)
def test_limits_and_nonsense_are_a_400(api: Api, body: dict[str, Any]) -> None:
    reply = api.post(SEARCH, json=body)
    assert (reply.status_code, reply.json()["category"]) == (400, "VALIDATION_ERROR")


def test_the_largest_allowed_search_works(api: Api) -> None:
    body = {"filterGroups": [{"filters": _filters(6)}] * 3, "limit": 200, "after": "9800"}
    assert api.post(SEARCH, json=body).json()["total"] == 6


def test_hs_23_search_has_its_own_secondly_limit_without_rate_fields(
    sandbox: RunningSandbox, api: Api
) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"searchRateLimit": 5, "rateLimit": 1})
    replies = [api.post(SEARCH, json={}) for _ in range(6)]
    assert [reply.status_code for reply in replies] == [200] * 5 + [429]
    assert not any(
        name.lower().startswith("x-hubspot-ratelimit") for reply in replies for name in reply.headers
    )
    body = replies[-1].json()
    assert (body["policyName"], body["message"]) == ("SECONDLY", "You have reached your secondly limit.")
    sandbox.clock.advance(1)
    assert api.post(SEARCH, json={}).status_code == 200


def test_hs_25_search_lags_behind_writes(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"searchLagSeconds": 30})
    known = api.post(SEARCH, json=_one("firstname", "EQ", value="Bryan")).json()["results"][0]["id"]
    made = {"properties": {"email": "new@example.com"}}
    assert api.post("/crm/v3/objects/contacts", json=made).status_code == 201
    api.patch(f"/crm/v3/objects/contacts/{known}", json={"properties": {"firstname": "Brian"}})
    by_email = _one("email", "EQ", value="new@example.com")
    assert api.post(SEARCH, json=by_email).json()["total"] == 0
    assert api.post(SEARCH, json=_one("firstname", "EQ", value="Brian")).json()["total"] == 0
    assert _names(api.post(SEARCH, json=_one("firstname", "EQ", value="Bryan"))) == ["Bryan"]
    assert api.post("/crm/v3/objects/contacts", json=made).status_code == 409
    sandbox.clock.advance(31)
    assert api.post(SEARCH, json=by_email).json()["total"] == 1
    assert api.post(SEARCH, json=_one("firstname", "EQ", value="Brian")).json()["total"] == 1


def test_archived_records_never_appear(api: Api) -> None:
    found = api.post(SEARCH, json={}).json()["results"][0]["id"]
    api.delete(f"/crm/v3/objects/contacts/{found}")
    assert api.post(SEARCH, json={}).json()["total"] == 5
