"""Calls to a provider's OAuth endpoints: exchange, refresh, revoke, identify, check. Values in, values out.

Everything leaves through egress; the session is requests-oauthlib's. Nothing here touches the database.
"""

from integrations.provider_calls.grants import exchange_code, refresh
from integrations.provider_calls.identity import Identity, identify
from integrations.provider_calls.metadata import fetch_metadata
from integrations.provider_calls.pushed import push_authorization_request
from integrations.provider_calls.revocation import Revoked, revoke, revoked_kind
from integrations.provider_calls.transport import kept_connections
from integrations.provider_calls.trial import Trial, try_credentials

__all__ = [
    "Identity",
    "Revoked",
    "Trial",
    "exchange_code",
    "fetch_metadata",
    "identify",
    "kept_connections",
    "push_authorization_request",
    "refresh",
    "revoke",
    "revoked_kind",
    "try_credentials",
]
