"""`/api/schema` is valid OpenAPI 3.1 and tells the truth about every operation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from django.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator
from rest_framework.test import APIRequestFactory

from accounts.api.docs import DocsView, SchemaView
from tests import factories
from tests.factories import World
from tests.integrations.api.conftest import Api, of

METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}
NATIVE = {
    ("post", "/api/v1/connect-links"),
    ("get", "/api/v1/connect-links/{link_id}"),
    ("delete", "/api/v1/connect-links/{link_id}"),
    ("post", "/api/v1/manage-links"),
    ("get", "/api/v1/integrations"),
    ("get", "/api/v1/integrations/{app_slug}"),
    ("get", "/api/v1/connections"),
    ("get", "/api/v1/connections/{connection_id}"),
    ("delete", "/api/v1/connections/{connection_id}"),
    ("post", "/api/v1/connections/{connection_id}/refresh"),
    ("post", "/api/v1/connections/{connection_id}/check"),
    ("post", "/api/v1/connections/{connection_id}/pause"),
    ("post", "/api/v1/connections/{connection_id}/resume"),
    ("get", "/api/v1/connections/{connection_id}/token"),
    ("post", "/api/v1/connections/import"),
    ("post", "/oauth/token"),
    ("get", "/api/{provider}/auth/{app_slug}"),
    ("get", "/api/saas-org-user/get-users/{app_slug}"),
    ("get", "/api/saas-org-user/get-user/{app_slug}"),
    ("delete", "/api/saas-org-user/delete-user/{app_slug}"),
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    response = Client().get("/api/schema")
    assert response.status_code == 200
    loaded: dict[str, Any] = yaml.safe_load(response.content)
    return loaded


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method in METHODS & set(item):
            yield method, path, item[method]


def test_the_schema_is_valid_openapi_3_1(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(schema).iter_errors()) == []


def test_every_call_of_the_contract_is_in_it(schema: dict[str, Any]) -> None:
    assert {(method, path) for method, path, _ in operations(schema)} >= NATIVE


def test_operation_ids_are_unique_and_every_operation_is_explained(schema: dict[str, Any]) -> None:
    found = [operation for _, _, operation in operations(schema)]
    ids = [operation["operationId"] for operation in found]
    assert len(set(ids)) == len(ids)
    assert all(operation.get("summary") and operation.get("description") for operation in found)


def test_every_operation_says_how_to_authenticate(schema: dict[str, Any]) -> None:
    for _, path, operation in operations(schema):
        expected = [{}] if path == "/oauth/token" else [{"bearer": []}, {"basic": []}]
        assert operation["security"] == expected, path
    schemes = schema["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["basic"]["scheme"]) == ("bearer", "basic")


def test_every_error_is_problem_json(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        errors = {code: reply for code, reply in operation["responses"].items() if code[0] in "45"}
        assert "401" in errors, (method, path)
        for code, reply in errors.items():
            assert set(reply["content"]) == {"application/problem+json"}, (method, path, code)


def test_bodies_have_examples_that_fit_their_own_schema(schema: dict[str, Any]) -> None:
    seen: list[Any] = []
    for _, _, operation in operations(schema):
        parts = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in (media for part in parts for media in part.get("content", {}).values()):
            for example in media.get("examples", {}).values():
                check(schema, media["schema"], example["value"])
                seen.append(media)


def test_every_reply_has_an_example(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        for status, reply in operation["responses"].items() if (method, path) in NATIVE else ():
            for media in reply.get("content", {}).values():
                assert media.get("examples"), (method, path, status)


def check(schema: dict[str, Any], fragment: dict[str, Any], value: Any) -> None:
    jsonschema.Draft202012Validator({**fragment, "components": schema["components"]}).validate(value)


def reply_schema(schema: dict[str, Any], method: str, path: str, status: str) -> dict[str, Any]:
    content = schema["paths"][path][method]["responses"][status]["content"]
    fragment: dict[str, Any] = next(iter(content.values()))["schema"]
    return fragment


def test_real_replies_fit_the_schema(schema: dict[str, Any], world: World) -> None:
    api = of(world)
    made = factories.connection(world, "a")
    factories.connection(world, "b", status="reconnect_required", status_reason="revoked_at_provider")
    base, one = "/api/v1/connections", "/api/v1/connections/{connection_id}"
    new_link = api.post("/api/v1/connect-links", {"appSlug": "hbdev", "userForeignIdentifier": "c"})
    link_path = f"/api/v1/connect-links/{new_link.json()['id']}"
    replies = [
        ("get", base, "200", api.get(base)),
        ("get", one, "200", api.get(f"{base}/{made.pk}")),
        ("get", one, "404", api.get(f"{base}/x")),
        ("post", f"{one}/pause", "200", api.post(f"{base}/{made.pk}/pause")),
        ("post", f"{one}/refresh", "423", api.post(f"{base}/{made.pk}/refresh")),
        ("post", "/api/v1/connect-links", "201", new_link),
        ("get", "/api/v1/connect-links/{link_id}", "200", api.get(link_path)),
        ("get", "/api/v1/integrations", "200", api.get("/api/v1/integrations")),
        ("get", "/api/v1/integrations/{app_slug}", "200", api.get("/api/v1/integrations/hbdev")),
        ("get", "/api/v1/integrations", "401", Api(None).get("/api/v1/integrations")),
        (
            "get",
            "/api/saas-org-user/get-users/{app_slug}",
            "200",
            api.get("/api/saas-org-user/get-users/hbdev"),
        ),
        (
            "get",
            "/api/{provider}/auth/{app_slug}",
            "200",
            api.get("/api/hubspot/auth/hbdev", userForeignIdentifier="d"),
        ),
    ]
    for method, path, status, response in replies:
        assert str(response.status_code) == status, (method, path)
        check(schema, reply_schema(schema, method, path, status), response.json())


VIEWS = [SchemaView.as_view(), DocsView.as_view(url_name="schema")]


@pytest.mark.parametrize("accept", ["application/json", "text/html", "nonsense", "", "*/*"])
@pytest.mark.parametrize("view", VIEWS)
def test_the_schema_and_its_page_are_served_whatever_is_accepted(view: Any, accept: str) -> None:
    assert view(APIRequestFactory().get("/", HTTP_ACCEPT=accept)).status_code == 200
    refused = view(APIRequestFactory().post("/", HTTP_ACCEPT=accept))
    assert (refused.status_code, refused["Content-Type"]) == (405, "application/problem+json")


@pytest.mark.parametrize("query", ["format=xml", "version=a%0D%0Ab", "lang=%00", "lang=../..", "script=%00"])
@pytest.mark.parametrize("view", VIEWS)
def test_odd_parameters_of_the_pages_change_nothing(view: Any, query: str) -> None:
    assert view(APIRequestFactory().get(f"/?{query}")).render().status_code == 200


def test_the_schema_comes_as_json_too(schema: dict[str, Any]) -> None:
    response = VIEWS[0](APIRequestFactory().get("/", HTTP_ACCEPT="application/json")).render()
    assert json.loads(response.content)["paths"].keys() == schema["paths"].keys()


def test_the_docs_page_loads_nothing_from_elsewhere_and_runs_nothing_inline() -> None:
    text = VIEWS[1](APIRequestFactory().get("/api/docs")).render().content.decode()
    assert "https://" not in text and "http://" not in text
    assert "<style" not in text and "<script>" not in text and " style=" not in text
    assert "script-src 'self'" in Client().get("/api/docs")["Content-Security-Policy"]
