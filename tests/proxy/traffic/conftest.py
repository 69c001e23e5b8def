"""Who opens the staff pages."""

from tests.integrations.admin.conftest import boss, staff  # noqa: F401 (fixtures)
