"""The proxy in the OpenAPI schema."""

from __future__ import annotations

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


@pytest.fixture(scope="module")
def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_schema_with_the_proxy_in_it_is_valid(document: Any) -> None:
    validate_schema(document)


def test_the_passthrough_is_described_for_each_method(document: Any) -> None:
    item = document["paths"]["/proxy/{app_slug}/{identifier}/{path}"]
    assert set(item) >= {"get", "post", "put", "patch", "delete"}
    assert item["post"]["operationId"] == "passthrough_post"
    names = {parameter["name"] for parameter in item["get"]["parameters"]}
    assert names >= {"app_slug", "identifier", "path", "Patchbay-Host", "Patchbay-Timeout"}


def test_envelope_and_stackgos_paths_are_described(document: Any) -> None:
    paths = document["paths"]
    assert paths["/api/v1/proxy/{app_slug}"]["post"]["operationId"] == "proxy_envelope"
    for path in (
        "/api/raw/{app_slug}", "/api/raw/xe/{app_slug}", "/api/atlassian/proxy/{app_slug}",
        "/api/quick-books/proxy/{app_slug}", "/api/servicenow/proxy/{app_slug}", "/api/shopify/{app_slug}",
    ):  # fmt: skip
        described = paths[path]["post"]
        assert "application/x-www-form-urlencoded" in described["requestBody"]["content"]
        assert described["security"]


def test_operations_have_names_of_their_own(document: Any) -> None:
    names = [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and "operationId" in operation
    ]
    assert len(names) == len(set(names))
