"""Reading JSON lines that hold secrets: one object a line, bounded, and never quoted in what is said about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from integrations.errors import InvalidInput

LONGEST_LINE = 1024 * 1024
_TO_LINES = "jq -c '.connections[]' FILE, or jq -c '.[]' FILE, makes lines of one document."


def read_lines(stream: BinaryIO) -> Iterator[tuple[int, dict[str, Any] | InvalidInput]]:
    """(line number, the object or what is wrong with the line). Empty lines are skipped; memory stays flat."""
    number = 0
    while content := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(content) > LONGEST_LINE:
            _skip_rest(stream, content)
            yield number, InvalidInput("", f"The line has more than {LONGEST_LINE:,} bytes.")
            continue
        if number == 1:
            content = content.removeprefix(b"\xef\xbb\xbf")
        if content.strip():
            yield number, _parsed(content)


def _skip_rest(stream: BinaryIO, content: bytes) -> None:
    while content and not content.endswith(b"\n"):
        content = stream.readline(LONGEST_LINE)


def _parsed(content: bytes) -> dict[str, Any] | InvalidInput:
    try:
        parsed = json.loads(
            content.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        return InvalidInput("", f"The line is not UTF-8 (byte {error.start + 1}).")
    except json.JSONDecodeError as error:
        return InvalidInput("", f"The line is not JSON (column {error.colno}). {_TO_LINES}")
    except _Ambiguous:
        return InvalidInput("", "An object of the line holds the same name twice.")
    except (ValueError, RecursionError):
        return InvalidInput("", "The line holds a number or a depth that JSON readers do not agree on.")
    if isinstance(parsed, list) or isinstance(
        parsed.get("connections") if _is_object(parsed) else None, list
    ):
        return InvalidInput("", f"The line is a list of connections. {_TO_LINES}")
    return parsed if _is_object(parsed) else InvalidInput("", "The line is no JSON object.")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


class _Ambiguous(ValueError):
    """A name that stands twice in one object: readers differ on which counts."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _Ambiguous
    return members


def _refuse_constant(_: str) -> Any:
    raise ValueError
