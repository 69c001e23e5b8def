"""Who else lives on a grant: a revocation must not end connections that nobody asked to end."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from django.db.models import Q, QuerySet

from integrations import provider_calls, tokens
from integrations.catalogue import Provider
from integrations.models import ClientCredentials, Connection
from integrations.models.connection import Status

NO_WAY = "the provider offers no call that ends a grant"
SHARED_ACCOUNT = (
    "other connections use this account through the same app, and the provider ends the access of all of them "
    "together: the grant stays until the last of them is disconnected"
)
SAME_TOKEN = "another connection holds the same token, so it stays valid for that one"  # noqa: S105 (a sentence)
#: living connections of one account and client whose tokens are compared; beyond that they count as the same
_MOST_COMPARED = 200


def obstacle(
    provider: Provider, *, client: ClientCredentials, account_id: str, opened: Mapping[str, str]
) -> str:
    """Why these tokens must not be revoked at the provider, in a sentence for staff; "" when nothing is in the way.

    opened: {"access_token": …, "refresh_token": …}, of no living connection. An account_id of "" is not known.
    """
    rules = provider.revocation
    if rules is None:
        return NO_WAY
    others = on_account(client, account_id)
    if rules.shared_by_account:
        return SHARED_ACCOUNT if others.exists() else ""
    kind = provider_calls.revoked_kind(rules, opened)
    return SAME_TOKEN if kind and _is_held(others, kind, opened[kind]) else ""


def on_account(client: ClientCredentials, account_id: str) -> QuerySet[Connection]:
    """The living connections, through whichever integration and partner, of this client id on the account.

    An account that is not known, here or there, may be the same one. One whose grant is gone has nothing to lose.
    """
    made_with = Connection.objects.filter(
        status__in=[Status.ACTIVE, Status.REFRESH_FAILING, Status.PAUSED],
        integration__provider_id=client.integration.provider_id,
        client__client_id=client.client_id,
    )
    may_be_same = Q(provider_account_id__in=["", account_id]) if account_id else Q()
    return made_with.filter(may_be_same)


def _is_held(others: QuerySet[Connection], kind: str, token: str) -> bool:
    """Providers may hand out one token for repeated consents to one account: then it is everybody's.

    A token that cannot be read may be the same one.
    """
    rows = list(others.only("pk", "access_token", "refresh_token")[: _MOST_COMPARED + 1])
    if len(rows) > _MOST_COMPARED:
        return True
    for row in rows:
        if getattr(row, kind) is None:
            continue
        held = tokens.open_tokens(row).get(kind)
        if held is None or hmac.compare_digest(held.encode(), token.encode()):
            return True
    return False
