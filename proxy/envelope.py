"""The envelope: one request to a provider, written as a JSON object (contract section 3)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from json.decoder import JSONDecoder, scanstring  # type: ignore[attr-defined]  # there, and not in the stubs
from typing import Any
from urllib.parse import quote

from accounts.api.problems import invalid
from egress.urls import Target
from integrations.connections.find import parse_uuid
from proxy import headers
from proxy.credentials import Field, Places, take_from_query
from proxy.destination import Destination
from proxy.selectors import Selector

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_JSON_FIELD: Field = (b"content-type", b"application/json")
_MEMBERS = frozenset(
    [
        "userForeignIdentifier",
        "UUID",
        "connectionName",
        "method",
        "url",
        "query",
        "headers",
        "body",
        "bodyBase64",
    ]
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_VALUE = re.compile(r"[\t\x20-\x7e]*").fullmatch
_SPACE = re.compile(r"[ \t\r\n]*").match


class Number(str):
    """A JSON number as it was written."""


def is_text(value: object) -> bool:
    """Whether this was a JSON string."""
    return isinstance(value, str) and not isinstance(value, Number)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decoder = JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse_constant)


@dataclass(slots=True)
class Envelope:
    """A checked envelope. body None: the request has no content."""

    selector: Selector
    method: str
    url: str
    fields: list[Field] = field(default_factory=list)
    body: bytes | None = None

    def sent_fields(self, places: Places) -> list[Field]:
        """The fields that go on: without hop-by-hop fields, cookies and whatever is a credential's place."""
        return headers.sort_request(self.fields, places).kept

    def target(self, destination: Destination, places: Places) -> Target:
        """Where it goes, without the query fields of a credential. Raises Problem."""
        found = destination.of_url(self.url)
        if not found.raw_query or not places.query_names:
            return found
        raw_query, _ = take_from_query(found.raw_query, places.query_names)
        return replace(found, raw_query=raw_query or None)


def parse(content: bytes, *, slug: str) -> Envelope:
    """Read an envelope. Raises Problem that names the member, and InvalidInput for a UUID that is none."""
    members, raw_body = split(content)
    for name in members:
        if name not in _MEMBERS:
            raise invalid(name, f"An envelope has no member {name!r}.")
    fields = header_fields(members.get("headers"))
    body = _body(members, raw_body)
    if members.get("body") is not None and not is_text(members["body"]):
        fields = with_json_type(fields)
    return Envelope(
        _selector(members, slug),
        method_of(members.get("method"), "method"),
        _with_query(url_of(members.get("url")), members.get("query")),
        fields,
        body,
    )


