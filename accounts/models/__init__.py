"""The rows of accounts, one module a noun."""

from accounts.models.audit import AuditEntry
from accounts.models.customer import Customer
from accounts.models.event import Event
from accounts.models.health import WorkerHeartbeat
from accounts.models.partner import Credential, IssuedToken, Partner

__all__ = ["AuditEntry", "Credential", "Customer", "Event", "IssuedToken", "Partner", "WorkerHeartbeat"]
