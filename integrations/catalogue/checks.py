"""What a schema cannot say of an entry: names agree, templates can be filled, hosts fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import facts
from .oauth_settings import Capture
from .provider import Provider
from .templates import PLACEHOLDER, placeholders
from .values import whole_hosts

CLIENT_VALUES = frozenset({"client_id", "client_secret"})
TOKEN_VALUES = frozenset({"access_token", "refresh_token"})

Problem = tuple[str, str]


def check_entry(provider: Provider, file_stem: str) -> list[Problem]:
    """Pairs of a JSON path and a message; empty when the entry can be served."""
    problems: list[Problem] = []
    if provider.id != file_stem:
        problems.append(("$.id", f"the file's name says {file_stem!r}"))
    for check in _CHECKS:
        problems.extend(check(provider))
    return problems


def _captures(provider: Provider) -> Iterator[tuple[str, Capture]]:
    for index, callback in enumerate(provider.oauth.callback_captures):
        yield f"$.oauth.callback_captures[{index}]", callback
    for index, token in enumerate(provider.oauth.token_captures):
        yield f"$.oauth.token_captures[{index}]", token
    for index, token in enumerate(provider.oauth1.token_captures if provider.oauth1 else ()):
        yield f"$.oauth1.token_captures[{index}]", token


def _names(provider: Provider) -> Iterator[Problem]:
    named = [
        (f"$.connection_fields[{i}].name", field.name) for i, field in enumerate(provider.connection_fields)
    ]
    named += [(f"{path}.store_as", capture.store_as) for path, capture in _captures(provider)]
    seen: set[str] = set()
    for path, name in named:
        if name in CLIENT_VALUES | TOKEN_VALUES | {"account_id", "token"}:
            yield path, f"{name!r} is a name of the platform's own"
        elif name in seen:
            yield path, f"{name!r} is the name of another value"
        seen.add(name)


def _regexes(provider: Provider) -> Iterator[tuple[str, str | None]]:
    credentials = provider.credentials
    for name in ("client_id", "client_secret", "app_id"):
        credential = getattr(credentials, name)
        yield f"$.credentials.{name}.pattern", credential.pattern if credential else None
    for index, field in enumerate(provider.connection_fields):
        yield f"$.connection_fields[{index}].pattern", field.pattern
    for index, secret in enumerate(provider.connection_secrets):
        yield f"$.connection_secrets[{index}].pattern", secret.pattern
    for path, capture in _captures(provider):
        yield f"{path}.pattern", capture.pattern
    for index, verdict in enumerate(provider.oauth.verdicts):
        yield f"$.oauth.verdicts[{index}].description_pattern", verdict.description_pattern


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _patterns(provider: Provider) -> Iterator[Problem]:
    for path, pattern in _regexes(provider):
        if pattern is not None and not _compiles(pattern):
            yield path, "is not a regular expression"


def _examples(provider: Provider) -> Iterator[Problem]:
    """An example that its own pattern refuses would mislead everybody who reads it."""
    for name in ("client_id", "client_secret", "app_id"):
        credential = getattr(provider.credentials, name)
        if credential and credential.pattern and not _matches(credential.pattern, credential.example):
            yield f"$.credentials.{name}.example", "does not match the pattern"
    for index, field in enumerate(provider.connection_fields):
        if not _matches(field.pattern, field.example):
            yield f"$.connection_fields[{index}].example", "does not match the pattern"
    for index, secret in enumerate(provider.connection_secrets):
        if secret.pattern and not _matches(secret.pattern, secret.example):
            yield f"$.connection_secrets[{index}].example", "does not match the pattern"


def _matches(pattern: str, example: str) -> bool:
    return not _compiles(pattern) or re.fullmatch(pattern, example) is not None


def _known_before_consent(provider: Provider) -> frozenset[str]:
    return frozenset(field.name for field in provider.connection_fields)


def _known_after_consent(provider: Provider) -> frozenset[str]:
    extras = {name for probe in provider.identity for name in probe.extras}
    captures = {capture.store_as for _, capture in _captures(provider)}
    return _known_before_consent(provider) | captures | extras


def _template_uses(provider: Provider) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Each template with its path and the names that have a value when it is filled."""
    oauth, before = provider.oauth, _known_before_consent(provider)
    callback = before | {capture.store_as for capture in oauth.callback_captures}
    after = _known_after_consent(provider)
    yield "$.oauth.authorization_endpoint", oauth.authorization_endpoint, before
    yield "$.oauth.token_endpoint", oauth.token_endpoint, callback
    yield "$.oauth.refresh_endpoint", oauth.refresh_endpoint or "", after
    yield "$.oauth.issuer", oauth.issuer or "", before
    pushed = oauth.pushed_authorization_request_endpoint
    yield "$.oauth.pushed_authorization_request_endpoint", pushed or "", before
    yield from _oauth1_templates(provider, before)
    secrets = frozenset(secret.name for secret in provider.connection_secrets)
    yield "$.secret_template", provider.secret_template or "", secrets
    for name, known in {
        "authorization_params": before | {"client_id"},
        "token_params": callback | CLIENT_VALUES,
        "token_headers": callback | CLIENT_VALUES,
        "refresh_params": after | CLIENT_VALUES | TOKEN_VALUES,
    }.items():
        for key, template in getattr(oauth, name).items():
            yield f"$.oauth.{name}.{key}", template, known
    for index, step in enumerate(oauth.exchange_chain):
        yield f"$.oauth.exchange_chain[{index}].url", step.url, callback
        for key, template in step.params.items():
            yield (
                f"$.oauth.exchange_chain[{index}].params.{key}",
                template,
                callback | CLIENT_VALUES | TOKEN_VALUES,
            )
    for path, capture in _captures(provider):
        yield f"{path}.equals", capture.equals or "", before
    yield "$.account_id_template", provider.account_id_template or "", after
    yield "$.api.base_url", provider.api.base_url, after
    for index, host in enumerate(provider.api.hosts):
        yield f"$.api.hosts[{index}]", host, after
    for key, template in provider.api.headers.items():
        yield f"$.api.headers.{key}", template, after | CLIENT_VALUES
    yield from _identity_templates(provider, after)
    yield from _revocation_templates(provider, after)
    for index, text in enumerate(provider.setup_steps):
        yield f"$.setup_steps[{index}]", text, frozenset({"redirect_uri"})
    if provider.sdk is not None:
        yield "$.sdk.snippet", provider.sdk.snippet, frozenset({"proxy_url", "key"})


