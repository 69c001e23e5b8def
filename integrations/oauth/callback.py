"""The authorization response: what the browser brings back to the redirect URI (RFC 6749 section 4.1.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from .errors import IssuerMismatch
from .masking import display_text

LONGEST_QUERY = 65_536
MOST_PARAMETERS = 200
LONGEST_DESCRIPTION = 500
# Longest values taken, in characters; RFC 6749 sets none.
LONGEST = {
    "code": 8_192,
    "state": 512,
    "error": 100,
    "error_uri": 2_048,
    "iss": 2_048,
    "step": 64,
    "returnUrl": 2_048,
}
LONGEST_CAPTURE = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """The parameters of one callback, decoded once; a value that is empty, repeated or malformed is None.

    repeated: names that came more than once, which RFC 6749 section 3.1 forbids: refuse such a callback.
    malformed: names whose values are too long, not UTF-8 or hold control characters; "" when the query itself
    is too long. captured: the asked-for extra parameters (`realmId`), unchecked. step and return_url belong
    to installs that the provider starts; check return_url before going there. error_description is one line
    without control characters, still to be escaped.
    """

    code: str | None = None
    state: str | None = None
    error: str | None = None
    error_description: str | None = None
    error_uri: str | None = None
    iss: str | None = None
    captured: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    step: str | None = None
    return_url: str | None = None
    repeated: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shown = [f"error={self.error!r}"] if self.error else []
        shown += [f"{name}=***" for name in ("code", "state") if getattr(self, name)]
        shown += [
            f"{name}={getattr(self, name)!r}" for name in ("repeated", "malformed") if getattr(self, name)
        ]
        return f"Callback({', '.join(shown)})"


def parse_callback(
    query_string: str | bytes, *, captures: Iterable[str] = (), code_parameter: str = "code"
) -> Callback:
    """Read the raw query string. Never raises, whatever comes.

    captures: names of further parameters to keep; others are dropped. code_parameter: for providers that call
    the code something else (`auth_code`).
    """
    raw = query_string.encode("utf-8", "replace") if isinstance(query_string, str) else query_string
    if len(raw) > LONGEST_QUERY or raw.count(b"&") >= MOST_PARAMETERS:
        return Callback(malformed=("",))
    reader = _Reader(raw.removeprefix(b"?"))
    taken = {code_parameter, "code", "state"}
    captured = {name: reader.text(name, LONGEST_CAPTURE) for name in captures if name not in taken}
    error_uri = reader.text("error_uri", LONGEST["error_uri"])
    return Callback(
        code=reader.text(code_parameter, LONGEST["code"]),
        state=reader.text("state", LONGEST["state"]),
        error=reader.text("error", LONGEST["error"]),
        error_description=reader.description("error_description"),
        error_uri=error_uri if error_uri and error_uri.startswith(("https://", "http://")) else None,
        iss=reader.text("iss", LONGEST["iss"]),
        captured=MappingProxyType({name: value for name, value in captured.items() if value is not None}),
        step=reader.text("step", LONGEST["step"]),
        return_url=reader.text("returnUrl", LONGEST["returnUrl"]),
        repeated=tuple(dict.fromkeys(reader.repeated)),
        malformed=tuple(dict.fromkeys(reader.malformed)),
    )


def check_issuer(expected: str | None, received: str | None, *, promised: bool) -> None:
    """Compare `iss` with the server that was asked, character by character (RFC 9207 section 2.4).

    expected: the issuer from the provider's settings, None when unknown, and then nothing can be compared.
    promised: the server announces authorization_response_iss_parameter_supported, so that a response without
    `iss` is refused. Raises IssuerMismatch.
    """
    if received is None:
        if promised:
            raise IssuerMismatch("the response names no issuer though the server promises to")
        return
    if expected is not None and received != expected:
        raise IssuerMismatch("the response comes from another authorization server")


class _Reader:
    """Raw pairs of one query; remembers which of the names asked for were repeated or malformed."""

    def __init__(self, raw: bytes) -> None:
        self.repeated: list[str] = []
        self.malformed: list[str] = []
        self._values: dict[str, list[bytes]] = {}
        for pair in raw.split(b"&"):
            name, _, value = pair.partition(b"=")
            decoded = _decoded(name).decode("utf-8", "replace")
            self._values.setdefault(decoded, []).append(_decoded(value))

    def text(self, name: str, longest: int) -> str | None:
        octets = self._single(name)
        if not octets:
            return None
        try:
            value = octets.decode("utf-8")
        except UnicodeDecodeError:
            value = ""
        if not value or len(value) > longest or not value.isprintable():
            self.malformed.append(name)
            return None
        return value

    def description(self, name: str) -> str | None:
        octets = self._single(name)
        shown = display_text((octets or b"").decode("utf-8", "replace"), max_length=LONGEST_DESCRIPTION)
        return shown or None

    def _single(self, name: str) -> bytes | None:
        values = self._values.get(name, [])
        if len(values) > 1:
            self.repeated.append(name)
        return values[0] if len(values) == 1 else None


def _decoded(value: bytes) -> bytes:
    return unquote_to_bytes(value.replace(b"+", b" "))
