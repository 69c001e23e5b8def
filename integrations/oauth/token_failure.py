"""What a readable answer says about its failure, cut down to what may be logged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .errors import TokenEndpointError
from .known_secrets import hide_known
from .masking import MASK, display_text, mask_secrets
from .members import Members

MOST_FIELDS = 20
MOST_ERRORS = 5
LONGEST_CODE = 64
MOST_DIGITS = 8
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/\-]*")
_SUPPORT_ID = re.compile(r"[A-Za-z0-9\-]{8,64}")

# Members whose values are codes, in any of the spellings that providers use.
CODE_MEMBERS = frozenset(
    {
        "status",
        "category",
        "subcategory",
        "suberror",
        "errorcode",
        "errorcodes",
        "errorsubcode",
        "errortype",
        "errortitle",
        "type",
        "reason",
        "field",
        "errno",
    }
)
SUPPORT_IDS = frozenset({"correlationid", "traceid", "requestid"})
DESCRIPTIONS = (
    "error_description",
    "message",
    "error_message",
    "errorMessage",
    "description",
    "detail",
    "msg",
    "title",
    "error.message",
    "error.description",
    "error.error_description",
    "errors.0.message",
)


def failure(
    reason: str,
    *,
    status: int,
    content_type: str,
    members: Members,
    error_path: str = "error",
    description_path: str = "error_description",
    known: Iterable[str] = (),
) -> TokenEndpointError:
    """The error for an answer that is no token. `known` are the secrets that the request carried."""
    known = tuple(known)
    return TokenEndpointError(
        reason,
        status=status,
        error=_error_code(members, error_path, known),
        error_description=_description(members, (description_path, *DESCRIPTIONS, error_path), known),
        fields=dict(_code_fields(members, known)),
        content_type=content_type,
        members=members,
    )


def is_told(value: object) -> bool:
    """Whether an `error` member reports one: null, false, 0 and empty values do not."""
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def code_text(value: object, known: Iterable[str] = ()) -> str | None:
    """The value when it can only be a code: short, one word, few digits, none of the known secrets."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip() if isinstance(value, str) or abs(value) < 10**MOST_DIGITS else ""
    if not text or len(text) > LONGEST_CODE or sum(c.isdigit() for c in text) > MOST_DIGITS:
        return None
    if isinstance(value, str) and (_CODE.fullmatch(text) is None or mask_secrets(text) != text):
        return None
    return text if hide_known(text, known, mask=MASK) == text else None


def _error_code(members: Members, path: str, known: tuple[str, ...]) -> str | None:
    candidates = [members.at(path), members.at("error")]
    for value in tuple(candidates):
        if isinstance(value, Mapping):
            candidates += [value.get(name) for name in ("code", "error", "type", "status")]
    codes = (code_text(value, known) for value in candidates if is_told(value))
    return next((code for code in codes if code is not None), None)


def _description(members: Members, paths: Iterable[str], known: tuple[str, ...]) -> str | None:
    for path in paths:
        value = members.at(path)
        if isinstance(value, str) and value.strip() and (path != "error" or code_text(value) is None):
            return display_text(mask_secrets(value, known=known)) or None
    return None


def _code_fields(members: Members, known: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    found = 0
    for path, name, value in _leaves(members):
        key = name.lower().replace("_", "").replace("-", "")
        if key in SUPPORT_IDS:
            text = _support_id(value, known)
        else:
            text = code_text(value, known) if key in CODE_MEMBERS or _is_code_beside(path, value) else None
        if text is not None and found < MOST_FIELDS:
            found += 1
            yield path, text


def _is_code_beside(path: str, value: object) -> bool:
    """`code` is an authorization code at top level, unless it is a number; within an error it is a code."""
    steps = path.split(".")
    return steps[-1] == "code" and (isinstance(value, int) or steps[0] in ("error", "errors"))


def _support_id(value: object, known: tuple[str, ...]) -> str | None:
    if not isinstance(value, str) or _SUPPORT_ID.fullmatch(value) is None:
        return None
    return value if hide_known(value, known, mask=MASK) == value else None


def _leaves(members: Members) -> Iterator[tuple[str, str, Any]]:
    """Path, member name and value of the scalars at top level and within `error` and `errors`."""
    for name, value in members.items():
        if isinstance(value, list):
            for index, item in enumerate(value[:MOST_ERRORS]):
                if isinstance(item, Mapping) and name == "errors":
                    yield from ((f"{name}.{index}.{key}", key, inner) for key, inner in item.items())
                else:
                    yield f"{name}.{index}", name, item
        elif isinstance(value, Mapping) and name == "error":
            yield from ((f"{name}.{key}", key, inner) for key, inner in value.items())
        else:
            yield name, name, value
