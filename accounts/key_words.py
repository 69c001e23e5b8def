"""What a survey of the sealed values found, in words for an operator."""

from __future__ import annotations

from datetime import datetime

from sealing import keyring
from sealing.survey import ColumnSurvey, Survey

_PUT_BACK = "Put the key that sealed them back as the last one of FERNET_KEYS and restart"


def in_a_sentence(found: Survey) -> str:
    """For one line of `doctor`; "" when there is nothing to say."""
    if found.total("unreadable"):
        return unreadable(found)
    older = keyring.ring().fingerprints[1:]
    if found.total("older"):
        return (
            f"{counted(found, 'older')} under an older key. Run `python manage.py rotate_keys` before any key is "
            "removed from FERNET_KEYS."
        )
    if not older:
        return ""
    if not found.is_complete:
        return (
            f"None of the {found.total('looked_at')} values looked at is under an older key; `python manage.py "
            "rotate_keys --check` looks at all and tells whether the older keys may be removed from FERNET_KEYS."
        )
    return (
        f"Every value is under the newest key: {' and '.join(older)} may be removed from FERNET_KEYS once the newest "
        "stands first in every process."
    )


def unreadable(found: Survey) -> str:
    """How many values no key opens, where, of what time, and the way back."""
    where = ", ".join(f"{one.column}: {one.unreadable}" for one in found.columns if one.unreadable)
    return (
        f"{counted(found, 'unreadable')} opened by no key in FERNET_KEYS ({where}); sealed {period(found)}. "
        f"{_PUT_BACK}; /admin/keys/ tells what else can be done, `python manage.py rotate_keys --check` names the "
        "rows. No connection's status was changed."
    )


def counted(found: Survey, name: str) -> str:
    """ "3 stored values are", or "3 of 500 stored values looked at are" when there are more."""
    number = found.total(name)
    verb = "is" if number == 1 else "are"
    if not found.is_complete:
        return f"{number} of {found.total('looked_at')} stored values looked at {verb}"
    return f"{number} stored value{'' if number == 1 else 's'} {verb}"


def period(found: Survey | ColumnSurvey) -> str:
    """When unreadable values claim to have been sealed: it tells which key to look for."""
    columns = found.columns if isinstance(found, Survey) else (found,)
    first = min((one.sealed_from for one in columns if one.sealed_from), default=None)
    last = max((one.sealed_to for one in columns if one.sealed_to), default=None)
    if first is None or last is None:
        return "at a time that they do not tell"
    return f"at {_moment(first)}" if first == last else f"between {_moment(first)} and {_moment(last)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
