"""From the line of another system to an adoption: one mapping a format; docs/moving.md has the tables."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from integrations.catalogue import Provider, lookup
from integrations.connections.adoption import Adoption
from integrations.errors import InvalidInput
from integrations.models.connection import DEFAULT_NAME
from integrations.moving import values

ASKED = ("customer", "partner")


@dataclass(frozen=True, slots=True)
class MappingOptions:
    """What the operator says of the lines.

    identifier, name: dotted paths to the customer's identifier and the connection's name. value_paths: our name
    of a provider's value -> the dotted path to it. client_id: the OAuth client that made the tokens.
    """

    identifier: str = ""
    name: str = ""
    client_id: str = ""
    value_paths: Mapping[str, str] = field(default_factory=dict)


class LineMapping(Protocol):
    """One format. names_our_slugs: whether its key is an appSlug, rather than a name of the other system."""

    names_our_slugs: bool
    key_name: str

    def adoption(
        self, members: Mapping[str, Any], provider: Provider, options: MappingOptions
    ) -> Adoption: ...


class PatchbayLines:
    """The members of `POST /connections/import`, and what only an operator may keep: UUID, id, connectedAt."""

    names_our_slugs = True
    key_name = "appSlug"
    _NAMES = (
        "appSlug",
        "userForeignIdentifier",
        "connectionName",
        "connectionConfig",
        "providerData",
        "customer",
        "accessToken",
        "refreshToken",
        "expiresIn",
        "expiresAt",
        "neverExpires",
        "scopes",
        "clientId",
        "UUID",
        "id",
        "connectedAt",
    )

    def adoption(self, members: Mapping[str, Any], provider: Provider, options: MappingOptions) -> Adoption:
        for name in members:
            if name not in self._NAMES:
                raise InvalidInput("", f"The line holds a name that is not used here.{self._hint(name)}")
        customer = values.obj(members, "customer")
        return Adoption(
            foreign_identifier=values.required_text(members, "userForeignIdentifier", longest=4_096),
            access_token=values.required_text(members, "accessToken", longest=values.MAX_TOKEN_CHARACTERS),
            refresh_token=values.text(members, "refreshToken", longest=values.MAX_TOKEN_CHARACTERS),
            expires_in=values.whole_number(members, "expiresIn"),
            expires_at=values.moment(members, "expiresAt"),
            never_expires=values.truth(members, "neverExpires"),
            name=values.text(members, "connectionName") or DEFAULT_NAME,
            scopes=values.texts(members, "scopes"),
            connection_config=values.texts_by_name(members, "connectionConfig", known=field_names(provider)),
            provider_data=values.texts_by_name(members, "providerData", known=capture_names(provider)),
            client_id=values.text(members, "clientId") or options.client_id,
            display_name=values.text(customer, "displayName", place="customer.displayName", longest=200),
            email=values.email(customer, "email", place="customer.email"),
            connection_id=values.uuid(members, "UUID"),
            number=values.whole_number(members, "id"),
            connected_at=values.moment(members, "connectedAt"),
        )

    def _hint(self, name: str) -> str:
        """A known name that was meant; the written one may be anything, so it is not repeated."""
        close = difflib.get_close_matches(name[:64], self._NAMES, n=1, cutoff=0.8)
        return f" Was {close[0]} meant?" if close else f" Used are: {', '.join(self._NAMES)}."


def field_names(provider: Provider) -> list[str]:
    """The values that a customer or partner gives (connectionConfig)."""
    return [item.name for item in provider.connection_fields if item.asked_of in ASKED]


def capture_names(provider: Provider) -> list[str]:
    """The values that the provider tells (providerData)."""
    return [rule.store_as for rule in (*provider.oauth.callback_captures, *provider.oauth.token_captures)]


@dataclass(frozen=True, slots=True)
class ProviderValues:
    """What was found of a provider's own values."""

    connection_config: dict[str, str]
    provider_data: dict[str, str]


def find_values(
    line: Mapping[str, Any],
    sources: Sequence[Mapping[str, Any]],
    *,
    provider: Provider,
    options: MappingOptions,
    aliases: Mapping[str, str],
) -> ProviderValues:
    """The provider's values wherever another system put them: in sources, under our name or the provider's.

    The provider's name of a captured value is the parameter of its callback (realmId) or the path in its token
    reply (api_domain). aliases: the other system's name -> ours. An explicit path of the options comes first.
    """

    def found(ours: str, *names: str) -> str | None:
        explicit = options.value_paths.get(ours)
        if explicit is not None:
            return values.plain(lookup(line, explicit))
        theirs = [alias for alias, own in aliases.items() if own == ours]
        candidates = (lookup(source, name) for name in (ours, *names, *theirs) for source in sources)
        return next((value for item in candidates if (value := values.plain(item)) is not None), None)

    config, data = {}, {}
    for item in provider.connection_fields:
        if item.asked_of in ASKED and (value := found(item.name)) is not None:
            config[item.name] = value.removesuffix(item.suffix) if item.suffix else value
    for callback_rule in provider.oauth.callback_captures:
        # A parameter that is called like a field is taken for the field (Shopify's shop).
        names = () if callback_rule.parameter in config else (callback_rule.parameter,)
        if (value := found(callback_rule.store_as, *names)) is not None:
            data[callback_rule.store_as] = value
    for token_rule in provider.oauth.token_captures:
        if (value := found(token_rule.store_as, token_rule.path)) is not None:
            data[token_rule.store_as] = value
    return ProviderValues(config, data)


def told_scopes(reply: Mapping[str, Any], provider: Provider, *, place: str) -> list[str]:
    """The granted scopes of a token reply: a list, or one string cut at the provider's separators."""
    value = reply.get("scope", reply.get("scopes"))
    if isinstance(value, str):
        for separator in f"{provider.oauth.scope.granted_separators},":
            value = value.replace(separator, " ")
        value = list(dict.fromkeys(value.split()))
    return values.texts({"": value}, "", place=place)


def at_path(line: Mapping[str, Any], path: str, *, option: str) -> str:
    """The text at a dotted path that the operator chose."""
    value = values.plain(lookup(line, path))
    if value is None:
        raise InvalidInput(path, f"There is no text at this path; {option} names another one.")
    return value
