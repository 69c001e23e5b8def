"""Which connection a call means, and how a passthrough path says it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes
from uuid import UUID

from accounts.api.problems import Problem, invalid
from integrations.connections.find import parse_uuid

ROOT = b"/proxy/"
#: In the identifier's place: the connection is named by Patchbay-Connection alone.
SECOND_DOOR = "~"


_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}").fullmatch


def is_slug(text: str) -> bool:
    """Whether an integration could be called so; nothing else is looked up or remembered."""
    return _SLUG(text) is not None


class Selector(NamedTuple):
    """Names of one connection as the caller gave them; together with a credential a key of the cache."""

    slug: str
    foreign_identifier: str | None
    connection_id: UUID | None
    name: str | None


class PassthroughPath(NamedTuple):
    """`/proxy/{slug}/{identifier}{rest}`, cut at its first two slashes. rest is raw; "" or begins with "/"."""

    slug: str
    raw_identifier: bytes
    rest: str

    @classmethod
    def of(cls, raw_path: bytes) -> PassthroughPath:
        """Raises Problem for a path that is not ASCII, or begins with ROOT only when it is decoded."""
        if not raw_path.startswith(ROOT):
            raise Problem("not_found")
        slug, _, after = raw_path[len(ROOT) :].partition(b"/")
        raw_identifier, slash, rest = after.partition(b"/")
        try:
            return cls(unquote(slug.decode("ascii")), raw_identifier, (slash + rest).decode("ascii"))
        except UnicodeDecodeError as error:
            raise invalid("path", "The path is not ASCII; percent-encode it.") from error

    def selector(self, *, connection: bytes | None, name: bytes | None) -> Selector:
        """The connection meant, with the values of Patchbay-Connection and Patchbay-Connection-Name.

        Raises Problem and InvalidInput. Whether the identifier can be one is for accounts.identifiers to say.
        """
        identifier: str | None = _decoded(self.raw_identifier)
        connection_id = None
        if connection is not None:
            connection_id = parse_uuid(connection.decode("latin-1"), field="Patchbay-Connection")
        if identifier == SECOND_DOOR:
            if connection_id is None:
                raise invalid("Patchbay-Connection", "After '~' this header field names the connection.")
            identifier = None
        return Selector(self.slug, identifier, connection_id, None if name is None else _text(name))


def _decoded(raw_identifier: bytes) -> str:
    try:
        return unquote_to_bytes(raw_identifier).decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid("userForeignIdentifier", "The identifier is not percent-encoded UTF-8.") from error


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid("Patchbay-Connection-Name", "The name is not UTF-8.") from error
