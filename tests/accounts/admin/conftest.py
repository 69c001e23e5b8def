"""The same visitors as for the pages of integrations."""

from tests.integrations.admin.conftest import boss, staff

__all__ = ["boss", "staff"]
