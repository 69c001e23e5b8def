"""What a file of replies may hold, as JSON Schema; every object is closed."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_MAP = {"type": "object", "additionalProperties": _TEXT}
_URL = {"type": "string", "pattern": "^https://"}
_STATUS = {"type": "integer", "minimum": 100, "maximum": 599}
_SECONDS = {"type": ["integer", "null"], "minimum": 0}
#: any reply's body: JSON, or a text that is sent as it is
_BODY: dict[str, Any] = {}


def _closed(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
        **more,
    }


_CREDENTIAL = {
    "oneOf": [
        _TEXT,
        _closed({"header": _TEXT, "value": _TEXT}, "header", "value"),
        _closed({"header": _TEXT, "basic": _TEXT}, "header", "basic"),
        _closed({"query": _TEXT, "value": _TEXT}, "query", "value"),
        _closed({"oauth1": {"const": True}}, "oauth1"),
    ]
}
_REQUEST = _closed(
    {
        "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
        "url": _URL,
        "query": _MAP,
        "authorization": {"enum": ["basic", "basic_raw", "bearer", "none"]},
        "credential": _CREDENTIAL,
        "format": {"enum": ["form", "json"]},
        "params": _MAP,
        "headers": _MAP,
    },
    "method",
    "url",
)
_LABELS: dict[str, Any] = {"label": {"enum": ["documented", "constructed"]}, "source": _URL}
_SOURCED = {
    "if": {"properties": {"label": {"const": "documented"}}, "required": ["label"]},
    "then": {"required": ["source"]},
}
_CONTENT = {"status": _STATUS, "headers": _MAP, "body": _BODY}
_REPLY = _closed({**_LABELS, **_CONTENT}, "label", "status", **_SOURCED)
_CALL = _closed({"request": _REQUEST, "reply": _REPLY}, "request", "reply")
_ERROR = {
    "call": {"enum": ["exchange", "refresh"]},
    "verdict": {"enum": ["grant_gone", "client_wrong", "temporary", "unknown"]},
    "reason": _TEXT,
}
_WAIT = {"type": ["number", "null", "string"], "pattern": "^lasting$"}

SCHEMA = _closed(
    {
        "reviewed": {"type": "boolean"},
        "connection": _MAP,
        "integration": _MAP,
        "secrets": _MAP,
        "scopes": _TEXTS,
        "optional_scopes": _TEXTS,
        "authorize": _closed({"url": _URL, "params": _MAP}, "url", "params"),
        "pushed": _CALL,
        "callback": _MAP,
        "callback_signature": {"enum": ["shopify"]},
        "refused_callbacks": {"type": "array", "items": _MAP},
        "token": _CALL,
        "chain": {"type": "array", "items": _CALL},
        "refresh": _CALL,
        "lifetimes": _closed({"access_token": _SECONDS, "refresh_token": _SECONDS}),
        "captured": _MAP,
        "granted_scopes": {"type": ["array", "null"], "items": _TEXT},
        "identity": {"type": "array", "items": _CALL},
        "account": _closed({"id": _TEXT, "name": _TEXT, "url": {"type": ["string", "null"]}, "extras": _MAP}),
        "api": _closed(
            {
                "request": _closed({"url": _URL}, "url"),
                "sends": _CREDENTIAL,
                "headers": _MAP,
                "hosts": _TEXTS,
                "closed": {"type": "array", "items": _URL},
            },
            "request",
            "sends",
            "hosts",
        ),
        "outside": _TEXTS,
        "errors": {
            "type": "array",
            "items": _closed(
                {**_LABELS, **_CONTENT, **_ERROR}, "call", "label", "status", "verdict", **_SOURCED
            ),
        },
        "expired": {
            "type": "array",
            "items": _closed({**_LABELS, **_CONTENT}, "label", "status", **_SOURCED),
        },
        "limited": {
            "type": "array",
            "items": _closed({**_LABELS, **_CONTENT, "wait": _WAIT}, "label", "status", "wait", **_SOURCED),
        },
        "revocation": _closed(
            {"request": _REQUEST, "reply": _closed({**_LABELS, **_CONTENT}, "status", **_SOURCED)},
            "request",
            "reply",
        ),
    },
    "api",
)
