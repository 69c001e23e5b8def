"""The rows of integrations, one module a noun."""

from integrations.models.connection import Connection, ConnectionNumber
from integrations.models.incident import GrantIncident
from integrations.models.integration import ClientCredentials, Integration, IntegrationGrant, IntegrationScope
from integrations.models.link import AuthorizationAttempt, ConnectLink, ManageLink
from integrations.models.pacing import ProviderPace
from integrations.models.revocation import PendingRevocation
from integrations.models.schedule import ScheduledJob

__all__ = [
    "AuthorizationAttempt",
    "ClientCredentials",
    "ConnectLink",
    "Connection",
    "ConnectionNumber",
    "GrantIncident",
    "Integration",
    "IntegrationGrant",
    "IntegrationScope",
    "ManageLink",
    "PendingRevocation",
    "ProviderPace",
    "ScheduledJob",
]