def _oauth1_templates(
    provider: Provider, before: frozenset[str]
) -> Iterator[tuple[str, str, frozenset[str]]]:
    oauth1 = provider.oauth1
    if oauth1 is None:
        return
    for name in ("request_token_endpoint", "authorization_endpoint", "access_token_endpoint"):
        yield f"$.oauth1.{name}", getattr(oauth1, name), before
    for key, template in oauth1.authorization_params.items():
        yield f"$.oauth1.authorization_params.{key}", template, before | {"client_id"}


def _identity_templates(
    provider: Provider, after: frozenset[str]
) -> Iterator[tuple[str, str, frozenset[str]]]:
    for index, probe in enumerate(provider.identity):
        path = f"$.identity[{index}]"
        earlier = {name for before in provider.identity[:index] for name in before.extras}
        own_extras = {name for other in provider.identity for name in other.extras}
        known = (after - own_extras) | earlier
        yield f"{path}.url", probe.url, known
        yield f"{path}.account_url", probe.account_url or "", after | {"account_id"}
        for key, template in (*probe.form.items(), *probe.headers.items()):
            yield f"{path}.{key}", template, known | CLIENT_VALUES | TOKEN_VALUES


def _revocation_templates(
    provider: Provider, after: frozenset[str]
) -> Iterator[tuple[str, str, frozenset[str]]]:
    if provider.revocation is None:
        return
    yield "$.revocation.url", provider.revocation.url, after | {"token", "client_id"}
    for key, template in (*provider.revocation.params.items(), *provider.revocation.headers.items()):
        yield f"$.revocation.{key}", template, after | CLIENT_VALUES | {"token"}


def _templates(provider: Provider) -> Iterator[Problem]:
    for path, template, known in _template_uses(provider):
        for name in sorted(placeholders(template) - known):
            yield path, f"{{{name}}} has no value here"
        if re.search(r"[{}]", PLACEHOLDER.sub("", template)) and not path.startswith("$.sdk"):
            yield path, "has a brace that belongs to no placeholder"


def _authority(url: str) -> str:
    return re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]


def _host_values(provider: Provider) -> Iterator[Problem]:
    """Only values with a checked shape may be part of a host."""
    labels = {field.name for field in provider.connection_fields if field.kind == "label"}
    labels |= {capture.store_as for _, capture in _captures(provider) if capture.pattern}
    whole = whole_hosts(provider)
    for path, capture in _captures(provider):
        if capture.takes == "host" and not capture.allowed_host_suffixes:
            yield f"{path}.allowed_host_suffixes", "a captured host needs the suffixes it must end with"
    for index, field in enumerate(provider.connection_fields):
        if field.kind == "host" and not field.allowed_host_suffixes:
            yield (
                f"$.connection_fields[{index}].allowed_host_suffixes",
                "a host needs its suffixes",
            )
    for path, template, _ in _template_uses(provider):
        host = template if path.startswith("$.api.hosts") else _authority(template)
        names = placeholders(host)
        if path.endswith(".account_url") and names:
            index = int(path[len("$.identity[") :].partition("]")[0])
            if not provider.identity[index].account_url_host_suffixes and not names <= labels | whole.keys():
                yield path, "a host from the answer needs account_url_host_suffixes"
            continue
        for name in sorted(names):
            if name in whole and host != f"{{{name}}}":
                yield path, f"{{{name}}} is a whole host and must stand alone"
            elif name not in whole and host == f"{{{name}}}":
                yield path, f"{{{name}}} alone would let a value choose any host"
            elif name not in whole and name not in labels:
                yield path, f"{{{name}}} has no checked shape and cannot be part of a host"


