"""StackGo's users, as its `get-users` answers, each with the token reply that StackGo holds for it.

StackGo documents no export of tokens. Its operators hand out the provider's token reply of each user: it stands in
the member `token` of the user's object, as the provider sent it (RFC 6749 section 5.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from integrations.catalogue import Provider
from integrations.connections.adoption import LONGEST_LIFE, Adoption
from integrations.errors import InvalidInput
from integrations.models.connection import DEFAULT_NAME
from integrations.moving import values
from integrations.moving.mappings import MappingOptions, at_path, find_values, told_scopes
from integrations.moving.nango import end_of_token


class StackGoLines:
    names_our_slugs = True
    key_name = "appSlug"

    def adoption(self, members: Mapping[str, Any], provider: Provider, options: MappingOptions) -> Adoption:
        if values.text(members, "status") not in ("", "ACTIVE"):
            raise InvalidInput("status", "Only ACTIVE users hold a grant; the others have to connect again.")
        token = values.obj(members, "token")
        paths = provider.oauth.token_paths
        refresh_token = values.text(
            token, paths.refresh_token, place="token.refresh_token", longest=values.MAX_TOKEN_CHARACTERS
        )
        found = find_values(members, (token, members), provider=provider, options=options, aliases={})
        return Adoption(
            foreign_identifier=at_path(
                members, options.identifier or "userForeignIdentifier", option="--identifier"
            ),
            access_token=values.required_text(
                token, paths.access_token, place="token.access_token", longest=values.MAX_TOKEN_CHARACTERS
            ),
            refresh_token=refresh_token,
            **end_of_token(
                _end(members, token),
                provider,
                has_refresh_token=bool(refresh_token),
                place="token.expires_at",
            ),
            name=at_path(members, options.name, option="--name") if options.name else DEFAULT_NAME,
            scopes=told_scopes(token, provider, place="token.scope"),
            connection_config=found.connection_config,
            provider_data=found.provider_data,
            client_id=options.client_id,
            connection_id=values.uuid(members, "UUID"),
            number=values.whole_number(members, "id"),
            connected_at=values.moment(members, "createdAt"),
        )


def _end(members: Mapping[str, Any], token: Mapping[str, Any]) -> datetime | None:
    """expires_at of the reply, else expires_in seconds after the user's updatedAt; None when neither tells."""
    told = values.moment(token, "expires_at", place="token.expires_at")
    seconds = values.whole_number(token, "expires_in", place="token.expires_in")
    updated_at = values.moment(members, "updatedAt")
    if told is not None or seconds is None or updated_at is None:
        return told
    if not 0 <= seconds <= LONGEST_LIFE.total_seconds():
        raise InvalidInput("token.expires_in", "0 seconds to a hundred years are taken.")
    try:
        return updated_at + timedelta(seconds=seconds)
    except OverflowError:
        raise InvalidInput("updatedAt", "That is too far away.") from None
