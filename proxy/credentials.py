"""Which credential a call presents, where it stood, and where the customer's own goes instead."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

from integrations.catalogue import Api, CredentialPlacement
from integrations.oauth.oauth1 import TokenPair
from integrations.provider_calls import basic_value
from integrations.tokens import AccessToken

Field = tuple[bytes, bytes]
_OUR_SCHEMES = frozenset({b"bearer", b"basic", b"token"})


class Presented(NamedTuple):
    """What a caller shows: an Authorization field's value, or a bare key from another place. Never logged."""

    kind: str
    value: str

    @property
    def digest(self) -> bytes:
        """What caches know the credential by."""
        return hashlib.sha256(f"{self.kind}\0{self.value}".encode("utf-8", "surrogatepass")).digest()

    def __repr__(self) -> str:
        return f"Presented({self.kind!r})"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the vendor's own SDK puts its token, beside Authorization: read as the partner's key, then removed.

    header_schemes maps a field name in lower case to the word before the key, None when the value is the key.
    words are those before the key in Authorization, in lower case, beside Bearer, token and Basic; an empty one
    says that the key may stand there alone.
    dropped are further places of the provider's credential, never read and always removed.
    """

    header_schemes: Mapping[bytes, str | None]
    query_names: frozenset[str] = frozenset()
    dropped: frozenset[bytes] = frozenset()
    words: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, api: Api) -> Places:
        headers: dict[bytes, str | None] = {}
        queries, words = set(), set()
        for place in api.caller_credentials:
            if place.kind == "query":
                queries.add(place.name)
            elif place.name.lower() == "authorization":
                words.add((place.scheme or "").lower().encode("ascii"))
            else:
                headers[place.name.lower().encode("ascii")] = place.scheme
        placed = api.credential
        if placed.kind == "query":
            queries.add(placed.name)
        dropped = frozenset({placed.name.lower().encode("ascii")})
        return cls(headers, frozenset(queries), dropped, frozenset(words) - _OUR_SCHEMES)


ONLY_AUTHORIZATION = Places({})


def from_authorization(value: bytes, words: frozenset[bytes] = frozenset()) -> Presented | None:
    """The credential of an Authorization field; `token` and the words of the provider's SDK are read as `Bearer`.

    None for a scheme that is neither.
    """
    scheme, _, rest = value.strip().partition(b" ")
    if scheme.lower() not in _OUR_SCHEMES and scheme.lower() not in words:
        is_bare = b"" in words and scheme and not rest
        return Presented("key", scheme.decode("latin-1")) if is_bare else None
    word = "Basic" if scheme.lower() == b"basic" else "Bearer"
    return Presented("authorization", f"{word} {rest.strip().decode('latin-1')}")


def from_place(value: bytes, scheme: str | None) -> Presented | None:
    """The bare key in one of the provider's header places, or None when the value is of another scheme."""
    text = value.strip().decode("latin-1")
    if scheme is not None:
        word, _, text = text.partition(" ")
        if word.lower() != scheme.lower():
            return None
        text = text.strip()
    return Presented("key", text) if text else None


def take_from_query(raw_query: str, names: Iterable[str]) -> tuple[str, Presented | None]:
    """The query without the fields of these names, every other byte untouched, and the first key found there."""
    kept, presented = [], None
    for field in raw_query.split("&"):
        name, _, value = field.partition("=")
        if unquote_plus(name) not in names:
            kept.append(field)
        elif presented is None and value:
            presented = Presented("key", unquote_plus(value))
    return "&".join(kept), presented


def credential_field(placement: CredentialPlacement, token: AccessToken) -> Field | None:
    """The header field that carries the customer's token, or None when the query does.

    Not for requests that are signed (signing.signed).
    """
    secret = token.secret.reveal()
    if placement.kind == "query":
        return None
    if placement.kind == "header":
        return placement.name.lower().encode("ascii"), f"{placement.prefix}{secret}".encode()
    if placement.kind == "basic":
        return b"authorization", basic_value(placement, secret).encode()
    return b"authorization", f"Bearer {secret}".encode()


def written(placement: CredentialPlacement, token: AccessToken) -> bytes:
    """The token as it stands in the request: percent-encoded in a query, as a pair in Base64 in HTTP Basic.

    Of a pair of OAuth 1.0a only the token is sent.
    """
    secret = token.secret.reveal()
    if placement.kind == "query":
        secret = quote(secret, safe="")
    elif placement.kind == "basic":
        secret = basic_value(placement, secret).removeprefix("Basic ")
    elif placement.kind == "oauth1":
        secret = TokenPair.of(secret).token
    return secret.encode()


def with_credential(raw_query: str | None, placement: CredentialPlacement, token: AccessToken) -> str | None:
    """The query to send: with the customer's token for a provider that takes it there, else as it is."""
    if placement.kind != "query":
        return raw_query
    field = f"{quote(placement.name, safe='')}={quote(placement.prefix + token.secret.reveal(), safe='')}"
    return f"{raw_query}&{field}" if raw_query else field
