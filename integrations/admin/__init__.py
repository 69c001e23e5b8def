"""The staff pages of integrations, and of the credentials that may use them."""

from integrations.admin import connection, credential, integration, link, steps  # noqa: F401 (registering)
