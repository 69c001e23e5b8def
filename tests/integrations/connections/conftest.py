"""Connections made at the served sandbox."""

from tests.integrations.connect.conftest import ends_accounts
from tests.integrations.tokens.conftest import at_sandbox, connected

__all__ = ["at_sandbox", "connected", "ends_accounts"]
