"""The Patchbay-* request fields: what a caller may ask of the proxy itself (contract section 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from accounts.api.problems import invalid

MAX_RETRIES = 10
MAX_TIMEOUT_SECONDS = 120.0
_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?").fullmatch
_WHOLE = re.compile(r"[0-9]{1,2}").fullmatch


@dataclass(frozen=True, slots=True)
class Controls:
    """timeout_seconds: until the response headers; None is the provider's own. host: another allowed host."""

    connection: bytes | None = None
    connection_name: bytes | None = None
    host: str | None = None
    retries: int = 0
    timeout_seconds: float | None = None


_NONE = Controls()


def read(fields: Mapping[bytes, bytes]) -> Controls:
    """Read the fields, names in lower case. Raises Problem that names the field. Unknown ones do nothing."""
    if not fields:
        return _NONE
    # The server's parser leaves white space at a value's end, which is none of it (RFC 9110 section 5.5).
    fields = {name: value.strip(b" \t") for name, value in fields.items()}
    host = fields.get(b"patchbay-host")
    return Controls(
        connection=fields.get(b"patchbay-connection"),
        connection_name=fields.get(b"patchbay-connection-name"),
        host=None if host is None else host.decode("latin-1"),
        retries=_retries(fields.get(b"patchbay-retries")),
        timeout_seconds=_timeout(fields.get(b"patchbay-timeout")),
    )


def _retries(value: bytes | None) -> int:
    if value is None:
        return 0
    text = value.decode("latin-1")
    if not _WHOLE(text) or int(text) > MAX_RETRIES:
        raise invalid("Patchbay-Retries", f"A whole number from 0 to {MAX_RETRIES} is needed.")
    return int(text)


def _timeout(value: bytes | None) -> float | None:
    if value is None:
        return None
    text = value.decode("latin-1")
    if not _NUMBER(text) or not 0 < float(text) <= MAX_TIMEOUT_SECONDS:
        raise invalid("Patchbay-Timeout", f"Seconds above 0 and up to {MAX_TIMEOUT_SECONDS:g} are needed.")
    return float(text)
