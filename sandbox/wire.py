"""One request as it arrived, and how replies are written."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from sandbox.arrivals import Arrival
from sandbox.errors import invalid, new_correlation_id

if TYPE_CHECKING:
    from sandbox.world import Sandbox

JSON_TYPE = "application/json;charset=utf-8"
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass
class Call:
    """A request: raw target and fields untouched, plus what the router and the access check found out."""

    request: web.Request
    correlation_id: str = field(default_factory=new_correlation_id)
    body: bytes = b""
    arrival: Arrival | None = None
    params: dict[str, str] = field(default_factory=dict)
    reply_headers: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def raw_target(self) -> str:
        return self.request.raw_path

    @cached_property
    def _split(self) -> tuple[str, str]:
        target = self.raw_target
        if not target.startswith("/") and "://" in target:  # absolute-form, RFC 9112 section 3.2.2
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        path, _, query = target.partition("?")
        return path, query

    @property
    def raw_path(self) -> str:
        return self._split[0]

    @property
    def raw_query(self) -> str:
        return self._split[1]

    @cached_property
    def segments(self) -> list[str]:
        """The decoded path segments, without the empty one that a trailing slash makes."""
        parts = [unquote(part) for part in self.raw_path.split("/")[1:]]
        return parts[:-1] if len(parts) > 1 and parts[-1] == "" else parts

    @cached_property
    def host(self) -> str:
        return self.request.headers.get("Host", "").lower()

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.raw_query, keep_blank_values=True)

    def first(self, name: str) -> str | None:
        """The first value of a query field."""
        return next((value for key, value in self.query if key == name), None)

    def listed(self, name: str) -> list[str]:
        """A list field of the query: repeated keys, comma lists, or both."""
        values = [part for key, value in self.query if key == name for part in value.split(",")]
        return [value.strip() for value in values if value.strip()]

    def whole_number(self, name: str, default: int, *, least: int, most: int) -> int:
        """An integer field of the query within bounds. Raises SandboxError (400)."""
        text = self.first(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 9 or not least <= int(text) <= most:
            raise invalid(f"{name} must be a whole number from {least} to {most}", errors=[{"message": name}])
        return int(text)

    @property
    def content_type(self) -> str:
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def header_list(self) -> list[list[str]]:
        """The fields as received; latin-1 keeps each byte as one character."""
        raw = self.request.raw_headers
        return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in raw]

    def form(self) -> dict[str, str]:
        """The form fields of the body; the first of repeated ones."""
        fields: dict[str, str] = {}
        text = self.body.decode("utf-8", errors="replace")
        for name, value in parse_qsl(text, keep_blank_values=True):
            fields.setdefault(name, value)
        return fields

    def form_pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body.decode("utf-8", errors="replace"), keep_blank_values=True)

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises SandboxError (400)."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            where = (
                f"line {error.lineno}, column {error.colno}"
                if isinstance(error, json.JSONDecodeError)
                else "line 1"
            )
            raise invalid(f"Invalid input JSON on {where}") from error
        if not isinstance(value, dict):
            raise invalid("Invalid input JSON on line 1, column 1: expected an object")
        return value


Handler = Callable[["Sandbox", Call], Awaitable[web.StreamResponse]]


def json_reply(
    payload: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = JSON_TYPE,
) -> web.Response:
    """A JSON reply in HubSpot's encoding."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")
    return web.Response(status=status, body=body, headers={**(headers or {}), "Content-Type": content_type})


def empty_reply(status: int = 204) -> web.Response:
    """A reply without content."""
    return web.Response(status=status)


def a_text(data: Mapping[str, Any], name: str, *, default: str | None = None) -> str:
    """A text member of a JSON object. Raises SandboxError (400) naming the member."""
    value = data.get(name, default)
    if not isinstance(value, str):
        raise invalid(f"{name} must be a text", errors=[{"message": f"{name} must be a text", "in": name}])
    return value


def a_list(data: Mapping[str, Any], name: str, *, default: list[Any] | None = None) -> list[Any]:
    """A list member of a JSON object. Raises SandboxError (400) naming the member."""
    value = data.get(name, default)
    if not isinstance(value, list):
        raise invalid(f"{name} must be a list", errors=[{"message": f"{name} must be a list", "in": name}])
    return value


def texts(data: Mapping[str, Any], name: str) -> list[str]:
    """A member that is a list of texts, absent as empty. Raises SandboxError (400)."""
    values = a_list(data, name, default=[])
    if not all(isinstance(value, str) for value in values):
        raise invalid(f"{name} must be a list of texts", errors=[{"message": "not a text", "in": name}])
    return values