def _hosts(provider: Provider) -> Iterator[Problem]:
    host = _authority(provider.api.base_url)
    if host not in provider.api.hosts:
        yield "$.api.base_url", f"its host {host!r} is not one of api.hosts"
    for index, closed in enumerate(provider.api.closed_paths):
        if closed.host is not None and closed.host not in provider.api.hosts:
            yield f"$.api.closed_paths[{index}].host", "is not one of api.hosts"
        if closed.pattern not in (None, "/") and not re.sub(r"\{any\}|[/*]", "", closed.pattern or ""):
            yield f"$.api.closed_paths[{index}].pattern", "names no segment: it would close everything"
    for path, template, _ in _template_uses(provider):
        host = template if path.startswith("$.api.hosts") else _authority(template)
        if path.startswith("$.api.hosts") and ("." not in host and "{" not in host):
            yield path, "is not a full host name"
        if ":" in host and template.startswith("https://"):
            yield path, "must not name a port"


def _scopes(provider: Provider) -> Iterator[Problem]:
    names = [scope.name for scope in provider.scopes]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield f"$.scopes[{index}].name", f"{name!r} is here twice"
    for member in ("mandatory", "default"):
        for index, name in enumerate(getattr(provider.oauth.scope, member)):
            if name not in names:
                yield f"$.oauth.scope.{member}[{index}]", "is not one of the entry's scopes"
    rules = provider.oauth.scope
    if not rules.is_sent and (rules.mandatory or rules.optional_parameter):
        yield "$.oauth.scope.is_sent", "scopes that are not sent cannot be mandatory or optional"


def _placement(provider: Provider) -> Iterator[Problem]:
    for index, caller in enumerate(provider.api.caller_credentials):
        if caller.kind == "query" and caller.scheme is not None:
            yield f"$.api.caller_credentials[{index}].scheme", "a query parameter has no scheme"
    needs_secret = provider.oauth.token_endpoint_auth_method.startswith("client_secret")
    is_customers = any(secret.name == "client_secret" for secret in provider.connection_secrets)
    if needs_secret and provider.credentials.client_secret is None and not is_customers:
        yield "$.credentials.client_secret", "is needed by token_endpoint_auth_method"


def _kind(provider: Provider) -> Iterator[Problem]:
    """What the way of connecting needs, beyond what the schema asks for."""
    if provider.auth_kind == "oauth2_code" and not provider.oauth.authorization_endpoint:
        yield "$.oauth.authorization_endpoint", "is needed by auth_kind oauth2_code"
    names = {secret.name for secret in provider.connection_secrets}
    needed = {"api_key": {"api_key"}, "basic": {"username", "password"}}.get(provider.auth_kind, set())
    if provider.secret_template is None:
        for name in sorted(needed - names):
            yield "$.connection_secrets", f"has no {name!r}; name it or give a secret_template"
    is_typed = provider.auth_kind in ("api_key", "basic")
    if is_typed and all(probe.is_optional for probe in provider.identity):
        yield "$.identity", "needs a call that is not optional: what a customer types is tried with it"
    is_customers_client = provider.auth_kind == "oauth2_client_credentials" and names
    if is_customers_client and not {"client_id", "client_secret"} <= names:
        yield "$.connection_secrets", "of a customer's own client are client_id and client_secret"
    signs = provider.api.credential.kind == "oauth1"
    if signs != (provider.auth_kind == "oauth1"):
        yield "$.api.credential.kind", "is oauth1 for the auth_kind oauth1, and for no other"


def _facts(provider: Provider) -> Iterator[Problem]:
    """Each fact is told once: by a value, as unknown, or as absent."""
    filled, wanted = facts.filled(provider), facts.applicable(provider)
    unknown, absent = set(provider.facts_unknown), set(provider.facts_absent)
    for name in facts.FACTS:
        told = [name in filled, name in unknown, name in absent]
        if name not in wanted:
            if name in unknown | absent:
                yield "$.facts_unknown", f"{name} is no fact of an entry of kind {provider.auth_kind}"
        elif sum(told) == 0:
            yield "$.facts_unknown", f"{name} is neither filled nor named here or in facts_absent"
        elif sum(told) > 1:
            yield "$.facts_unknown", f"{name} is told twice"


_CHECKS = (
    _names,
    _patterns,
    _examples,
    _templates,
    _host_values,
    _hosts,
    _scopes,
    _placement,
    _kind,
    _facts,
)
