"""Values that were copied from a provider's console into the wrong field, and how to say which is the right one.

Pure functions. Shapes come from the catalogue's patterns, which advise: a value of an odd shape may be used
anyway. No sentence repeats the value that it speaks of.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from integrations.catalogue import CredentialField, Provider

FIELDS = ("client_id", "client_secret", "app_id")
MAX_URL_CHARACTERS = 8_192
_MAX_PARAMETERS = 100

_INVISIBLE = dict.fromkeys(
    [0x00AD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF]
)
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "‘": "’", "«": "»", "<": ">"}
_ENDS = "\"'`“”„‘’«»<>,; \t"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShape:
    """A kind of secret that never belongs into these fields. provider_id None: at no provider."""

    pattern: re.Pattern[str]
    sentence: str
    provider_id: str | None = None


_TOKEN_SHAPES = (
    TokenShape(
        pattern=re.compile(rf"pat-[a-z0-9]+-{_UUID}", re.IGNORECASE),
        sentence="This is the access token of a HubSpot private app (it begins with pat-). An integration needs the "
        "Client ID and Client secret of an app that uses OAuth.",
    ),
    TokenShape(
        provider_id="hubspot",
        pattern=re.compile(r"C[A-Za-z0-9+/_=.-]{79,}"),
        sentence="This looks like an access token or a personal access key (long, beginning with C). Patchbay gets "
        "its own tokens when a customer connects; copy the value from the app's Auth tab instead.",
    ),
    TokenShape(
        provider_id="hubspot",
        pattern=re.compile(rf"[a-z]{{2,3}}\d-{_UUID}", re.IGNORECASE),
        sentence="This looks like a refresh token or an authorization code (it begins with the name of a data "
        "centre). Patchbay gets its own when a customer connects.",
    ),
    TokenShape(
        pattern=re.compile(r"shp(?:at|ca|ua|pa)_[0-9a-f]{32}", re.IGNORECASE),
        sentence="This is a Shopify access token, not a value that names or proves an app.",
    ),
    TokenShape(
        pattern=re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
        sentence="This is an access token (a JWT). Patchbay gets its own tokens when a customer connects.",
    ),
    TokenShape(
        pattern=re.compile(r"pb[kst]_[A-Za-z0-9_-]{32,}|pbc_[0-9a-f]{24}"),
        sentence="This is a value of one of Patchbay's own credentials, with which a partner calls this API. The "
        "provider's console shows the one that is needed here.",
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell staff about a field. may_override False: the value can never be right."""

    field: str
    sentence: str
    may_override: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallUrl:
    """What an install or authorize URL says of the app. scopes are in the URL's order, each once."""

    host: str
    is_of_provider: bool
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    optional_scopes: tuple[str, ...]


def clean(text: str) -> str:
    """Without invisible characters anywhere, and without spaces and a pair of quotes around the value."""
    value = text.translate(_INVISIBLE).strip()
    while len(value) >= 2 and _QUOTES.get(value[0]) == value[-1]:
        value = value[1:-1].strip()
    return value


def tidy(credential: CredentialField | None, text: str) -> str:
    """The value as the provider writes it: cleaned, and in the letter case that its pattern asks for.

    Changes that are not pure tidying are made only when the pattern then matches.
    """
    value = clean(text)
    if credential is None or credential.pattern is None or _fits(credential, value):
        return value
    bare = value.strip(_ENDS)
    for candidate in (bare, bare.lower(), bare.upper()):
        if _fits(credential, candidate):
            return candidate
    return value


def tidy_all(provider: Provider, values: Mapping[str, str]) -> dict[str, str]:
    """Each of the credential fields that is given, tidied."""
    return {
        name: tidy(getattr(provider.credentials, name), values[name]) for name in FIELDS if name in values
    }


def judge(provider: Provider, values: Mapping[str, str], *, redirect_uri: str = "") -> list[Finding]:
    """What is wrong with tidied values, at most one finding a field, in the order of the fields.

    Empty values are not judged. redirect_uri is our own, which belongs into the provider's console.
    """
    findings = {}
    for name in FIELDS:
        credential, value = getattr(provider.credentials, name), values.get(name, "")
        if credential is not None and value:
            finding = next(_findings(provider, name, value, redirect_uri), None)
            if finding is not None:
                findings[name] = finding
    for finding in _twins(provider, values):
        findings[finding.field] = finding
    return [findings[name] for name in FIELDS if name in findings]


def looks_secret(provider: Provider, value: str) -> bool:
    """Whether a value has the shape of the provider's Client Secret or of a token."""
    secret = provider.credentials.client_secret
    value = tidy(secret, value) if secret is not None else clean(value)
    is_token = any(
        shape.provider_id in (None, provider.id) and shape.pattern.fullmatch(value) for shape in _TOKEN_SHAPES
    )
    return bool(value) and (is_token or (secret is not None and _fits(secret, value)))


