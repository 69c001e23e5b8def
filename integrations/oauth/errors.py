"""What can go wrong in the protocol, one class per thing a caller does about it.

    OAuthError
    +-- UnsendableRequest          fix the settings: no request can be made of them
    +-- InvalidTokenValue          ask for another value: it cannot travel as a token
    +-- IssuerMismatch             refuse the callback: another server answered (RFC 9207)
    +-- TokenEndpointError         the token endpoint refused; `verdicts.classify` says what that means
        +-- UnreadableTokenResponse   the answer is no token response at all

None of them holds a token, secret, code or verifier in a form that `str`, `repr` or a log can show.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .members import Members

NO_FIELDS: Mapping[str, str] = MappingProxyType({})


class OAuthError(Exception):
    """Base of all errors of this package."""


class UnsendableRequest(OAuthError):
    """The settings do not make a request; the message names the setting, never its value."""


class InvalidTokenValue(OAuthError, ValueError):
    """A value that cannot be a token; the message names the member, never the value."""


class IssuerMismatch(OAuthError):
    """The `iss` parameter is missing where promised, or names another authorization server."""


class TokenEndpointError(OAuthError):
    """The token endpoint answered, and the answer holds no usable access token.

    status: HTTP status code. error: the provider's code verbatim (`invalid_grant`), None when it gave none.
    error_description: its own words, masked, one line, at most 500 characters. fields: code-like members by
    dotted path (`status`, `errors.0.code`), safe to log. content_type: as sent, "" when missing. excerpt: the
    masked beginning of a body that is neither JSON nor a form, at most 200 characters. reason: our words.
    """

    def __init__(
        self,
        reason: str = "the token endpoint reported an error",
        *,
        status: int = 0,
        error: str | None = None,
        error_description: str | None = None,
        fields: Mapping[str, str] = NO_FIELDS,
        content_type: str = "",
        excerpt: str = "",
        members: Members | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.error = error
        self.error_description = error_description
        self.fields = dict(fields)
        self.content_type = content_type
        self.excerpt = excerpt
        self.members = members if members is not None else Members({})

    def __str__(self) -> str:
        parts = [f"{self.reason}: HTTP {self.status}"]
        if self.content_type:
            parts.append(self.content_type)
        if self.error:
            parts.append(f"error={self.error}")
        parts.extend(f"{name}={value}" for name, value in self.fields.items() if value != self.error)
        if self.error_description:
            parts.append(f"({self.error_description})")
        if self.excerpt:
            parts.append(f"body begins: {self.excerpt}")
        return " ".join(parts)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class UnreadableTokenResponse(TokenEndpointError):
    """HTML, broken or oversized content, or a token that no HTTP field can carry.

    is_html: a page, not data.
    """

    def __init__(
        self,
        reason: str = "the token endpoint's answer cannot be read",
        *,
        status: int = 0,
        content_type: str = "",
        excerpt: str = "",
        is_html: bool = False,
    ) -> None:
        super().__init__(reason, status=status, content_type=content_type, excerpt=excerpt)
        self.is_html = is_html