def split(content: bytes) -> tuple[dict[str, Any], str]:
    """(the members of a JSON object, the text of the member `body` exactly as it was written).

    Numbers come as Number, so that none is rounded. Raises Problem.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid("body", "The request is not UTF-8.") from error
    try:
        return _split_text(text)
    except (ValueError, StopIteration) as error:
        raise invalid("body", "The request is not a JSON object.") from error
    except RecursionError as error:
        raise invalid("body", "The request is nested too deeply.") from error


def _split_text(text: str) -> tuple[dict[str, Any], str]:
    members: dict[str, Any] = {}
    raw_body = ""
    at = _after(text, 0, "{")
    while text[at : at + 1] != "}":
        if members:
            at = _after(text, at, ",")
        if text[at : at + 1] != '"':
            raise ValueError("a name is needed")
        name, at = scanstring(text, at + 1)
        start = _after(text, at, ":")
        value, at = _decoder.raw_decode(text, start)
        if name in members:
            raise invalid(name, "This member is there twice.")
        members[name] = value
        if name == "body":
            raw_body = text[start:at]
        at = _skip(text, at)
    if _skip(text, at + 1) != len(text):
        raise ValueError("something follows the object")
    return members, raw_body


def _skip(text: str, at: int) -> int:
    space = _SPACE(text, at)
    return space.end() if space else at


def _after(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"{mark} is needed")
    return _skip(text, at + 1)


def _selector(members: Mapping[str, Any], slug: str) -> Selector:
    identifier, uuid_text = members.get("userForeignIdentifier"), members.get("UUID")
    name = members.get("connectionName")
    if identifier is not None and not is_text(identifier):
        raise invalid("userForeignIdentifier", "A string is needed.")
    if name is not None and not is_text(name):
        raise invalid("connectionName", "A string is needed.")
    connection_id = None if uuid_text is None else parse_uuid(uuid_text, field="UUID")
    return Selector(slug, identifier, connection_id, name)


def method_of(value: Any, name: str) -> str:
    """A method that may be sent, in upper case. Raises Problem."""
    method = value.upper() if isinstance(value, str) else ""
    if method not in METHODS:
        raise invalid(name, f"One of {', '.join(METHODS)} is needed.")
    return method


def url_of(value: Any) -> str:
    if not value or not is_text(value):
        raise invalid("url", "An absolute URL, or a path under the provider's base URL, is needed.")
    return str(value)


def header_fields(value: Any) -> list[Field]:
    """The fields of a JSON object of strings, names in lower case. Raises Problem that names the field."""
    if value is None:
        return []
    if not isinstance(value, dict):
        raise invalid("headers", "An object of strings is needed.")
    fields = []
    for name, text in value.items():
        if not _TOKEN(name):
            raise invalid(f"headers.{name[:100]}", "This is not the name of a header field.")
        if not isinstance(text, str) or not _VALUE(text):
            raise invalid(f"headers.{name}", "A string of ASCII characters without line breaks is needed.")
        fields.append((name.lower().encode("ascii"), text.strip().encode("ascii")))
    return fields


def with_json_type(fields: list[Field]) -> list[Field]:
    """The fields, with the content type of JSON when they tell none."""
    has_type = any(name == b"content-type" for name, _ in fields)
    return fields if has_type else [*fields, _JSON_FIELD]


def _with_query(url: str, query: Any) -> str:
    """The URL with the query object's fields after its own, percent-encoded (RFC 3986); lists repeat the name."""
    if query is None or query == {}:
        return url
    if not isinstance(query, dict):
        raise invalid("query", "An object is needed.")
    parts = []
    for name, value in query.items():
        for item in value if isinstance(value, list) else [value]:
            parts.append(f"{_encoded(name, name)}={_encoded(_query_text(item, name), name)}")
    if not parts:
        return url
    mark = "?" if "?" not in url else "" if url.endswith(("?", "&")) else "&"
    return f"{url}{mark}{'&'.join(parts)}"


def _query_text(item: Any, name: str) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    if not isinstance(item, str):
        raise invalid(f"query.{name}", "A string, a number, a boolean or a list of these is needed.")
    return item


def _encoded(text: str, name: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise invalid(f"query.{name}", "The text cannot be encoded as UTF-8.") from error


def _body(members: Mapping[str, Any], raw_body: str) -> bytes | None:
    body, encoded = members.get("body"), members.get("bodyBase64")
    if body is not None and encoded is not None:
        raise invalid("bodyBase64", "Give body or bodyBase64, not both.")
    if encoded is not None:
        return _from_base64(encoded)
    return None if body is None else body_bytes(body, raw_body)


def body_bytes(body: Any, raw_body: str) -> bytes:
    """A string as it is, in UTF-8; any other JSON value as the text in which it was written."""
    text = body if is_text(body) else raw_body
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise invalid("body", "The text cannot be encoded as UTF-8.") from error


def _from_base64(encoded: Any) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise invalid("bodyBase64", "Base64 (RFC 4648 section 4) is needed.") from error


def is_json(text: bytes) -> bool:
    """Whether this is one JSON document in UTF-8 (RFC 8259 section 8.1) and may stand inside another."""
    try:
        json.loads(
            text.decode("utf-8"), parse_int=Number, parse_float=Number, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        return False
    return True
