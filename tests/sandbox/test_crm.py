"""Contacts, companies and deals: one at a time and in batches, and the errors of ordinary calls."""

import json
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from sandbox.testing import RunningSandbox
from tests.sandbox.conftest import Api
from tests.sandbox.consent import ENTERPRISE, STARTER, App

CONTACTS = "/crm/v3/objects/contacts"
FAMILIES = ["/crm/v3/objects", "/crm/objects/2026-03", "/crm/objects/2026-09"]


def _new(api: Api, **properties: Any) -> dict[str, Any]:
    reply = api.post(CONTACTS, json={"properties": properties})
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()
    return made


def _problem(reply: requests.Response, status: int, category: str) -> dict[str, Any]:
    body: dict[str, Any] = reply.json()
    assert (reply.status_code, body["status"], body["category"]) == (status, "error", category), body
    assert body["correlationId"] == reply.headers["X-HubSpot-Correlation-Id"]
    return body


def test_pages_follow_each_other_by_after(api: Api) -> None:
    seen: list[str] = []
    after: str | None = None
    for _ in range(10):
        page = api.get(CONTACTS, params={"limit": 4, **({"after": after} if after else {})}).json()
        seen += [row["id"] for row in page["results"]]
        if "paging" not in page:
            break
        after = page["paging"]["next"]["after"]
    assert len(seen) == len(set(seen)) == 6
    assert seen == sorted(seen, key=int)


def test_paging_link_is_absolute_on_hubspots_host_and_keeps_the_query(api: Api) -> None:
    reply = api.get(
        f"{CONTACTS}?limit=2&properties=phone&properties=email", headers={"Host": "api.hubapi.com"}
    )
    link = urlsplit(reply.json()["paging"]["next"]["link"])
    assert (link.scheme, link.netloc, link.path) == ("https", "api.hubapi.com", CONTACTS)
    assert parse_qs(link.query)["properties"] == ["phone", "email"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "after=-1", "after=%D9%A3", "archived=maybe"]
)
def test_bad_paging_is_a_400(api: Api, query: str) -> None:
    _problem(api.get(f"{CONTACTS}?{query}"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("query", ["properties=phone,jobtitle", "properties=phone&properties=jobtitle"])
def test_properties_come_as_repeated_keys_or_commas_and_unknown_ones_are_ignored(
    api: Api, query: str
) -> None:
    row = api.get(f"{CONTACTS}?{query}&properties=nonsense&limit=1").json()["results"][0]
    assert {"phone", "jobtitle", "email", "hs_object_id"} <= set(row["properties"])
    assert "nonsense" not in row["properties"]
    assert row["properties"]["jobtitle"] is None


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("names", "properties"),
    [
        (("contacts", "0-1"), {"email": "Ada@Example.com", "firstname": "Ada"}),
        (("companies", "0-2"), {"name": "Größe", "numberofemployees": 12}),
        (("deals", "0-3"), {"dealname": "Big", "amount": "12.50"}),
    ],
)
def test_life_of_a_record(api: Api, family: str, names: tuple[str, str], properties: dict[str, Any]) -> None:
    name, type_id = (f"{family}/{part}" for part in names)
    made = api.post(name, json={"properties": properties})
    record_id = made.json()["id"]
    assert made.status_code == 201
    assert made.json()["properties"]["hs_object_id"] == record_id
    assert all(value is None or isinstance(value, str) for value in made.json()["properties"].values())
    changed = api.patch(f"{type_id}/{record_id}", json={"properties": {"hubspot_owner_id": 7}})
    assert (changed.status_code, changed.json()["properties"]["hubspot_owner_id"]) == (200, "7")
    assert api.delete(f"{name}/{record_id}").status_code == 204
    assert api.delete(f"{name}/{record_id}").status_code == 204
    _problem(api.get(f"{name}/{record_id}"), 404, "OBJECT_NOT_FOUND")
    gone = api.get(f"{name}/{record_id}?archived=true").json()
    assert gone["archived"] is True
    assert gone["archivedAt"]


def test_record_is_found_by_email_whose_slash_is_percent_encoded(api: Api) -> None:
    made = _new(api, email="a+b/c@example.com")
    path = f"{CONTACTS}/{quote('A+b/c@example.com', safe='')}"
    assert api.get(f"{path}?idProperty=email").json()["id"] == made["id"]
    _problem(api.get(f"{CONTACTS}/x?idProperty=lastname"), 400, "VALIDATION_ERROR")


def test_duplicate_email_is_a_409_with_the_existing_id(api: Api) -> None:
    made = _new(api, email="twin@example.com")
    body = _problem(api.post(CONTACTS, json={"properties": {"email": "TWIN@example.com"}}), 409, "CONFLICT")
    assert body["message"] == f"Contact already exists. Existing ID: {made['id']}"
    other = _new(api, email="other@example.com")
    path = f"{CONTACTS}/{other['id']}"
    _problem(api.patch(path, json={"properties": {"email": "twin@example.com"}}), 409, "CONFLICT")


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        ({"x": "1"}, "PROPERTY_DOESNT_EXIST"),
        ({"email": "nonsense"}, "INVALID_EMAIL"),
        ({"annualrevenue": "a lot"}, "INVALID_INTEGER"),
        ({"hs_object_id": "1"}, "READ_ONLY_VALUE"),
        ({"firstname": {"a": 1}}, "INVALID_VALUE"),
    ],
)
def test_wrong_properties_are_named_in_json_inside_the_message(
    api: Api, properties: dict[str, Any], error: str
) -> None:
    body = _problem(api.post(CONTACTS, json={"properties": properties}), 400, "VALIDATION_ERROR")
    head, _, problems = body["message"].partition(": ")
    assert head == "Property values were not valid"
    assert [(item["error"], item["portalId"]) for item in json.loads(problems)] == [(error, STARTER)]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"properties": 3}', b"[" * 100_000, b"\xff"])
