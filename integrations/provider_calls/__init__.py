"""Calls to a provider's OAuth endpoints: exchange, refresh, revoke, identify, check. Values in, values out.

Everything leaves through egress; the session is requests-oauthlib's. Nothing here touches the database.
"""

from integrations.provider_calls.grants import exchange_code, fetch_client_token, refresh
from integrations.provider_calls.identity import Account, Identity, identify
from integrations.provider_calls.metadata import fetch_metadata
from integrations.provider_calls.oauth1 import fetch_access_token, fetch_request_token
from integrations.provider_calls.placement import basic_value, signer
from integrations.provider_calls.pushed import push_authorization_request
from integrations.provider_calls.revocation import Revoked, revoke, revoked_kind
from integrations.provider_calls.transport import kept_connections
from integrations.provider_calls.trial import Trial, try_credentials

__all__ = [
    "Account",
    "Identity",
    "Revoked",
    "Trial",
    "basic_value",
    "exchange_code",
    "fetch_access_token",
    "fetch_client_token",
    "fetch_metadata",
    "fetch_request_token",
    "identify",
    "kept_connections",
    "push_authorization_request",
    "refresh",
    "revoke",
    "revoked_kind",
    "signer",
    "try_credentials",
]
