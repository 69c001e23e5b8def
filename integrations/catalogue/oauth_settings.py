"""The OAuth part of an entry: endpoints, parameters, token answers, verdicts. Data only.

Names are those of RFC 6749, 7636, 8414 and 7591. A *template* is text with `{name}` placeholders, filled by
`render` and `render_url`. A *path* is dotted, with digits for list items: `authed_user.access_token`,
`errors.0.code`; `$` is the whole document. Empty tuples and mappings mean "nothing special".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .frozen import FrozenMap

NOTHING: Mapping[str, str] = FrozenMap()
NO_FIELDS: Mapping[str, tuple[str, ...]] = FrozenMap()

ClientAuth = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
BodyFormat = Literal["form", "json"]
VerdictName = Literal["grant_gone", "client_wrong", "temporary", "unknown"]
ReasonName = Literal["revoked_at_provider", "refresh_token_expired", "scope_withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRules:
    """How scopes travel.

    `mandatory` scopes are always in the `scope` parameter; `default` ones are ticked when staff make an
    integration and never added to a request on their own. `optional_parameter` names the parameter for
    scopes that the customer may lack (HubSpot: optional_scope); None puts all of them into `scope`.
    `is_sent` False: the scopes are set in the provider's console and the parameter must not be sent.
    `granted_separators`: characters that separate granted scopes when they come as one string.
    `granted_in` tells where the granted scopes are: the token answer, the callback, or nowhere.
    """

    separator: str = " "
    mandatory: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    optional_parameter: str | None = None
    is_sent: bool = True
    granted_separators: str = " "
    granted_in: Literal["token", "callback", "nowhere"] = "token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """Seconds; None is unknown or unlimited. access_token_seconds serves when expires_in is missing."""

    access_token_seconds: int | None = None
    refresh_token_idle_seconds: int | None = None
    refresh_token_absolute_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPaths:
    """Paths into a token answer."""

    access_token: str = "access_token"  # noqa: S105 - a path, not a secret
    refresh_token: str = "refresh_token"  # noqa: S105
    expires_in: str = "expires_in"
    scope: str = "scope"
    token_type: str = "token_type"  # noqa: S105
    refresh_token_expires_in: str | None = None
    error: str = "error"
    error_description: str = "error_description"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryToken:
    """A second token in the same answer (Slack's user token beside the bot token)."""

    name: str
    paths: TokenPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessErrorRule:
    """A 200 answer is an error when the value at `path` is one of `values`.

    Values are compared as JSON text ("false", "0", "expired"). No values: any value that is there and is
    neither null, false, 0 nor empty counts (GitHub's `error` member).
    """

    path: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A value that the provider tells us and that templates may use as `{store_as}`.

    `takes` "host": the value is a URL or a host name, of which the host is kept; it must end with one of
    `allowed_host_suffixes` (each begins with a dot, or is a whole host name). `equals` is a template that the
    value must be equal to (Shopify: the shop that the customer named).
    """

    store_as: str
    pattern: str | None = None
    equals: str | None = None
    takes: Literal["value", "host"] = "value"
    allowed_host_suffixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackCapture(Capture):
    """Read from the query parameter `parameter` of the callback (QuickBooks: realmId)."""

    parameter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCapture(Capture):
    """Read from the token answer at `path` (Pipedrive: api_domain)."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRule:
    """What a failed token call means; first match wins, before the general rules of RFC 6749.

    Every condition that is given must hold: the status is in `statuses`; the OAuth error is in `errors`;
    for each member of `fields` the body's value at that path is one of those listed; `description_pattern`
    is found, without regard to case, in the error description or in a top-level `message`. 408, 423, 425, 429,
    477 and 5xx are temporary unless `statuses` names them. `reason`: the status reason to show the customer.
    """

    verdict: VerdictName
    reason: ReasonName | Literal[""] = ""
    statuses: tuple[int, ...] = ()
    errors: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = NO_FIELDS
    description_pattern: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeStep:
    """A further call after the code exchange (Facebook: short-lived to long-lived token)."""

    url: str
    method: Literal["GET", "POST"] = "GET"
    params: Mapping[str, str] = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAssertion:
    """A signed JWT in place of a client secret (RFC 7523 section 2.2).

    The integration's secret is then the private key in PEM, and its App ID the key's `kid`.
    """

    alg: Literal["RS256", "PS256", "ES256"] = "RS256"
    audience: Literal["token_endpoint", "issuer"] = "token_endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """One provider's OAuth 2.0 client settings. Endpoints are https URL templates.

    `authorization_endpoint` "": nobody is sent anywhere (client credentials). With a
    `pushed_authorization_request_endpoint` authorization requests go there first (RFC 9126).
    `authorization_response_iss_parameter_supported`: a callback without `iss` is refused (RFC 9207).
    `refresh_endpoint` None: the token endpoint. `*_params` are added to the standard parameters, values are
    templates. `*_parameter_names` renames a standard parameter, an empty new name leaves it out.
    `basic_encoding` "form" encodes id and secret first (RFC 6749 section 2.3.1), "raw" does not.
    `rotates_refresh_token` None: unknown, or sometimes. `refresh_grace_seconds`: how long the old refresh
    token still works after a rotation. `refresh_margin_seconds`: refresh this early; None is our default.
    `expires_in_unit` epoch_s, epoch_ms and iso8601: the member holds the moment of the end.
    `minimum_token_age_seconds`: the provider refuses an earlier refresh. `refreshes_per_second`: the sweep's cap
    over all workers; None is the installation's. `renews_with` "access_token": there
    is no refresh token, the access token itself is exchanged. `callback_hmac` names the algorithm that
    proves the callback's query.
    """

    authorization_endpoint: str = ""
    token_endpoint: str
    refresh_endpoint: str | None = None
    issuer: str | None = None
    authorization_response_iss_parameter_supported: bool = False
    pushed_authorization_request_endpoint: str | None = None
    authorization_params: Mapping[str, str] = NOTHING
    authorization_parameter_names: Mapping[str, str] = NOTHING
    token_method: Literal["POST", "GET"] = "POST"  # noqa: S105
    token_params: Mapping[str, str] = NOTHING
    token_headers: Mapping[str, str] = NOTHING
    token_parameter_names: Mapping[str, str] = NOTHING
    token_endpoint_auth_method: ClientAuth
    client_assertion: ClientAssertion = ClientAssertion()
    basic_encoding: Literal["form", "raw"] = "form"
    token_body_format: BodyFormat = "form"  # noqa: S105
    refresh_method: Literal["POST", "GET"] = "POST"
    refresh_params: Mapping[str, str] = NOTHING
    refresh_parameter_names: Mapping[str, str] = NOTHING
    refresh_auth_method: ClientAuth | None = None
    renews_with: Literal["refresh_token", "access_token", "nothing"] = "refresh_token"
    pkce: Literal["required", "optional", "forbidden"] = "optional"
    scope: ScopeRules
    expects_refresh_token: bool
    lifetimes: Lifetimes = Lifetimes()
    expires_in_unit: Literal["s", "ms", "epoch_s", "epoch_ms", "iso8601"] = "s"
    rotates_refresh_token: bool | None = None
    refresh_grace_seconds: int | None = None
    refresh_margin_seconds: int | None = None
    minimum_token_age_seconds: int | None = None
    refreshes_per_second: float | None = None
    token_paths: TokenPaths = TokenPaths()
    secondary_tokens: tuple[SecondaryToken, ...] = ()
    success_error_rules: tuple[SuccessErrorRule, ...] = ()
    exchange_chain: tuple[ExchangeStep, ...] = ()
    callback_code_parameter: str = "code"
    callback_captures: tuple[CallbackCapture, ...] = ()
    callback_hmac: Literal["shopify"] | None = None
    token_captures: tuple[TokenCapture, ...] = ()
    verdicts: tuple[VerdictRule, ...] = ()


#: of a provider whose connections are made in another way: it asks for nothing and renews nothing
NO_OAUTH = OAuth(
    token_endpoint="",
    token_endpoint_auth_method="none",  # noqa: S106 - a method's name
    renews_with="nothing",
    pkce="forbidden",
    scope=ScopeRules(is_sent=False),
    expects_refresh_token=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth1:
    """One provider's OAuth 1.0a client settings (RFC 5849). Endpoints are https URL templates."""

    request_token_endpoint: str
    authorization_endpoint: str
    access_token_endpoint: str
    signature_method: Literal["HMAC-SHA1", "HMAC-SHA256", "PLAINTEXT"] = "HMAC-SHA1"
    authorization_params: Mapping[str, str] = NOTHING
    token_lifetime_seconds: int | None = None
    token_captures: tuple[TokenCapture, ...] = ()
