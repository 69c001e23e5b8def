"""OAuth 1.0a (RFC 5849): signing a request, and the answers of the endpoints that give credentials.

The signature comes from oauthlib. What is kept of a customer's grant is the token with its secret in one text, in the
form in which the provider answers (section 2.3): neither is of any use without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from oauthlib.oauth1 import Client

from .errors import TokenEndpointError, UnreadableTokenResponse
from .masking import display_text

FORM = "application/x-www-form-urlencoded"
_LONGEST = 4_096


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A token and its secret: temporary credentials, or those of a grant. members: what came beside them."""

    token: str = field(repr=False)
    secret: str = field(repr=False)
    members: Mapping[str, str] = field(default_factory=dict, repr=False)

    def stored(self) -> str:
        """The text that is kept, sealed."""
        return urlencode({"oauth_token": self.token, "oauth_token_secret": self.secret})

    @classmethod
    def of(cls, stored: str) -> TokenPair:
        """Read what stored() made. A text without a secret is a token whose secret is empty."""
        members = dict(parse_qsl(stored, keep_blank_values=True))
        return cls(members.get("oauth_token", stored), members.get("oauth_token_secret", ""))


@dataclass(frozen=True, slots=True)
class Signer:
    """The client's own credentials, and how it signs."""

    client_key: str
    client_secret: str = field(repr=False)
    signature_method: str = "HMAC-SHA1"

    def authorization(
        self,
        method: str,
        url: str,
        *,
        pair: TokenPair | None = None,
        form: str | None = None,
        callback: str | None = None,
        verifier: str | None = None,
    ) -> str:
        """The value of `Authorization` for one request, with a nonce that is used once (section 3.5.1).

        url: as it is sent, its query included. form: the content of one whose type is FORM (section 3.4.1.3.1), None
        for any other. callback and verifier: for the two token endpoints. What is sent is left as it is: both parts
        are written anew for the signature alone, since oauthlib refuses what many servers take.
        """
        signed = Client(
            self.client_key,
            client_secret=self.client_secret,
            resource_owner_key=pair.token if pair else None,
            resource_owner_secret=pair.secret if pair else None,
            callback_uri=callback,
            verifier=verifier,
            signature_method=self.signature_method,
        )
        takes_form = bool(form) and method.upper() not in ("GET", "HEAD")
        _, headers, _ = signed.sign(
            _canonical(url),
            http_method=method,
            body=_rewritten(form or "") if takes_form else None,
            headers={"Content-Type": FORM} if takes_form else {},
        )
        return str(headers["Authorization"])


def _canonical(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query=_rewritten(parts.query), fragment="").geturl()


def _rewritten(pairs: str) -> str:
    return urlencode(parse_qsl(pairs, keep_blank_values=True), quote_via=quote)


def read_token_answer(status: int, body: bytes, *, needs_confirmation: bool = False) -> TokenPair:
    """The credentials in an answer of one of the token endpoints (sections 2.1 and 2.3).

    needs_confirmation: the answer must confirm the callback, else whoever began the grant might not be the one who
    ends it. Raises TokenEndpointError for a refusal and UnreadableTokenResponse for an answer that holds no token.
    """
    try:
        members = dict(parse_qsl(body.decode("utf-8-sig")[: _LONGEST * 4], keep_blank_values=True))
    except UnicodeDecodeError:
        members = {}
    problem = display_text(members.get("oauth_problem", ""), max_length=60)
    if problem or not 200 <= status < 300:
        raise TokenEndpointError("the endpoint refused", status=status, error=problem or None)
    token, secret = members.pop("oauth_token", ""), members.pop("oauth_token_secret", None)
    if not _is_usable(token) or secret is None or (secret and not _is_usable(secret)):
        raise UnreadableTokenResponse("the answer holds no token with its secret", status=status)
    if needs_confirmation and members.get("oauth_callback_confirmed", "").lower() != "true":
        raise UnreadableTokenResponse("the answer does not confirm the callback", status=status)
    return TokenPair(token, secret, members)


def _is_usable(value: str) -> bool:
    return bool(value) and len(value) <= _LONGEST and value.isprintable()
