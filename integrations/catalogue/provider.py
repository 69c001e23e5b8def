"""One entry of the catalogue, as frozen values. Data only; its parts: oauth_settings, api_settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from .api_settings import Api
from .oauth_settings import NO_OAUTH, NOTHING, BodyFormat, OAuth, OAuth1

AuthKind = Literal["oauth2_code", "oauth2_client_credentials", "api_key", "basic", "oauth1"]
FactName = Literal[
    "access_token_lifetime",
    "refresh_token_lifetime",
    "rotation",
    "identity",
    "revocation",
    "rate_limit",
    "webhooks",
    "scopes",
]
Confidence = Literal["checked", "high", "medium", "low"]
ScopeKind = Literal[
    "base", "public", "likely-public", "legacy", "spec-only", "internal", "uncertain", "app-token"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    """One value that staff copy from the provider's console. `pattern` advises: warn, let staff override."""

    label: str
    description: str
    example: str
    console_location: str
    pattern: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialFields:
    """None: the provider has no such value."""

    client_id: CredentialField | None = None
    client_secret: CredentialField | None = None
    app_id: CredentialField | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionField:
    """A value that must be known before the customer is sent to the provider (shop, instance).

    `kind` "label": one DNS label; "host": a whole host name that ends with one of `allowed_host_suffixes`;
    "text" and "uuid" never become part of a host. `pattern` must match all of the value. `suffix` is shown
    behind the input. `asked_of` "staff": belongs to the integration, not to a customer.
    """

    name: str
    title: str
    description: str
    example: str
    pattern: str
    required: bool = True
    kind: Literal["label", "host", "text", "uuid"] = "label"
    asked_of: Literal["customer", "partner", "staff"] = "customer"
    allowed_host_suffixes: tuple[str, ...] = ()
    suffix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSecret:
    """One secret that a customer types when there is no page of consent (an API key, a password).

    `pattern` must match all of the value. `is_secret` False: shown while it is typed (a user name).
    """

    name: str
    title: str
    description: str
    example: str
    console_location: str
    pattern: str | None = None
    is_secret: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProbe:
    """A call that tells whose account this is. The answers of several probes are merged, first one wins.

    `form` values are templates that may also use client_id, client_secret, access_token, refresh_token.
    `items` is the path of a list of accounts (`$`: the body itself), of which the customer chooses when there
    are several; all other paths are then relative to one item. `extras` maps a name to a path; the values are
    kept with the connection and usable in templates. `account_url` is a template over extras, connection
    values and `account_id`; a placeholder that is its whole host must end with one of
    `account_url_host_suffixes`. `account_url_path` is the path of such an address in
    the answer. `must`: values (as JSON text) without which the answer counts as a failure.
    """

    method: Literal["GET", "POST"] = "GET"
    url: str
    auth: Literal["bearer", "api", "client_form", "basic"] = "bearer"
    form: Mapping[str, str] = NOTHING
    headers: Mapping[str, str] = NOTHING
    items: str | None = None
    account_id: str | None = None
    name: str | None = None
    account_url: str | None = None
    account_url_path: str | None = None
    account_url_host_suffixes: tuple[str, ...] = ()
    extras: Mapping[str, str] = NOTHING
    must: Mapping[str, str] = NOTHING
    is_optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """How a grant is ended at the provider.

    `url` is a template; `{token}` in it puts the token into the path and no parameters are sent. `sends`
    lists the tokens in the order in which they are tried; the first that the connection has is sent. With
    `auth` "bearer" or "api" (as api.credential says) the access token is the credential too.
    `token_parameter` None: the token is not sent as a parameter. With method GET the parameters go into the
    query. `params` are further templates. `shared_by_account`: ends the access of other connections to the
    same account too.
    """

    url: str
    method: Literal["POST", "GET", "DELETE"] = "POST"
    auth: Literal["client_secret_post", "client_secret_basic", "private_key_jwt", "bearer", "api", "none"] = (
        "client_secret_post"
    )
    token_parameter: str | None = "token"  # noqa: S105 - a parameter's name
    sends: tuple[Literal["refresh_token", "access_token"], ...] = ("refresh_token",)
    token_type_hint: bool = False
    body_format: BodyFormat = "form"
    params: Mapping[str, str] = NOTHING
    headers: Mapping[str, str] = NOTHING
    success_statuses: tuple[int, ...] = (200, 204)
    shared_by_account: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """`meaning` is what a customer reads; `tier` the plan that the account needs ("" when unknown).

    `implies` names scopes that come with this one and may be missing from the granted list.
    """

    name: str
    meaning: str
    group: str
    tier: str = ""
    kind: ScopeKind = "public"
    paid: bool = False
    implies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSignature:
    """One way in which the provider signs what it sends us.

    `signs` lists what is put together, in order; "body" is the raw bytes. `prefix` stands before the digest
    in the header. `scheme` names rules that this data cannot say (HubSpot's decoding of the URI).
    """

    scheme: Literal["hubspot_v3", "hubspot_v2", "hubspot_v1", "hmac", "hash", "basic", "token"]
    header: str
    algorithm: Literal["sha256", "sha1", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    signs: tuple[Literal["secret", "method", "uri", "body", "timestamp"], ...] = ("body",)
    prefix: str = ""
    timestamp_header: str | None = None
    tolerance_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRules:
    """Webhooks in. Paths start at one event; `items` is the path of the list of events (None: one event)."""

    signatures: tuple[WebhookSignature, ...] = ()
    secret: Literal["client_secret", "endpoint_secret", "none"] = "client_secret"  # noqa: S105 - a name
    items: str | None = None
    account_path: str | None = None
    account_header: str | None = None
    event_type_path: str | None = None
    deduplicate_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """The vendor's own client and how it is pointed at the proxy; `{proxy_url}` and `{key}` are filled in."""

    language: str
    package: str
    snippet: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Provider:
    """An entry of the catalogue; compared and hashed by identity.

    `account_id_template` tells the account's id when no identity probe does (QuickBooks: `{realm_id}`).
    `secret_template` makes the credential of calls from `connection_secrets`; None: `{api_key}`, and
    `{username}:{password}` for the kind basic. Each fact of `facts.FACTS` is filled, in `facts_unknown`, or in
    `facts_absent`. `last_live_run` None: never used against the provider itself.
    """

    id: str
    display_name: str
    category: str
    documentation_url: str
    last_checked: date | None
    confidence: Confidence
    monogram: str
    color: str
    auth_kind: AuthKind
    setup_steps: tuple[str, ...]
    credentials: CredentialFields = CredentialFields()
    oauth: OAuth = NO_OAUTH
    oauth1: OAuth1 | None = None
    connection_secrets: tuple[ConnectionSecret, ...] = ()
    secret_template: str | None = None
    connection_fields: tuple[ConnectionField, ...] = ()
    api: Api
    identity: tuple[IdentityProbe, ...] = ()
    account_id_template: str | None = None
    revocation: Revocation | None = None
    scopes: tuple[Scope, ...] = ()
    webhooks: WebhookRules | None = None
    quirks: tuple[str, ...] = ()
    stackgo_name: str | None = None
    sdk: Sdk | None = None
    console_url: str | None = None
    last_live_run: date | None = None
    facts_unknown: tuple[FactName, ...] = ()
    facts_absent: tuple[FactName, ...] = ()

    def scope_by_name(self, name: str) -> Scope | None:
        """The scope of that exact name, or None when the catalogue does not know it."""
        return next((scope for scope in self.scopes if scope.name == name), None)

    def connection_field(self, name: str) -> ConnectionField | None:
        return next((field for field in self.connection_fields if field.name == name), None)

    @property
    def has_consent(self) -> bool:
        """Whether customers are sent to the provider and come back, so that there is a redirect URL."""
        return self.auth_kind in ("oauth2_code", "oauth1")

    @property
    def unsupported_features(self) -> tuple[str, ...]:
        """What the entry asks for and the platform cannot do yet; each by its name in the file."""
        asked = {
            "secondary_tokens": bool(self.oauth.secondary_tokens),
        }
        return tuple(name for name, is_asked in asked.items() if is_asked)

    @property
    def is_supported(self) -> bool:
        """Whether an integration of this provider can be connected with the code that exists."""
        return not self.unsupported_features
