"""Whether FERNET_KEYS fits this database. Reads only, but for the first canary of a new database (ADM-05)."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, models, transaction

from sealing import keyring
from sealing.errors import UnreadableSecret
from sealing.fields import SealedField
from sealing.models import KeyCheck
from sealing.places import sealed_fields
from sealing.sealed import Sealed
from sealing.secret import Secret

CANARY_TEXT = "the key ring opens what this database holds"
SAMPLE_ROWS = 20

_NOT_MIGRATED = "The key check cannot be read: run `python manage.py migrate`."
_WRONG_KEYS = (
    "No key in FERNET_KEYS opens the secrets in this database{which}. Put the keys back that they were sealed with "
    "(an old key may stand last). Nothing was changed."
)


def keys_are_well(using: str = DEFAULT_DB_ALIAS) -> tuple[bool, str]:
    """Whether the ring is valid and opens the canary, and what to do when not ("" when well).

    One indexed query and one decryption; never writes. Without a canary a few stored values are tried.
    """
    try:
        keyring.ring()
        canary = _canary(using)
    except ImproperlyConfigured as error:
        return False, str(error)
    except DatabaseError:
        return False, _NOT_MIGRATED
    is_well = _canary_opens(canary) if canary else stored_values_open(using) is not False
    return is_well, "" if is_well else _WRONG_KEYS.format(which=_which(using))


def key_trouble_at_start(using: str = DEFAULT_DB_ALIAS) -> str:
    """Why the keys do not fit, for a process that serves all the same; "" when they do.

    Raises ImproperlyConfigured when the ring is not valid, or the database not migrated: nothing could be served.
    """
    keyring.ring()
    if not is_installed(using):
        raise ImproperlyConfigured(_NOT_MIGRATED)
    return keys_are_well(using)[1]


def is_installed(using: str) -> bool:
    """Whether the key check's table is there yet."""
    return KeyCheck._meta.db_table in connections[using].introspection.table_names()


def ensure_canary(using: str) -> None:
    """Seal the canary in a database that has none, unless it holds values that this ring does not open.

    The name of the key that sealed it is noted where that can be told.
    """
    keyring.ring()
    if _canary(using) is None and stored_values_open(using) is not False:
        KeyCheck.objects.using(using).get_or_create(
            pk=KeyCheck.THE_ONE, defaults={"canary": Secret(CANARY_TEXT)}
        )
    note_key(using)


def renew_canary(using: str = DEFAULT_DB_ALIAS) -> None:
    """Seal the canary anew under the newest key, whatever it was under: the old key is given up for lost."""
    KeyCheck.objects.using(using).update_or_create(
        pk=KeyCheck.THE_ONE, defaults={"canary": Secret(CANARY_TEXT)}
    )
    note_key(using)


def note_key(using: str) -> None:
    """Write down the fingerprint of the key that the canary is under, if the ring has it."""
    canary = _canary(using)
    position = canary.key_position() if canary else None
    if position is not None:
        name = keyring.ring().fingerprints[position]
        rows = KeyCheck.objects.using(using).filter(pk=KeyCheck.THE_ONE)
        rows.exclude(key_fingerprint=name).update(key_fingerprint=name)


def key_of_database(using: str = DEFAULT_DB_ALIAS) -> str:
    """The fingerprint of the key that the canary was sealed with, "" when it was never noted."""
    try:
        with transaction.atomic(using=using):  # a missing column must not break the caller's transaction
            rows = KeyCheck.objects.using(using).filter(pk=KeyCheck.THE_ONE)
            return rows.values_list("key_fingerprint", flat=True).first() or ""
    except DatabaseError:  # the column comes with a migration that has not run
        return ""


def stored_values_open(using: str) -> bool | None:
    """Whether any of a few stored values opens; None when none is stored."""
    has_values = False
    for model, field in sealed_fields(using):
        if model is KeyCheck:
            continue
        for is_readable in _sample(model, field, using):
            if is_readable:
                return True
            has_values = True
    return False if has_values else None


def _sample(model: type[models.Model], field: SealedField, using: str) -> list[bool]:
    rows = model._base_manager.using(using).filter(**{f"{field.name}__isnull": False})
    try:
        values = list(rows.values_list("pk", field.name)[:SAMPLE_ROWS])
    except DatabaseError:  # the table or the column comes with a migration that has not run
        return []
    return [sealed.bind(pk).is_readable() for pk, sealed in values]


def _canary(using: str) -> Sealed | None:
    """The column alone: this runs before the migrations that add others."""
    rows = KeyCheck.objects.using(using).filter(pk=KeyCheck.THE_ONE)
    canary: Sealed | None = rows.values_list("canary", flat=True).first()
    return canary.bind(KeyCheck.THE_ONE) if canary else None


def _canary_opens(canary: Sealed) -> bool:
    try:
        return canary.open() == Secret(CANARY_TEXT)
    except UnreadableSecret:
        return False


def _which(using: str) -> str:
    """The keys by name, so that the missing one is found among several."""
    missing, present = key_of_database(using), ", ".join(keyring.ring().fingerprints)
    return f" (they were sealed with key {missing}; FERNET_KEYS has {present})" if missing else ""
