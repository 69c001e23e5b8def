"""HubSpot's own OpenAPI documents as a judge of replies.

The documents are OpenAPI 3.0, so OAS30Validator judges: it knows `nullable` and the formats int32, int64 and
date-time. It is made stricter than the documents in one way: an object whose members are listed may have no
others, so that an invented member of a success is caught. It is made milder only by the contradictions named in
test_openapi.py.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator, oas30_format_checker

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "openapi" / "hubspot"
METHODS = ("get", "put", "post", "delete", "patch")

Schema = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One operation of one document, such as ("contacts.v3", "get", "/crm/v3/objects/contacts")."""

    document: str
    method: str
    template: str

    def __str__(self) -> str:
        return f"{self.document} {self.method} {self.template}"


class Document:
    """One document and its verdicts."""

    def __init__(self, name: str, data: dict[str, Any]) -> None:
        self.name = name
        self.data = data

    @classmethod
    def named(cls, name: str) -> "Document":
        return cls(name, json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))

    def operations(self) -> Iterator[Operation]:
        for template, item in self.data["paths"].items():
            for method in METHODS:
                if method in item:
                    yield Operation(self.name, method, template)

    @cached_property
    def closed_components(self) -> Schema:
        """The components, with listed members as the only ones."""
        components = copy.deepcopy(self.data["components"])
        for schema in components["schemas"].values():
            if schema.get("properties") and "additionalProperties" not in schema:
                schema["additionalProperties"] = False
        return {"schemas": components["schemas"]}

    def response(self, operation: Operation, status: int) -> dict[str, Any] | None:
        """The response object of exactly this status, or None."""
        responses = self.data["paths"][operation.template][operation.method]["responses"]
        found: dict[str, Any] | None = responses.get(str(status))
        return found

    def problems(self, operation: Operation, status: int, body: Any) -> list[str]:
        """What is wrong with a success; body None stands for no content."""
        response = self.response(operation, status)
        if response is None:
            return [f"{operation}: {status} is not a documented success"]
        content = response.get("content")
        if not content:
            return [] if body is None else [f"{operation}: {status} has no content"]
        media = next(iter(content.values()))
        if body is None:
            return [f"{operation}: content is missing"]
        return self.schema_problems(media["schema"], body, components=self.closed_components)

    def error_problems(self, body: Any, *, required: bool = True) -> list[str]:
        """What is wrong with an error body. `status` beside the documented members is HubSpot's own habit."""
        components = copy.deepcopy(self.data["components"])
        if not required:
            components["schemas"]["Error"].pop("required")
        reference = {"$ref": "#/components/schemas/Error"}
        return self.schema_problems(reference, body, components={"schemas": components["schemas"]})

    def schema_problems(self, schema: Schema, body: Any, *, components: Schema) -> list[str]:
        root = {"allOf": [schema], "components": components}
        validator = OAS30Validator(root, format_checker=oas30_format_checker)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]
