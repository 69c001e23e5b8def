"""Receipts in the OpenAPI schema."""

from __future__ import annotations

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


@pytest.fixture(scope="module")
def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_schema_with_receipts_in_it_is_valid(document: Any) -> None:
    validate_schema(document)


def test_receipts_are_described(document: Any) -> None:
    envelope = document["paths"]["/api/v1/proxy/{app_slug}"]["post"]
    assert "Prefer" in {parameter["name"] for parameter in envelope["parameters"]}
    assert envelope["responses"]["202"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/TakenIn"
    }
    one = document["paths"]["/api/v1/receipts/{receipt_id}"]
    assert set(one) >= {"get", "delete"}
    assert set(document["paths"]["/api/v1/receipts/{receipt_id}/reply"]["get"]["responses"]) >= {"200", "409"}
    assert "pending" in document["components"]["schemas"]["ReceiptState"]["enum"]
