"""Schedules and jobs of integrations: ids in, one call into a domain module each. docs/beat.md tells when."""

from integrations.tasks.identities import complete_identities
from integrations.tasks.purge import purge_expired, purge_old
from integrations.tasks.refresh import refresh_connection, refresh_due, tell_ending_grants
from integrations.tasks.revocations import carry_out_revocation, retry_revocations, revoke_soon

__all__ = [
    "carry_out_revocation",
    "complete_identities",
    "purge_expired",
    "purge_old",
    "refresh_connection",
    "refresh_due",
    "retry_revocations",
    "revoke_soon",
    "tell_ending_grants",
]
