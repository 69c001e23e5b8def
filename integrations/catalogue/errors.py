"""What goes wrong in the catalogue.

CatalogueError (ValueError)             an entry's file is wrong: fix the file
UnknownProvider (KeyError)              no entry has that id
TemplateError (ValueError)
├── MissingValue                        a template needs a value that the connection does not have
└── InvalidConnectionField              a value may not be used: ask again
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with one file; path is a JSON path such as `$.oauth.pkce`."""

    file: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.message}"


class CatalogueError(ValueError):
    """A folder of entries cannot be served; `findings` lists everything that is wrong with it."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class UnknownProvider(KeyError):
    """No entry has this id; the message names the ids that exist."""

    def __init__(self, provider_id: str, known: Iterable[str]) -> None:
        self.provider_id = provider_id
        self.known = tuple(sorted(known))
        super().__init__(provider_id)

    def __str__(self) -> str:
        return f"no provider {self.provider_id!r}; known: {', '.join(self.known) or 'none'}"


class TemplateError(ValueError):
    """A template of an entry cannot be filled; `field` names the value, which is not repeated here."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")


class MissingValue(TemplateError):
    """The connection does not have the value that a template asks for."""

    def __init__(self, field: str) -> None:
        super().__init__(field, "no value")


class InvalidConnectionField(TemplateError):
    """A value has a shape that could lead a request elsewhere, or that the provider does not use."""
