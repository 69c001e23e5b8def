"""Bodies of our own calls: JSON and forms, always UTF-8, bounded, and free of what no database or reply can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.http import QueryDict
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from accounts.api.problems import Problem, invalid

#: far above what any of our own calls needs; the proxy has limits of its own
MAX_BODY_BYTES = 1_048_576


class JSONBody(BaseParser):
    """RFC 8259. Refuses lone surrogates, which no reply and no database could carry back, and NaN and Infinity."""

    media_type = "application/json"
    max_bytes = MAX_BODY_BYTES

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        text = _text(_read(stream, self.max_bytes))
        if not text:
            return {}
        try:
            value = json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse_constant)
            if "\\u" in text:
                json.dumps(value, ensure_ascii=False).encode("utf-8")
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except UnicodeEncodeError as error:
            raise ParseError("The JSON holds a lone surrogate.") from error
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}.") from error
        return value


class FormBody(BaseParser):
    """`application/x-www-form-urlencoded`; a repeated field counts with its last value."""

    media_type = "application/x-www-form-urlencoded"
    max_bytes = MAX_BODY_BYTES

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        text = _text(_read(stream, self.max_bytes))
        require_utf8(text, what="body")
        if text.count("&") >= (settings.DATA_UPLOAD_MAX_NUMBER_FIELDS or 1_000):
            raise ParseError("The form has too many fields.")
        return QueryDict(text, encoding="utf-8").dict()


def require_utf8(encoded: str, *, what: str) -> None:
    """Refuse percent-encoded text that is not UTF-8: decoded with replacements it would name something else."""
    try:
        unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid(what, f"The {what} is not UTF-8.") from error


def _read(stream: IO[Any], limit: int) -> bytes:
    content: bytes = stream.read(limit + 1)
    if len(content) > limit:
        raise Problem("content_too_large", f"This call takes at most {limit:,} bytes.")
    return content


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError("The body is not UTF-8.") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")
