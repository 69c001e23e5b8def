"""The values that belong to one connection of a provider, and the places they lead to.

Values come from people (connection fields), from the provider (captures) and from its account (extras of the
identity probes); together they fill the entry's templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from .errors import InvalidConnectionField, MissingValue
from .oauth_settings import Capture
from .paths import lookup
from .provider import ConnectionField, IdentityProbe, Provider
from .templates import check_host, check_label, placeholders, render, render_host

NO_VALUES: Mapping[str, str] = {}
EVERYBODY = ("customer", "partner", "staff")
_ONE_PLACEHOLDER = re.compile(r"\{[A-Za-z0-9_]+\}")


def check_connection_field(field: ConnectionField, value: str) -> str:
    """The value in the form to store: without spaces around it, host parts in lower case.

    Raises InvalidConnectionField with a reason that can be shown beside the input.
    """
    cleaned = value.strip()
    if not cleaned:
        raise InvalidConnectionField(field.name, "must not be empty")
    if field.kind == "label":
        cleaned = check_label(field.name, cleaned)
    elif field.kind == "host":
        cleaned = check_host(field.name, cleaned, field.allowed_host_suffixes)
    elif field.kind == "uuid":
        cleaned = cleaned.lower()
    if not cleaned.isprintable():
        raise InvalidConnectionField(field.name, "must not contain control characters")
    if not re.fullmatch(field.pattern, cleaned):
        raise InvalidConnectionField(field.name, f"must look like {field.example}")
    return cleaned


def check_connection_fields(
    provider: Provider,
    given: Mapping[str, str],
    *,
    asked_of: Iterable[str] = EVERYBODY,
) -> dict[str, str]:
    """All given values checked. Raises MissingValue for a required field that is not there, and
    InvalidConnectionField for a bad value or a name that the provider (or those asked) does not have."""
    fields = {field.name: field for field in provider.connection_fields if field.asked_of in tuple(asked_of)}
    for name in given:
        if name not in fields:
            raise InvalidConnectionField(name, f"is not a field of {provider.display_name}")
    checked = {}
    for name, field in fields.items():
        if given.get(name, "").strip():
            checked[name] = check_connection_field(field, given[name])
        elif field.required:
            raise MissingValue(name)
    return checked


def captured(rule: Capture, raw: str, *, values: Mapping[str, str] = NO_VALUES) -> str:
    """What a capture keeps of a value that the provider sent; raises InvalidConnectionField.

    values are what the connection has already; a rule with `equals` compares with them.
    """
    value = raw
    if rule.takes == "host":
        value = check_host(rule.store_as, _host_of(raw), rule.allowed_host_suffixes)
    if not value or not value.isprintable() or (rule.pattern and not re.fullmatch(rule.pattern, value)):
        raise InvalidConnectionField(rule.store_as, "the provider sent a value of an unexpected shape")
    if rule.equals is not None and value != render(rule.equals, values):
        raise InvalidConnectionField(rule.store_as, "the provider sent another value than the one asked for")
    return value


def _host_of(raw: str) -> str:
    if "://" not in raw:
        return raw
    try:
        parts = urlsplit(raw)
    except ValueError:
        return ""
    is_plain_origin = parts.scheme == "https" and parts.netloc.lower() == (parts.hostname or "")
    return parts.netloc if is_plain_origin else ""


def whole_hosts(provider: Provider) -> dict[str, tuple[str, ...]]:
    """The values that may be a whole host name, each with the suffixes it must have."""
    captures = (*provider.oauth.callback_captures, *provider.oauth.token_captures)
    hosts = {rule.store_as: rule.allowed_host_suffixes for rule in captures if rule.takes == "host"}
    fields = (field for field in provider.connection_fields if field.kind == "host")
    return hosts | {field.name: field.allowed_host_suffixes for field in fields}


def render_url(provider: Provider, template: str, values: Mapping[str, str]) -> str:
    """Fill one of the provider's URL templates; values of connection fields must match their patterns."""
    return render(template, _checked_for(provider, template, values), whole_hosts=whole_hosts(provider))


def resolve_base_url(provider: Provider, values: Mapping[str, str]) -> str:
    """The API's base URL for this connection, without a slash at its end."""
    return render_url(provider, provider.api.base_url, values).rstrip("/")


def resolve_hosts(provider: Provider, values: Mapping[str, str]) -> frozenset[str]:
    """The host names, in lower case, that this connection's requests may go to; raises as render does."""
    return frozenset(
        render_host(host, _checked_for(provider, host, values), whole_hosts=whole_hosts(provider))
        for host in provider.api.hosts
    )


def render_all(templates: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Each template filled; one whose values the connection lacks (an optional field) is left out."""
    filled = {}
    for name, template in templates.items():
        try:
            filled[name] = render(template, values)
        except MissingValue:
            continue
    return filled


def resolve_headers(provider: Provider, values: Mapping[str, str]) -> dict[str, str]:
    """The header fields to add when the caller sent none; those whose values are not known are left out.

    Values may hold client_id and client_secret beside the connection's own.
    """
    return render_all(provider.api.headers, values)


def account_url(probe: IdentityProbe, values: Mapping[str, str], *, answer: object = None) -> str | None:
    """The address of the account in the provider's own pages, or None when a value is missing or odd.

    values are the connection's, the extras of all probes and account_id; answer is the probe's JSON (or the
    chosen item of it).
    """
    if probe.account_url_path is not None:
        return _told_url(probe, lookup(answer, probe.account_url_path))
    if probe.account_url is None:
        return None
    hosts = dict.fromkeys(placeholders(probe.account_url), probe.account_url_host_suffixes)
    authority = probe.account_url.partition("://")[2].partition("/")[0]
    whole = hosts if _ONE_PLACEHOLDER.fullmatch(authority) else {}
    try:
        return render(probe.account_url, values, whole_hosts=whole)
    except (MissingValue, InvalidConnectionField):
        return None


def _told_url(probe: IdentityProbe, told: object) -> str | None:
    if not isinstance(told, str) or not told.startswith("https://"):
        return None
    try:
        check_host("account_url", urlsplit(told).netloc, probe.account_url_host_suffixes)
    except ValueError:
        return None
    return told if told.isprintable() and told.isascii() and " " not in told else None


def _checked_for(provider: Provider, template: str, values: Mapping[str, str]) -> Mapping[str, str]:
    """The values with those that the template uses checked against their fields."""
    checked = dict(values)
    for name in placeholders(template):
        field = provider.connection_field(name)
        if field is not None and values.get(name):
            checked[name] = check_connection_field(field, values[name])
    return checked