def _findings(provider: Provider, name: str, value: str, redirect_uri: str) -> Iterator[Finding]:
    credential: CredentialField = getattr(provider.credentials, name)
    fits = credential.pattern is not None and _fits(credential, value)
    if redirect_uri and value.rstrip("/") == redirect_uri.rstrip("/"):
        yield Finding(
            name,
            f"This is our redirect URL. It goes into {provider.display_name}'s own console; here the "
            f"{credential.label} is needed.",
            may_override=False,
        )
    if re.match(r"https?://", value, re.IGNORECASE):
        yield Finding(
            name,
            f"This is a web address. The {credential.label} stands at {credential.console_location}.",
            may_override=False,
        )
    if not fits:
        yield from _tokens(provider, name, value)
        yield from _strangers(provider, name, value)
    if any(character.isspace() or not character.isprintable() for character in value):
        yield Finding(
            name,
            f"There is a space or a line break inside this value; copy the {credential.label} once more.",
        )
    if credential.pattern is not None and not fits:
        yield Finding(
            name,
            f"This does not look like a {credential.label} of {provider.display_name}, which looks like "
            f"{credential.example}. It stands at {credential.console_location}.",
        )


def _tokens(provider: Provider, name: str, value: str) -> Iterator[Finding]:
    for shape in _TOKEN_SHAPES:
        if shape.provider_id in (None, provider.id) and shape.pattern.fullmatch(value):
            yield Finding(name, shape.sentence, may_override=False)


def _strangers(provider: Provider, name: str, value: str) -> Iterator[Finding]:
    """The value has the shape of other fields and, by its own field's pattern, not of this one."""
    own: CredentialField = getattr(provider.credentials, name)
    if own.pattern is None:
        return
    others = [
        other
        for other_name in FIELDS
        if other_name != name and (other := getattr(provider.credentials, other_name)) is not None
        if other.pattern is not None and tidy(other, value) and _fits(other, tidy(other, value))
    ]
    if others:
        labels = " or the ".join(other.label for other in others)
        yield Finding(
            name, f"This looks like the {labels}. The {own.label} stands at {own.console_location}."
        )


def _twins(provider: Provider, values: Mapping[str, str]) -> Iterator[Finding]:
    given = [(name, values[name].casefold()) for name in FIELDS if values.get(name)]
    for index, (name, value) in enumerate(given):
        for earlier, other in given[:index]:
            first, second = (getattr(provider.credentials, field) for field in (earlier, name))
            if value == other and first is not None and second is not None:
                yield Finding(
                    name,
                    f"{first.label} and {second.label} are the same value, so one of them was pasted twice. The "
                    f"{second.label} stands at {second.console_location}.",
                    may_override=False,
                )


def _fits(credential: CredentialField, value: str) -> bool:
    return credential.pattern is not None and re.fullmatch(credential.pattern, value) is not None


def take_apart(provider: Provider, text: str) -> InstallUrl | None:
    """What an install URL says, or None when the text is no URL with a client_id in its query."""
    value = clean(text)
    if len(value) > MAX_URL_CHARACTERS or not re.match(r"https?://", value, re.IGNORECASE):
        return None
    value = re.sub(r"[\r\n\t]", "", html.unescape(value) if "&amp;" in value else value)
    try:
        parts = urlsplit(value)
        pairs = parse_qsl(parts.query, max_num_fields=_MAX_PARAMETERS)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    query = dict(reversed(pairs))  # of a repeated name the first counts
    client_id = clean(query.get("client_id", ""))
    if not client_id or not host:
        return None
    optional_name = provider.oauth.scope.optional_parameter or "optional_scope"
    return InstallUrl(
        host=host,
        is_of_provider=_site(host) == _site(urlsplit(provider.oauth.authorization_endpoint).netloc),
        client_id=tidy(provider.credentials.client_id, client_id),
        redirect_uri=query.get("redirect_uri", ""),
        scopes=_scopes(query.get("scope") or query.get("scopes") or ""),
        optional_scopes=_scopes(query.get(optional_name) or query.get("optional_scopes") or ""),
    )


def find_install_url(provider: Provider, values: Mapping[str, str]) -> tuple[str, InstallUrl] | None:
    """The first field whose value is an install URL, with what it says."""
    for name, text in values.items():
        found = take_apart(provider, text)
        if found is not None:
            return name, found
    return None


def _site(host: str) -> str:
    return ".".join(host.lower().split(".")[-2:])


def _scopes(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r"[^\s,]+", text)))
