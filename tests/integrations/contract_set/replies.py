"""An entry's file of replies: what is sent to the provider and what it answers, written down beside the entry.

The file is the second account of a provider: nothing of it is taken from the entry when the tests run, so that
an entry with a mistake in it does not agree with its file. tests/integrations/providers/draft.py writes a first one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from integrations.catalogue.documents import read_entry
from tests.integrations.contract_set.shape import SCHEMA

FOLDER = Path(__file__).parents[2] / "fixtures" / "providers"
FILE = "replies.yaml"
HOW_TO_DRAFT = ".venv/bin/python -m tests.integrations.providers.draft {provider_id}"
Document = dict[str, Any]


class RepliesError(AssertionError):
    """A file of replies that is missing or wrong; says which file, which place in it, and what to do."""


@dataclass(frozen=True)
class Replies:
    """One file; members that it leaves out are empty. Placeholders stand as they are written."""

    provider_id: str
    document: Document = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        """A member that the check in hand cannot do without. Raises RepliesError."""
        if name not in self.document:
            raise RepliesError(f"{self.provider_id}/{FILE}: $.{name} is missing")
        return self.document[name]

    def mapping(self, name: str) -> dict[str, str]:
        return dict(self.document.get(name, {}))

    def items(self, name: str) -> list[Any]:
        return list(self.document.get(name, []))

    def call(self, name: str) -> Document | None:
        """The request and reply of that name, None when the provider has no such call."""
        found: Document | None = self.document.get(name)
        return found

    @property
    def is_reviewed(self) -> bool:
        return bool(self.document.get("reviewed"))

    @property
    def lifetime_seconds(self) -> int | None:
        """Of the access token, as told in the file or by the standard member of the reply."""
        told = self.document.get("lifetimes", {})
        if "access_token" in told:
            return None if told["access_token"] is None else int(told["access_token"])
        body = self.document.get("token", {}).get("reply", {}).get("body")
        seconds = body.get("expires_in") if isinstance(body, dict) else None
        return seconds if isinstance(seconds, int) else None

    @property
    def tells_lifetime(self) -> bool:
        """Whether the lifetime stands in the reply to the last token call, in seconds or milliseconds."""
        seconds = self.lifetime_seconds
        calls = [self.document.get("token", {}), *self.items("chain")]
        told = {str(leaf) for leaf in leaves(calls[-1].get("reply", {}).get("body"))}
        return seconds is not None and bool(told & {str(seconds), str(seconds * 1000)})


def load(provider_id: str, *, folder: Path = FOLDER) -> Replies:
    """The file of one entry. Raises RepliesError."""
    path = folder / provider_id / FILE
    if not path.exists():
        how = HOW_TO_DRAFT.format(provider_id=provider_id)
        raise RepliesError(
            f"The entry {provider_id!r} has no {path.parent.name}/{FILE} in tests/fixtures/providers. Draft one "
            f"with `{how}`, then compare it with the provider's documentation."
        )
    return _load(path)


@cache
def _load(path: Path) -> Replies:
    document, unreadable = read_entry(path)
    where = f"{path.parent.name}/{path.name}"
    findings = [f"{where}: {found.message}" for found in unreadable] or [
        f"{where}: {text}" for text in findings_in(document)
    ]
    if findings:
        raise RepliesError("\n".join(findings))
    return Replies(path.parent.name, document)


def findings_in(document: Any) -> list[str]:
    """What is wrong with a document, each as `$.path: what`."""
    errors = sorted(Draft202012Validator(SCHEMA).iter_errors(document), key=lambda error: error.json_path)
    found = [f"{error.json_path}: {error.message}" for error in errors]
    return found or list(_contradictions(document))


def _contradictions(document: Document) -> Iterator[str]:
    refresh = document.get("refresh", {}).get("reply", {}).get("body")
    if "ACCESS_TOKEN" in set(leaves(refresh)):
        yield "$.refresh.reply.body: holds ACCESS_TOKEN; the token that is new is NEW_ACCESS_TOKEN"
    for name in ("token", "refresh"):
        body = document.get(name, {}).get("reply", {}).get("body")
        wanted = "ACCESS_TOKEN" if name == "token" else "NEW_ACCESS_TOKEN"
        if body is not None and not any(wanted in str(leaf) for leaf in leaves(body)):
            yield f"$.{name}.reply.body: holds no {wanted}"
    for index, probe in enumerate(document.get("identity", [])):
        if "credential" not in probe["request"] and "authorization" not in probe["request"]:
            yield f"$.identity[{index}].request: needs a credential or an authorization"


def leaves(value: Any) -> Iterator[Any]:
    """Every text, number, truth value and null in JSON data."""
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from leaves(member)
    else:
        yield value
