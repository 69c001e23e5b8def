"""Typed values of a line. What is said about a wrong one names its place and never repeats it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.dateparse import parse_datetime

from integrations.errors import InvalidInput

MAX_TOKEN_CHARACTERS = 16_384
_MAX_SCOPES = 200
_MAX_CHARACTERS = 1_024


def text(members: Mapping[str, Any], name: str, *, place: str = "", longest: int = _MAX_CHARACTERS) -> str:
    """The string of that name, "" when it is missing or null."""
    place = place or name
    value = members.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(place, "A string is needed.")
    if len(value) > longest:
        raise InvalidInput(place, f"At most {longest:,} characters are taken.")
    if "\x00" in value or not is_encodable(value):
        raise InvalidInput(place, "The string holds characters that cannot be stored.")
    return value


def is_encodable(value: str) -> bool:
    """Without lone surrogates, which no database takes."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def required_text(
    members: Mapping[str, Any], name: str, *, place: str = "", longest: int = _MAX_CHARACTERS
) -> str:
    """As text(), and there has to be one."""
    value = text(members, name, place=place, longest=longest)
    if not value:
        raise InvalidInput(place or name, "This value is needed.")
    return value


def obj(members: Mapping[str, Any], name: str, *, place: str = "") -> dict[str, Any]:
    """The object of that name, empty when it is missing or null."""
    value = members.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput(place or name, "An object is needed.")
    return value


def whole_number(members: Mapping[str, Any], name: str, *, place: str = "") -> int | None:
    value = members.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise InvalidInput(place or name, "A whole number is needed.")
    return value


def truth(members: Mapping[str, Any], name: str) -> bool:
    value = members.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidInput(name, "true or false is needed.")
    return bool(value)


def moment(members: Mapping[str, Any], name: str, *, place: str = "") -> datetime | None:
    """A time of RFC 3339; one without an offset is refused, since it means another moment everywhere."""
    written = text(members, name, place=place, longest=64)
    if not written:
        return None
    try:
        parsed = parse_datetime(written)
        if parsed is not None and parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(place or name, "A time such as 2026-11-25T08:30:00Z is needed.")


def uuid(members: Mapping[str, Any], name: str) -> UUID | None:
    written = text(members, name, longest=64)
    if not written:
        return None
    try:
        return UUID(written)
    except ValueError:
        raise InvalidInput(name, "A UUID is needed.") from None


def email(members: Mapping[str, Any], name: str, *, place: str = "") -> str:
    written = text(members, name, place=place, longest=254)
    try:
        if written:
            validate_email(written)
    except ValidationError:
        raise InvalidInput(place or name, "An e-mail address is needed.") from None
    return written


def texts(members: Mapping[str, Any], name: str, *, place: str = "") -> list[str]:
    """A list of strings, as scopes are told."""
    place = place or name
    value = members.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _MAX_SCOPES:
        raise InvalidInput(place, f"A list of at most {_MAX_SCOPES} strings is needed.")
    return [required_text({"": item}, "", place=place, longest=200) for item in value]


def texts_by_name(members: Mapping[str, Any], name: str, *, known: Collection[str]) -> dict[str, str]:
    """An object of strings whose names must be among the known ones."""
    given = obj(members, name)
    if not given.keys() <= set(known):
        listed = ", ".join(sorted(known)) or "none"
        raise InvalidInput(name, f"The object holds a name that is not used here; used are: {listed}.")
    return {key: text(given, key, place=f"{name}.{key}") for key in given}


def plain(value: object) -> str | None:
    """A string or a number as text, None for anything else: how other systems keep ids."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    written = str(value)
    is_usable = 0 < len(written) <= _MAX_CHARACTERS and "\x00" not in written and is_encodable(written)
    return written if is_usable else None
