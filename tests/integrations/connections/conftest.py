"""Connections made at the served sandbox."""

from tests.integrations.tokens.conftest import at_sandbox, connected

__all__ = ["at_sandbox", "connected"]