def test_malformed_bodies_are_a_400(api: Api, body: bytes) -> None:
    for path in (CONTACTS, f"{CONTACTS}/search", f"{CONTACTS}/batch/read", f"{CONTACTS}/merge"):
        _problem(api.post(path, data=body), 400, "VALIDATION_ERROR")


def test_unknown_type_is_a_400(api: Api) -> None:
    body = _problem(api.get("/crm/v3/objects/frogs"), 400, "VALIDATION_ERROR")
    assert body["message"] == "Unable to infer object type from: frogs"


def test_associations_are_made_and_shown(api: Api) -> None:
    company = api.get("/crm/v3/objects/companies?limit=1").json()["results"][0]["id"]
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]
    body = {
        "properties": {"email": "tied@example.com"},
        "associations": [{"to": {"id": company}, "types": types}],
    }
    made = api.post(CONTACTS, json=body).json()
    shown = api.get(f"{CONTACTS}/{made['id']}?associations=companies,deals").json()
    assert shown["associations"] == {
        "companies": {"results": [{"id": company, "type": "contact_to_company"}]}
    }
    body = {"properties": {}, "associations": [{"to": {"id": "1"}, "types": types}]}
    _problem(api.post(CONTACTS, json=body), 400, "VALIDATION_ERROR")


def test_merged_id_answers_with_the_survivor(api: Api) -> None:
    first, second = _new(api, email="one@example.com"), _new(api, email="two@example.com", phone="1")
    body = {"primaryObjectId": first["id"], "objectIdToMerge": second["id"]}
    assert api.post(f"{CONTACTS}/merge", json=body).json()["id"] == first["id"]
    answer = api.get(f"{CONTACTS}/{second['id']}?properties=phone").json()
    assert (answer["id"], answer["properties"]["phone"]) == (first["id"], "1")
    assert answer["properties"]["email"] == "one@example.com"


def test_gdpr_delete_erases_a_contact_by_email(api: Api) -> None:
    made = _new(api, email="forget@example.com")
    body = {"objectId": "forget@example.com", "idProperty": "email"}
    assert api.post(f"{CONTACTS}/gdpr-delete", json=body).status_code == 204
    assert api.get(f"{CONTACTS}/{made['id']}?archived=true").status_code == 404
    assert api.post("/crm/v3/objects/deals/gdpr-delete", json=body).status_code == 404


def test_batch_read_is_207_when_some_are_missing(api: Api) -> None:
    made = _new(api, email="here@example.com")
    body = {"inputs": [{"id": made["id"]}, {"id": "1"}], "properties": ["email"]}
    reply = api.post(f"{CONTACTS}/batch/read", json=body)
    result = reply.json()
    assert (reply.status_code, result["status"], result["numErrors"]) == (207, "COMPLETE", 1)
    assert result["errors"][0]["context"] == {"ids": ["1"]}
    assert [row["id"] for row in result["results"]] == [made["id"]]
    by_email = {"inputs": [{"id": "here@example.com"}], "idProperty": "email", "properties": []}
    assert api.post(f"{CONTACTS}/batch/read", json=by_email).status_code == 200


def test_batch_create_is_all_or_nothing_without_trace_ids(api: Api) -> None:
    inputs = [{"properties": {"email": f"b{number}@example.com"}} for number in range(3)]
    assert api.post(f"{CONTACTS}/batch/create", json={"inputs": inputs}).status_code == 201
    again = [{"properties": {"email": "fresh@example.com"}}, inputs[0]]
    _problem(api.post(f"{CONTACTS}/batch/create", json={"inputs": again}), 409, "CONFLICT")
    assert api.get(f"{CONTACTS}/fresh@example.com?idProperty=email").status_code == 404


