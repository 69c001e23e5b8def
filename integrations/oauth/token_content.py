"""The content of a token answer as members, whatever format and content type it has.

Providers answer in JSON or as a form, under either's content type or neither's, so the content decides.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from .errors import UnreadableTokenResponse
from .masking import display_text, is_html, mask_secrets

MAX_CONTENT_BYTES = 1_048_576
EXCERPT_LENGTH = 200
MOST_FORM_FIELDS = 200
LONGEST_INTEGER = 400
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:\-]{1,40})", re.IGNORECASE)
_FORM = re.compile(r"[A-Za-z0-9_.\-\[\]%+]{1,100}=")
# Encodings of text that JSON parsers of other ages produced; the rest is read as UTF-8 (RFC 8259 section
# 8.1).
_SINGLE_OCTET_CHARSETS = frozenset({"iso8859-1", "cp1252", "iso8859-15"})


@dataclass(frozen=True, slots=True)
class Content:
    """Members and the names among them that came more than once; `repr` shows no value."""

    members: dict[str, Any]
    repeated: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Content of {len(self.members)} members>"


def read_content(status: int, content_type: str, body: bytes, *, known: Iterable[str] = ()) -> Content:
    """Parse the body: JSON when it begins like JSON, a form when it looks like one.

    Of a repeated member the last value counts. NaN, Infinity and integers beyond 400 digits become None.
    Raises UnreadableTokenResponse for anything else, with a masked excerpt unless the body is broken JSON.
    """
    if len(body) > MAX_CONTENT_BYTES:
        raise UnreadableTokenResponse("the answer is too large", status=status, content_type=content_type)
    text = _decoded(body, content_type)
    if text is None:
        raise UnreadableTokenResponse("the answer is not text", status=status, content_type=content_type)
    text = text.strip()
    if text[:1] in ("{", "["):
        content, reason = _read_json(text)
        excerpt = ""
    else:
        content, reason = _read_form(text)
        excerpt = "" if content else _excerpt(text, known)
    if content is None:
        raise UnreadableTokenResponse(
            reason, status=status, content_type=content_type, excerpt=excerpt, is_html=is_html(text)
        )
    return content


def _decoded(body: bytes, content_type: str) -> str | None:
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = _declared_charset(content_type) or "utf-8-sig"
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        return None


def _declared_charset(content_type: str) -> str | None:
    found = _CHARSET.search(content_type)
    try:
        name = codecs.lookup(found[1]).name if found else ""
    except LookupError:
        return None
    return name if name in _SINGLE_OCTET_CHARSETS else None


def _read_json(text: str) -> tuple[Content | None, str]:
    """The content, or None and why. The parser's own errors hold the document, so none is passed on."""
    repeated: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.extend(name for name, count in counts.items() if count > 1)
        return document

    try:
        document = json.loads(
            text,
            object_pairs_hook=members,
            parse_constant=lambda _: None,
            parse_float=_finite,
            parse_int=_short_integer,
        )
    except RecursionError:
        return None, "the answer is nested too deeply"
    except ValueError:
        return None, "the answer is broken JSON"
    if not isinstance(document, dict):
        return None, "the answer is JSON but no object"
    return Content(document, tuple(dict.fromkeys(repeated))), ""


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _short_integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= LONGEST_INTEGER else None


def _read_form(text: str) -> tuple[Content | None, str]:
    if is_html(text):
        return None, "the answer is a page"
    if not text:
        return None, "the answer is empty"
    if _FORM.match(text) is None:
        return None, "the answer is neither JSON nor a form"
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FORM_FIELDS)
    except ValueError:
        return None, "the answer is a broken form"
    counts = Counter(name for name, _ in pairs)
    return Content(dict(pairs), tuple(name for name, count in counts.items() if count > 1)), ""


def _excerpt(text: str, known: Iterable[str]) -> str:
    return display_text(mask_secrets(text, known=known), max_length=EXCERPT_LENGTH)
