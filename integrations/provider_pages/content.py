"""What the page of one provider shows, as plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import cycle, groupby

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.catalogue import CredentialField, Provider, Scope
from integrations.pages.marks import Mark, of_provider
from integrations.provider_pages import words
from integrations.provider_pages.words import Row

#: stand in the redirect URL and in the SDK's snippet for what each installation chooses
SLUG, CUSTOMER, KEY = "<short-name>", "<customer>", "<your API key>"
_CREDENTIAL_NAMES = {"client_id": "Client ID", "client_secret": "Client Secret", "app_id": "App ID"}


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """A field of the staff form beside the provider's own name for it."""

    ours: str
    theirs: str
    location: str
    example: str


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """A scope with how it is treated: always asked for, ticked at first, or chosen by staff."""

    scope: Scope
    is_mandatory: bool
    is_default: bool


@dataclass(frozen=True, slots=True)
class ScopeGroup:
    name: str
    scopes: tuple[ScopeRow, ...]


@dataclass(frozen=True, slots=True)
class ProviderPage:
    """steps are pairs of a text before the redirect URL and one after it; the last of three says if it is there."""

    provider: Provider
    mark: Mark
    kind: str
    confidence: str
    redirect_uri: str
    steps: tuple[tuple[str, str, bool], ...]
    credentials: tuple[CredentialRow, ...]
    scope_groups: tuple[ScopeGroup, ...]
    tokens: tuple[Row, ...]
    calls: tuple[Row, ...]
    closed: tuple[str, ...]
    webhooks: tuple[Row, ...]
    quirks: tuple[SafeString, ...]
    unknown: tuple[str, ...]
    absent: tuple[str, ...]
    snippet: str

    @property
    def scope_count(self) -> int:
        return len(self.provider.scopes)


def page_of(provider: Provider) -> ProviderPage:
    """Everything that the page shows; the same for every reader."""
    return ProviderPage(
        provider=provider,
        mark=of_provider(provider),
        kind=words.KINDS[provider.auth_kind],
        confidence=words.CONFIDENCE[provider.confidence],
        redirect_uri=_redirect_uri(provider),
        steps=tuple(around_redirect(step) for step in provider.setup_steps),
        credentials=tuple(_credentials(provider)),
        scope_groups=_grouped(provider),
        tokens=tuple(words.token_rows(provider)),
        calls=tuple(words.call_rows(provider)),
        closed=_closed(provider),
        webhooks=tuple(words.webhook_rows(provider)),
        quirks=tuple(_with_code(quirk) for quirk in provider.quirks),
        unknown=tuple(words.unknown(provider)),
        absent=tuple(words.absent(provider)),
        snippet=_snippet(provider),
    )


def matches(provider: Provider, query: str) -> bool:
    """Whether each word of a search is in the provider's name, id, category or kind."""
    text = f"{provider.display_name} {provider.id} {provider.category} {words.KINDS[provider.auth_kind]}"
    return all(word in text.casefold() for word in query.casefold().split())


def _redirect_uri(provider: Provider) -> str:
    has_consent = provider.auth_kind in ("oauth2_code", "oauth1")
    return f"{settings.PUBLIC_URL}/oauth/{SLUG}/callback" if has_consent else ""


def around_redirect(step: str) -> tuple[str, str, bool]:
    """(text before, text after, whether the redirect URL stands between them)."""
    before, found, after = step.partition("{redirect_uri}")
    return before, after, bool(found)


def _with_code(text: str) -> SafeString:
    """What stands between grave accents is code; everything is escaped."""
    parts = [
        format_html('<code translate="no">{}</code>' if is_code else "{}", part)
        for part, is_code in zip(text.split("`"), cycle((False, True)), strict=False)
    ]
    return SafeString("".join(parts))


def _credentials(provider: Provider) -> list[CredentialRow]:
    rows = []
    for name, ours in _CREDENTIAL_NAMES.items():
        field: CredentialField | None = getattr(provider.credentials, name)
        if field is not None:
            rows.append(CredentialRow(ours, field.label, field.console_location, field.example))
    return rows


def _grouped(provider: Provider) -> tuple[ScopeGroup, ...]:
    rules = provider.oauth.scope
    rows = [
        ScopeRow(scope, scope.name in rules.mandatory, scope.name in rules.default)
        for scope in sorted(provider.scopes, key=lambda scope: scope.group)
    ]
    return tuple(
        ScopeGroup(name, tuple(members)) for name, members in groupby(rows, key=lambda row: row.scope.group)
    )


def _closed(provider: Provider) -> tuple[str, ...]:
    return tuple(closed.pattern or f"{closed.prefix}**" for closed in provider.api.closed_paths)


def _snippet(provider: Provider) -> str:
    if provider.sdk is None:
        return ""
    values = {"proxy_url": f"{settings.PUBLIC_URL}/proxy/{SLUG}/{CUSTOMER}", "key": KEY}
    return re.sub(r"\{(proxy_url|key)\}", lambda found: values[found[1]], provider.sdk.snippet).rstrip("\n")
