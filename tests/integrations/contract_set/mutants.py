"""Mistakes that an entry could hold, each made once: the set must notice every one of them.

An operator yields nothing where the entry has no such value, or where the change would be none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from integrations.catalogue import Provider
from tests.integrations.contract_set import operators_api
from tests.integrations.contract_set.changing import GONE, Changes, Operator, changed


class Mutant(NamedTuple):
    """The entry with one mistake. first: the checks that are likeliest to notice it."""

    operator: str
    where: str
    provider: Provider
    first: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.provider.id}: {self.operator} at {self.where}"


def mutants(provider: Provider) -> Iterator[Mutant]:
    """Every mutant of an entry, in an order that is always the same."""
    for operator, (changes, first) in OPERATORS.items():
        for where, to in changes(provider):
            nearest = tuple(check for start, check in _NEAREST.items() if where.startswith(start))
            yield Mutant(operator, where, changed(provider, where, to), nearest or first)


_NEAREST = {
    "oauth.authorization_": "authorize",
    "oauth.pushed_": "authorize",
    "oauth.issuer": "callback",
    "oauth.token_": "exchange",
    "oauth.exchange_chain": "exchange",
    "oauth.refresh_": "refresh",
    "oauth.token_paths": "stored",
    "oauth.token_captures": "stored",
    "identity": "identity",
    "revocation": "revocation",
    "api.base_url": "placement",
}


# -- addresses ---------------------------------------------------------------------------------------------


def _addresses(provider: Provider) -> Iterator[str]:
    oauth = provider.oauth
    for name in (
        "authorization_endpoint",
        "token_endpoint",
        "refresh_endpoint",
        "pushed_authorization_request_endpoint",
    ):
        if getattr(oauth, name):
            yield f"oauth.{name}"
    yield from (f"oauth.exchange_chain.{at}.url" for at in range(len(oauth.exchange_chain)))
    yield from (f"identity.{at}.url" for at in range(len(provider.identity)))
    if provider.revocation is not None:
        yield "revocation.url"
    yield "api.base_url"


def _value(provider: Any, path: str) -> Any:
    for name in path.split("."):
        provider = provider[int(name)] if isinstance(provider, tuple) else getattr(provider, name)
    return provider


def other_host(provider: Provider) -> Changes:
    for path in _addresses(provider):
        yield path, re.sub(r"^(https://[^/?]+)", r"\1.mutant.example", _value(provider, path))
    if provider.oauth.issuer:
        yield "oauth.issuer", provider.oauth.issuer + ".mutant.example"


def other_path(provider: Provider) -> Changes:
    for path in _addresses(provider):
        yield path, re.sub(r"^([^?]+?)/?(\?|$)", r"\1/mutant\2", _value(provider, path), count=1)


# -- the authorization request ------------------------------------------------------------------------------


def pkce_flipped(provider: Provider) -> Changes:
    if provider.oauth.authorization_endpoint:
        yield "oauth.pkce", "optional" if provider.oauth.pkce == "forbidden" else "forbidden"


def scopes_written_otherwise(provider: Provider) -> Changes:
    rules = provider.oauth.scope
    if not provider.oauth.authorization_endpoint:
        return
    if rules.is_sent and len(provider.scopes) > 1:
        yield "oauth.scope.separator", "," if rules.separator == " " else " "
    if provider.scopes:
        yield "oauth.scope.is_sent", not rules.is_sent
    if rules.is_sent:
        yield from ((f"oauth.scope.mandatory.{at}", GONE) for at in range(len(rules.mandatory)))
    if rules.optional_parameter:
        yield "oauth.scope.optional_parameter", None


def granted_scopes_read_otherwise(provider: Provider) -> Changes:
    """White space separates in any case."""
    separators = provider.oauth.scope.granted_separators
    if provider.oauth.scope.granted_in == "token" and separators.strip() and len(provider.scopes) > 1:
        yield "oauth.scope.granted_separators", " "


def parameter_dropped(provider: Provider) -> Changes:
    for name in _PARAMETERS:
        for key in getattr(provider.oauth, name):
            if name != "token_headers" or key.lower() != "accept":  # JSON is asked for in any case
                yield f"oauth.{name}.{key}", GONE


def parameter_changed(provider: Provider) -> Changes:
    for name in _PARAMETERS:
        for key, value in getattr(provider.oauth, name).items():
            if name != "token_headers" or key.lower() != "accept":
                yield f"oauth.{name}.{key}", f"{value}mutant"


_PARAMETERS = (
    "authorization_params",
    "token_params",
    "refresh_params",
    "token_headers",
    "authorization_parameter_names",
    "token_parameter_names",
    "refresh_parameter_names",
)


# -- the token request and its reply -------------------------------------------------------------------------

_OTHER_AUTH = {"client_secret_basic": "client_secret_post", "client_secret_post": "client_secret_basic"}


def other_client_authentication(provider: Provider) -> Changes:
    oauth = provider.oauth
    if oauth.token_endpoint:
        method = oauth.token_endpoint_auth_method
        yield "oauth.token_endpoint_auth_method", _OTHER_AUTH.get(method, "client_secret_post")
        if method == "client_secret_basic":
            yield "oauth.basic_encoding", "raw" if oauth.basic_encoding == "form" else "form"
    if oauth.refresh_auth_method is not None:
        yield "oauth.refresh_auth_method", None


def token_request_written_otherwise(provider: Provider) -> Changes:
    oauth = provider.oauth
    if not oauth.token_endpoint:
        return
    if oauth.token_method == "POST":
        yield "oauth.token_body_format", "json" if oauth.token_body_format == "form" else "form"
    yield "oauth.token_method", "GET" if oauth.token_method == "POST" else "POST"
    if oauth.expects_refresh_token:
        yield "oauth.refresh_method", "GET" if oauth.refresh_method == "POST" else "POST"


def other_token_path(provider: Provider) -> Changes:
    oauth = provider.oauth
    if not oauth.token_endpoint:
        return
    yield "oauth.token_paths.access_token", "mutant"
    if oauth.expects_refresh_token and oauth.renews_with == "refresh_token":
        yield "oauth.token_paths.refresh_token", "mutant"
        yield "oauth.renews_with", "nothing"
    if oauth.lifetimes.access_token_seconds is not None:
        yield "oauth.token_paths.expires_in", "mutant"
    if oauth.scope.granted_in == "token" and provider.scopes:
        yield "oauth.token_paths.scope", "mutant"
    if oauth.token_paths.error != "error":
        yield "oauth.token_paths.error", "mutant"


def other_unit_of_lifetimes(provider: Provider) -> Changes:
    if provider.oauth.token_endpoint and provider.oauth.lifetimes.access_token_seconds is not None:
        yield "oauth.expires_in_unit", "s" if provider.oauth.expires_in_unit == "ms" else "ms"


def other_capture(provider: Provider) -> Changes:
    oauth = provider.oauth
    for at, rule in enumerate(oauth.callback_captures):
        yield f"oauth.callback_captures.{at}.parameter", "mutant"
        yield f"oauth.callback_captures.{at}.store_as", "mutant"
        if rule.equals is not None:
            yield f"oauth.callback_captures.{at}.equals", None
        if rule.takes == "host" and rule.equals is None:
            yield f"oauth.callback_captures.{at}.allowed_host_suffixes", (".example",)
    for at in range(len(oauth.token_captures)):
        yield f"oauth.token_captures.{at}.path", "mutant"
        yield f"oauth.token_captures.{at}.store_as", "mutant"
    if oauth.callback_hmac is not None:
        yield "oauth.callback_hmac", None


# -- the account -------------------------------------------------------------------------------------------


def other_identity_path(provider: Provider) -> Changes:
    """What an earlier call has told already is not taken from a later one."""
    told: set[str] = set()
    for at, probe in enumerate(provider.identity):
        for name in ("account_id", "name", "account_url", "account_url_path"):
            if getattr(probe, name) is not None and name not in told:
                yield (
                    f"identity.{at}.{name}",
                    "https://mutant.example/" if name == "account_url" else "mutant",
                )
                told |= {name, "account_url"} if name == "account_url_path" else {name}
        if probe.items not in (None, "$"):
            yield f"identity.{at}.items", "mutant"
        for extra in probe.extras:
            if extra not in told:
                yield f"identity.{at}.extras.{extra}", "mutant"
        told |= set(probe.extras)
    if provider.account_id_template and not any(probe.account_id for probe in provider.identity):
        yield "account_id_template", "mutant"


def other_identity_request(provider: Provider) -> Changes:
    for at, probe in enumerate(provider.identity):
        yield f"identity.{at}", GONE
        yield f"identity.{at}.method", "POST" if probe.method == "GET" else "GET"
        yield f"identity.{at}.auth", "basic" if probe.auth != "basic" else "bearer"
        yield from ((f"identity.{at}.form.{name}", GONE) for name in probe.form)
        own = (name for name in probe.headers if (name.lower(), probe.headers[name]) != _ANYWAY)
        yield from ((f"identity.{at}.headers.{name}", GONE) for name in own)


_ANYWAY = ("accept", "application/json")


#: each with the checks that are likeliest to notice it, where the place itself does not tell
OPERATORS: dict[str, tuple[Operator, tuple[str, ...]]] = {
    "another host": (other_host, ()),
    "another path": (other_path, ()),
    "PKCE flipped": (pkce_flipped, ("authorize",)),
    "scopes written otherwise": (scopes_written_otherwise, ("authorize",)),
    "granted scopes read otherwise": (granted_scopes_read_otherwise, ("stored",)),
    "a parameter dropped": (parameter_dropped, ("authorize", "exchange", "refresh")),
    "a parameter changed": (parameter_changed, ("authorize", "exchange", "refresh")),
    "another client authentication": (other_client_authentication, ("exchange", "refresh")),
    "the token request written otherwise": (token_request_written_otherwise, ("exchange", "refresh")),
    "another path in the token reply": (other_token_path, ("stored",)),
    "another unit of lifetimes": (other_unit_of_lifetimes, ("stored",)),
    "another capture": (other_capture, ("callback", "stored")),
    "another path to the account": (other_identity_path, ("identity",)),
    "another call for the account": (other_identity_request, ("identity",)),
    "a host added": (operators_api.host_added, ("hosts",)),
    "a host removed": (operators_api.host_removed, ("hosts",)),
    "the credential elsewhere": (operators_api.other_placement, ("placement",)),
    "a field of the API dropped": (operators_api.api_field_dropped, ("placement",)),
    "a closed path removed": (operators_api.closed_path_removed, ("closed",)),
    "another sign of an expired token": (operators_api.expired_signal_changed, ("expired",)),
    "another wait": (operators_api.other_wait, ("limits",)),
    "a verdict changed": (operators_api.verdict_changed, ("errors",)),
    "a verdict dropped": (operators_api.verdict_dropped, ("errors",)),
    "another credential": (operators_api.other_credential, ("placement",)),
    "another revocation": (operators_api.other_revocation, ("revocation",)),
}
