"""Nango's connections, as `GET /connections/{connectionId}?refresh_token=true` answers: one object a line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.catalogue import Provider, lookup
from integrations.connections.adoption import Adoption
from integrations.errors import InvalidInput
from integrations.models.connection import DEFAULT_NAME
from integrations.moving import values
from integrations.moving.mappings import MappingOptions, at_path, find_values, told_scopes

#: where Nango keeps the app's own name of a customer: tags today, the end user before them
_IDENTIFIERS = ("tags.end_user_id", "end_user.id")
#: Nango's name of a value -> ours
_ALIASES = {"shopify": {"subdomain": "shop"}}


class NangoLines:
    names_our_slugs = False
    key_name = "provider_config_key"

    def adoption(self, members: Mapping[str, Any], provider: Provider, options: MappingOptions) -> Adoption:
        credentials = _credentials(members)
        raw = values.obj(credentials, "raw", place="credentials.raw")
        config = values.obj(members, "connection_config")
        refresh_token = values.text(
            credentials,
            "refresh_token",
            place="credentials.refresh_token",
            longest=values.MAX_TOKEN_CHARACTERS,
        )
        told = values.moment(credentials, "expires_at", place="credentials.expires_at")
        found = find_values(
            members, (raw, config), provider=provider, options=options, aliases=_ALIASES.get(provider.id, {})
        )
        end_user, tags = values.obj(members, "end_user"), values.obj(members, "tags")
        return Adoption(
            foreign_identifier=_identifier(members, options),
            access_token=values.required_text(
                credentials,
                "access_token",
                place="credentials.access_token",
                longest=values.MAX_TOKEN_CHARACTERS,
            ),
            refresh_token=refresh_token,
            **end_of_token(
                told, provider, has_refresh_token=bool(refresh_token), place="credentials.expires_at"
            ),
            name=at_path(members, options.name, option="--name") if options.name else DEFAULT_NAME,
            scopes=told_scopes(raw, provider, place="credentials.raw.scope"),
            connection_config=found.connection_config,
            provider_data=found.provider_data,
            client_id=values.text(config, "oauth_client_id_override", place="connection_config")
            or options.client_id,
            display_name=_shown(end_user, "display_name") or _shown(tags, "end_user_display_name"),
            email=_address(end_user, "email") or _address(tags, "end_user_email"),
            connected_at=values.moment(members, "created_at"),
        )


def _credentials(members: Mapping[str, Any]) -> dict[str, Any]:
    credentials = values.obj(members, "credentials")
    if not credentials:
        raise InvalidInput(
            "credentials",
            "Nango's list holds none: fetch each connection with GET /connections/{id}?refresh_token=true.",
        )
    if credentials.get("type") != "OAUTH2":
        raise InvalidInput("credentials.type", "Only OAUTH2 is a grant that can be adopted.")
    return credentials


def end_of_token(
    told: datetime | None, provider: Provider, *, has_refresh_token: bool, place: str
) -> dict[str, Any]:
    """When the access token ends, as an Adoption is told (TOK-21).

    An end that nobody kept is taken for past when the token can be renewed: one refresh more costs little, a
    token that was believed in for ever would cost the connection.
    """
    if told is not None:
        return {"expires_at": told}
    if provider.oauth.lifetimes.access_token_seconds is None:
        return {"never_expires": True}
    if has_refresh_token:
        return {"expires_in": 0}
    raise InvalidInput(
        place, f"Tokens of {provider.display_name} expire, and nothing is there to renew this one."
    )


def _identifier(members: Mapping[str, Any], options: MappingOptions) -> str:
    if options.identifier:
        return at_path(members, options.identifier, option="--identifier")
    found = {value for path in _IDENTIFIERS if (value := values.plain(lookup(members, path))) is not None}
    if len(found) == 1:
        return found.pop()
    reason = "They differ" if found else "Neither is there"
    raise InvalidInput(
        " and ".join(_IDENTIFIERS), f"{reason}: say with --identifier which path names the customer."
    )


def _shown(members: Mapping[str, Any], name: str) -> str:
    """For people only: cut to what is kept, left out when it is no text."""
    return (values.plain(members.get(name)) or "")[:200]


def _address(members: Mapping[str, Any], name: str) -> str:
    try:
        return values.email(members, name)
    except InvalidInput:
        return ""  # a customer without an address is a customer