def test_batch_create_with_trace_ids_is_207_and_keeps_the_good_ones(api: Api) -> None:
    inputs = [
        {"properties": {"email": "good@example.com"}, "objectWriteTraceId": "t1"},
        {"properties": {"email": "good@example.com"}, "objectWriteTraceId": "t2"},
        {"properties": {"nonsense": "x"}, "objectWriteTraceId": "t3"},
    ]
    reply = api.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})
    result = reply.json()
    assert reply.status_code == 207
    assert [row["objectWriteTraceId"] for row in result["results"]] == ["t1"]
    traced = [(error["category"], error["context"]["objectWriteTraceId"]) for error in result["errors"]]
    assert traced == [("CONFLICT", ["t2"]), ("VALIDATION_ERROR", ["t3"])]


def test_batch_update_upsert_and_archive(api: Api) -> None:
    made = _new(api, email="u@example.com")
    update = {"inputs": [{"id": made["id"], "properties": {"firstname": "U"}}, {"id": "1", "properties": {}}]}
    reply = api.post(f"{CONTACTS}/batch/update", json=update)
    assert (reply.status_code, reply.json()["results"][0]["properties"]["firstname"]) == (207, "U")
    emails = ("u@example.com", "n@example.com")
    upsert = [{"id": email, "idProperty": "email", "properties": {"lastname": "L"}} for email in emails]
    reply = api.post(f"{CONTACTS}/batch/upsert", json={"inputs": upsert})
    assert [row["new"] for row in reply.json()["results"]] == [False, True]
    twice = api.post(f"{CONTACTS}/batch/upsert", json={"inputs": [upsert[0], upsert[0]]})
    _problem(twice, 400, "VALIDATION_ERROR")
    assert api.post(f"{CONTACTS}/batch/archive", json={"inputs": [{"id": made["id"]}]}).status_code == 204
    assert api.get(f"{CONTACTS}/{made['id']}").status_code == 404


def test_hs_31_upsert_without_inputs_completes_with_nothing(api: Api) -> None:
    reply = api.post(f"{CONTACTS}/batch/upsert", json={"properties": {"email": "x@example.com"}})
    assert (reply.status_code, reply.json()["status"], reply.json()["results"]) == (200, "COMPLETE", [])


@pytest.mark.parametrize(
    "inputs", [None, [1], [{}], [{"id": 1.5}], [{"id": str(number)} for number in range(101)]]
)
def test_bad_batches_are_a_400(api: Api, inputs: Any) -> None:
    for name in ("read", "update", "archive"):
        _problem(api.post(f"{CONTACTS}/batch/{name}", json={"inputs": inputs}), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic eDp5", "bearer\tx"])
def test_no_or_garbage_token_is_invalid_authentication(sandbox: RunningSandbox, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    reply = requests.get(sandbox.url + CONTACTS, headers=headers, timeout=10)
    body = _problem(reply, 401, "INVALID_AUTHENTICATION")
    assert "oauth-overview" in body["message"]


@pytest.mark.parametrize(
    ("late", "ago"),
    [(0, "0 second(s)"), (75, "75 second(s)"), (600, "10 minute(s)"), (3 * 86_400, "3 day(s)")],
)
def test_expired_token_says_since_when(sandbox: RunningSandbox, api: Api, late: int, ago: str) -> None:
    sandbox.clock.advance(1800 + late)
    body = _problem(api.get(CONTACTS), 401, "EXPIRED_AUTHENTICATION")
    assert body["message"] == f"The OAuth token used to make this call expired {ago} ago."
    assert body["context"]["expire time"][0].endswith("Z")


def test_missing_scope_is_a_403_that_names_the_scopes(sandbox: RunningSandbox, app: App) -> None:
    body = {"clientId": app["clientId"], "hubId": STARTER, "scopes": ["oauth", "crm.objects.contacts.read"]}
    with Api(sandbox.url, sandbox.control("POST", "/_control/grants", body)["accessToken"]) as api:
        assert api.get(CONTACTS).status_code == 200
        refused = _problem(api.post(CONTACTS, json={"properties": {}}), 403, "MISSING_SCOPES")
    assert refused["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.contacts.write"]}
    assert refused["links"] == {"scopes": "https://developers.hubspot.com/scopes"}


def test_accounts_do_not_see_each_other(sandbox: RunningSandbox, app: App, api: Api) -> None:
    made = _new(api, email="mine@example.com")
    body = {"clientId": app["clientId"], "hubId": ENTERPRISE}
    with Api(sandbox.url, sandbox.control("POST", "/_control/grants", body)["accessToken"]) as other:
        assert other.get(f"{CONTACTS}/{made['id']}").status_code == 404


def test_long_query_is_a_414(api: Api) -> None:
    assert api.get(f"{CONTACTS}?properties={'x' * 16_400}").status_code == 414


def test_unknown_path_and_method_are_answered_in_hubspots_shape(api: Api) -> None:
    _problem(api.get("/crm/v3/nonsense"), 404, "OBJECT_NOT_FOUND")
    reply = api.put(CONTACTS)
    assert (reply.status_code, reply.headers["Allow"], reply.json()["status"]) == (405, "GET, POST", "error")
