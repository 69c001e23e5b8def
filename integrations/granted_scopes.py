"""What a grant covers: the scopes that were told, those that they imply, and what is lacking of a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from integrations.catalogue import Provider

#: asks for a refresh token and opens no data; providers leave it out of what they tell (OpenID Connect Core 1.0
#: section 11). Whether it was granted shows in the refresh token, and `no_refresh_token` says when it was not.
_NOT_TOLD = frozenset({"offline_access"})


def lacking(
    provider: Provider | None, wanted: Iterable[str], *, granted: Sequence[str], requested: Sequence[str]
) -> list[str]:
    """Those of wanted that a grant does not cover, in order, each once.

    granted is what the provider told; empty means that it told nothing, which is "as requested" (RFC 6749
    section 5.1). A scope that a granted one implies counts as granted: Shopify leaves read_orders out beside
    write_orders. Without a provider (its entry left the catalogue) nothing implies anything.
    """
    held = frozenset(granted or requested) | _NOT_TOLD
    missing = [scope for scope in dict.fromkeys(wanted) if scope not in held]
    if not missing or provider is None:
        return missing
    known = (provider.scope_by_name(name) for name in held)
    implied = frozenset(name for scope in known if scope for name in scope.implies)
    return [scope for scope in missing if scope not in implied]
