"""Provider text made fit for logs, database fields and pages: no secret, no control character, capped.

Masking is a net under the code that never logs secrets in the first place, so it prefers to hide too much. It
cannot know a short secret that the caller did not name and that stands in prose without a telling name.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from .known_secrets import hide_known

MASK = "***"
# A prefix this long is looked at; what lies behind is dropped unseen.
LONGEST_TEXT = 65_536

# After a separator, which may itself be percent-encoded or a JSON escape.
_WORD_START = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})|(?<=\\[nrt]))"
_NAME = (
    r"(?:(?:token|secret|passw(?:or)?d|passphrase|pwd|assertion|api[_-]?key|hapikey|authorization|credential"
    r"|verifier|private[_-]?key|cookie|signature|session(?:[_-]?id)?|jwt)[A-Za-z0-9_\-]{0,40}"
    rf"|{_WORD_START}(?<!error[_-])(?<!status[_-])(?:(?:auth|device|user)?[_-]?code|state|nonce))"
)
_SECRET_NAME = re.compile(rf"{_NAME}\s*\Z", re.IGNORECASE)
_QUOTE = r"(?:\\{0,9}[\"']|%(?:25){0,3}2[27]|&quot;|&apos;|&#0{0,6}3[49];|&#x0{0,6}2[27];)"
_SEPARATOR = r"(?:=>|[:=]|%(?:25){0,3}3[ad]|&#0{0,6}(?:58|61);|&#x0{0,6}3[ad];)"
_VALUE = (
    r"(?:"
    r"[\[{].*"  # the end of a list or object in broken JSON is anybody's guess: hide all the rest
    r"|(?P<quote>\\{0,9}[\"']).*?(?:(?<!\\)(?P=quote)|\Z)"
    r"|(?P<entity>&(?:quot|apos|#0{0,6}3[49]|#x0{0,6}2[27]);).*?(?:(?P=entity)|\Z)"
    r"|(?:bearer|basic|dpop|digest|token)\s+[^\s\"'<>]+"
    r"|[^&\s\"'<>]+"
    r")"
)
_NAMED = re.compile(
    rf"(?P<name>{_NAME})(?P<between>{_QUOTE}?\s*{_SEPARATOR}\s*){_VALUE}", re.IGNORECASE | re.DOTALL
)
_SCHEME = re.compile(r"\b(bearer|basic|dpop)(\s+|%20)[A-Za-z0-9._~+/=\-]{6,}", re.IGNORECASE)
_JWT = re.compile(r"eyJ[\w\-]{6,}(?:\.[\w\-]*)*")
_RUN = re.compile(r"[A-Za-z0-9_+=~\-]{20,}")

_VALUE_NAMES = frozenset({"value", "val", "content", "text", "data"})
_HTML_WITH_CONTENT = re.compile(
    r"<(script|style|textarea|template|noscript|select)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
_HTML_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HTML_TAG = re.compile(r"<(/?[A-Za-z][A-Za-z0-9:_.\-]*)(?:\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z)|[^>\"'])*>?")
_CELL_TAG = r"</?(?:td|th|dd|dt|code|pre|kbd|samp|b|strong|span)>"
_HTML_CELL = re.compile(
    rf"(?P<name>{_NAME})(?P<between>\s{{0,9}}[:=]?\s{{0,9}}(?:{_CELL_TAG}\s{{0,99}}){{1,9}})[^<\s][^<]*",
    re.IGNORECASE,
)
_XML_ELEMENT = re.compile(rf"<(?P<name>[A-Za-z0-9:_.\-]{{0,40}}{_NAME})>[^<]*", re.IGNORECASE)
_PROBABLY_HTML = re.compile(r"\s*<[!?A-Za-z]")


def is_secret_name(name: str) -> bool:
    """Whether a member or parameter of this name may hold a secret (`code`, `accessToken`, `x-api-key`)."""
    return _SECRET_NAME.search(name[-200:]) is not None


def mask_secrets(text: str, *, known: Iterable[str] = (), max_length: int = 2_000) -> str:
    """The text with secrets replaced by `***`, at most max_length characters.

    Hidden are the `known` values as they are and percent-, form-, entity-, JSON- and base64-encoded; values
    of secret-looking names in JSON, forms, queries, header lines, HTML and XML; and what looks random. HTML
    loses all attributes, comments and scripts.
    """
    text = hide_known(text, known, mask=MASK)[:LONGEST_TEXT]
    text = _mask_json(text)
    text = _mask_markup(text) if "<" in text else text
    text = _NAMED.sub(_masked_value, text)
    text = _SCHEME.sub(rf"\1 {MASK}", text)
    text = _JWT.sub(MASK, text)
    text = _RUN.sub(_masked_run, text)
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def display_text(text: str, *, max_length: int = 500) -> str:
    """One line without control, format and surrogate characters, at most max_length characters.

    Not escaped: that is for whoever puts it into a page.
    """
    kept = (
        " " if unicodedata.category(character)[0] in "CZ" else character
        for character in text[: max_length * 8]
    )
    line = " ".join("".join(kept).split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


def is_html(text: str) -> bool:
    """Whether the text begins like markup."""
    return _PROBABLY_HTML.match(text) is not None


def _masked_value(match: re.Match[str]) -> str:
    return f"{match['name']}{match['between']}{MASK}"


def _masked_run(match: re.Match[str]) -> str:
    """A long run of letters with digits among them is a token, an id or a digest; words hold no digits."""
    run = match[0]
    has_both = any(c.isdigit() for c in run) and any(c.isalpha() for c in run)
    return MASK if has_both else run


def _mask_markup(text: str) -> str:
    text = _HTML_COMMENT.sub("", text)
    text = _HTML_WITH_CONTENT.sub(r"<\1>", text)
    text = _HTML_TAG.sub(r"<\1>", text)
    text = _XML_ELEMENT.sub(rf"<\g<name>>{MASK}", text)
    return _HTML_CELL.sub(_masked_value, text)


def _mask_json(text: str) -> str:
    """Whole JSON documents are masked by structure, so that nesting cannot hide a value."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.dumps(_masked_member(json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _masked_member(value: Any) -> Any:
    if isinstance(value, dict):
        # {"name": "access_token", "value": "..."} names its value in a neighbour.
        names_one = any(isinstance(member, str) and is_secret_name(member) for member in value.values())
        return {
            name: MASK
            if member is not None and (is_secret_name(name) or (names_one and name.lower() in _VALUE_NAMES))
            else _masked_member(member)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_masked_member(member) for member in value]
    return value
