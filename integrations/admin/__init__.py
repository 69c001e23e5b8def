"""The staff pages of integrations, and of the credentials that may use them."""

from integrations.admin import (  # noqa: F401 (registering)
    connection,
    credential,
    integration,
    key_places,
    link,
    schedule,
    steps,
)
