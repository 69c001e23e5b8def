"""Django checks: FERNET_KEYS is a valid ring (E002), and it fits the database (E003, with `--database`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from sealing import health, keyring

_HINT = (
    "FERNET_KEYS is a list of Fernet keys, newest first. One is made by "
    "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
)


@checks.register(checks.Tags.security)
def fernet_keys_are_valid(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """The setting alone; no database."""
    try:
        keyring.ring()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), hint=_HINT, id="sealing.E002")]
    return []


@checks.register(checks.Tags.database)
def fernet_keys_fit_the_database(
    app_configs: Any, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """Stops `migrate`, among others, before a database is written to with keys that are not its own."""
    found: list[checks.CheckMessage] = []
    for alias in databases or []:
        if not health.is_installed(alias):
            continue
        is_well, message = health.keys_are_well(alias)
        if not is_well:
            found.append(checks.Error(message, id="sealing.E003"))
    return found
