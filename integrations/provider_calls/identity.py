"""Whose account is this: the provider's probes, merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from integrations import catalogue
from integrations.catalogue import IdentityProbe, Provider
from integrations.errors import ProviderError, ProviderReplyUnreadable, ProviderUnavailable
from integrations.oauth.token_request import ClientAuthentication, TokenRequest
from integrations.provider_calls.placement import placed
from integrations.provider_calls.transport import Reply, send, send_request

#: by which a credential is told to be none (RFC 9110 sections 15.5.2 and 15.5.4)
REFUSED = frozenset({401, 403})
#: of one grant; a person who may choose among more finds none of them on a page
MOST_ACCOUNTS = 200


@dataclass(frozen=True, slots=True)
class Account:
    """One of several accounts that a grant covers; extras are those that tell them apart in calls."""

    account_id: str
    name: str
    url: str
    extras: Mapping[str, str]


@dataclass(slots=True)
class Identity:
    """The provider's own account: id, name and URL for people, and extras that templates may use.

    accounts: all that the grant covers, where they are several and none was connected before; the other members
    are then those of the first.
    """

    account_id: str = ""
    name: str = ""
    url: str = ""
    extras: dict[str, str] = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()

    def of(self, account: Account) -> Identity:
        """The same, of another of the accounts: what tells the accounts apart is its own, or is not there."""
        of_accounts = {name for each in self.accounts for name in each.extras}
        common = {name: value for name, value in self.extras.items() if name not in of_accounts}
        return Identity(account.account_id, account.name, account.url, {**common, **account.extras})


def identify(
    provider: Provider,
    *,
    client: ClientAuthentication,
    tokens: Mapping[str, str],
    values: Mapping[str, str],
    bound_to: str = "",
    proves_credential: bool = False,
) -> Identity:
    """Ask every probe of the provider; the first one that tells a thing wins.

    bound_to: the account that the connection has already, chosen where a grant covers several (Xero,
    Atlassian, Procore). A probe that is optional in the entry may fail without harm. proves_credential: the
    credential was typed a moment ago, so that one probe at least has to be answered where any is refused.
    Raises ProviderError, and catalogue.TemplateError when a value that an address needs is missing.
    """
    identity = Identity()
    refusal: ProviderError | None = None
    is_proved = False
    for probe in provider.identity:
        try:
            known = {**values, **identity.extras}
            answer = _ask(provider, probe, client=client, tokens=tokens, values=known)
            document = _chosen_item(probe, answer, bound_to=bound_to)
            if probe.items is not None and not bound_to:
                identity.accounts = _accounts(probe, answer, values)
        except ProviderError as error:
            if not probe.is_optional:
                raise
            refusal = refusal or (error if error.status in REFUSED else None)
            continue
        is_proved = True
        _merge(identity, probe, document, values)
    if proves_credential and refusal is not None and not is_proved:
        raise refusal
    if not identity.account_id and provider.account_id_template:
        identity.account_id = catalogue.render(provider.account_id_template, values)
    return identity


def _ask(
    provider: Provider,
    probe: IdentityProbe,
    *,
    client: ClientAuthentication,
    tokens: Mapping[str, str],
    values: Mapping[str, str],
) -> Any:
    url = catalogue.render_url(provider, probe.url, values)
    headers = {
        "Accept": "application/json",
        **catalogue.render_all(probe.headers, {**values, **client.values()}),
    }
    if probe.auth in {"bearer", "api"}:
        url, headers = placed(
            provider,
            probe.method,
            url,
            headers=headers,
            client=client,
            access_token=tokens.get("access_token", ""),
            is_bearer=probe.auth == "bearer",
        )
        reply = send(probe.method, url, headers=headers)
    else:
        reply = send_request(_as_the_client(probe, url, headers, client, tokens, values))
    _require_success(reply)
    document = reply.json()
    for path, expected in probe.must.items():
        if catalogue.as_text(catalogue.lookup(document, path)) != expected:
            raise ProviderReplyUnreadable(
                "The provider does not know this grant.",
                evidence=f"{path} is not {expected}",
                status=reply.status,
            )
    return document


def _as_the_client(
    probe: IdentityProbe,
    url: str,
    headers: dict[str, str],
    client: ClientAuthentication,
    tokens: Mapping[str, str],
    values: Mapping[str, str],
) -> TokenRequest:
    secrets = {"client_id": client.client_id, "client_secret": client.client_secret or "", **tokens}
    form = {name: catalogue.render(template, {**values, **secrets}) for name, template in probe.form.items()}
    if probe.auth == "client_form":
        form |= {"client_id": client.client_id, "client_secret": client.client_secret or ""}
    if probe.auth == "basic":
        headers = {**headers, "Authorization": client.basic_field()}
    headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    return TokenRequest(url, headers, urlencode(form).encode(), "POST" if probe.method == "POST" else "GET")


def _require_success(reply: Reply) -> None:
    if 200 <= reply.status < 300:
        return
    evidence = f"HTTP {reply.status} {reply.content_type[:80]}"
    if reply.status in {408, 423, 425, 429, 477} or reply.status >= 500:
        raise ProviderUnavailable(
            "The provider could not answer just now.", evidence=evidence, status=reply.status
        )
    raise ProviderReplyUnreadable(
        "The provider refused to tell the account.", evidence=evidence, status=reply.status
    )


def _chosen_item(probe: IdentityProbe, document: Any, *, bound_to: str) -> Any:
    """The account, where the reply lists several: the one that is connected already, else the first."""
    if probe.items is None:
        return document
    items = catalogue.lookup(document, probe.items)
    if not isinstance(items, list) or not items:
        raise ProviderReplyUnreadable(
            "The provider lists no account for this grant.", evidence="no account listed"
        )
    known = (item for item in items if bound_to and _text(item, probe.account_id) == bound_to)
    return next(known, items[0])


def _accounts(probe: IdentityProbe, answer: Any, values: Mapping[str, str]) -> tuple[Account, ...]:
    """The accounts that are listed, each once; none where there is nothing to choose."""
    found: dict[str, Account] = {}
    items: Any = catalogue.lookup(answer, probe.items or "$")
    for item in items[:MOST_ACCOUNTS]:
        each = Identity()
        _merge(each, probe, item, values)
        if each.account_id:
            found.setdefault(each.account_id, Account(each.account_id, each.name, each.url, each.extras))
    return tuple(found.values()) if len(found) > 1 else ()


def _merge(identity: Identity, probe: IdentityProbe, document: Any, values: Mapping[str, str]) -> None:
    account_id = _text(document, probe.account_id)
    identity.account_id = identity.account_id or account_id
    identity.name = identity.name or _text(document, probe.name)
    for name, path in probe.extras.items():
        found = _text(document, path)
        if found:
            identity.extras.setdefault(name, found)
    if not identity.url:
        known = {**values, **identity.extras, "account_id": identity.account_id}
        identity.url = catalogue.account_url(probe, known, answer=document) or ""


def _text(document: Any, path: str | None) -> str:
    value = None if path is None else catalogue.lookup(document, path)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)[:255]
