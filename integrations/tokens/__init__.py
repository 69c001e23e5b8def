"""Provider secrets: opening, exchanging, refreshing, storing. Nothing else in the project opens them."""

from integrations.tokens.client_grant import ClientGrant
from integrations.tokens.exchange import exchange
from integrations.tokens.openers import client_authentication, client_secret, open_tokens, with_either_secret
from integrations.tokens.refresh import AccessToken, ensure_fresh, refresh_now, renew_ahead
from integrations.tokens.store import token_columns

__all__ = [
    "AccessToken",
    "ClientGrant",
    "client_authentication",
    "client_secret",
    "ensure_fresh",
    "exchange",
    "open_tokens",
    "refresh_now",
    "renew_ahead",
    "token_columns",
    "with_either_secret",
]
