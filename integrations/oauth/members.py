"""The members of a parsed token answer, reachable by dotted path and silent when printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Members(Mapping[str, Any]):
    """A read-only mapping of JSON members whose `repr` and `str` show names only.

    For captures (`hub_id`, `authed_user.id`); never for logs: values may be secret.
    """

    __slots__ = ("_document",)

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def __getitem__(self, name: str) -> Any:
        return self._document[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)

    def __repr__(self) -> str:
        return f"<Members of {len(self)}, values hidden>"

    def __reduce__(self) -> tuple[type[Members], tuple[dict[str, Any]]]:
        """A pickle or copy is empty, so that an error that travels takes no value along."""
        return (Members, ({},))

    def at(self, path: str) -> Any:
        """The value at a dotted path, digits for list items (`errors.0.code`), `$` for all; None if none."""
        value: Any = self._document
        if path == "$":
            return value
        for step in path.split("."):
            if isinstance(value, Mapping):
                value = value.get(step)
            elif isinstance(value, list) and step.isdecimal() and len(step) < 7 and int(step) < len(value):
                value = value[int(step)]
            else:
                return None
        return value
