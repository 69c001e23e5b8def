"""Which text can be a token: what an HTTP field can carry (RFC 9110 section 5.5), nothing that splits one."""

from __future__ import annotations

import unicodedata

from .errors import InvalidTokenValue

REFUSED_CATEGORIES = frozenset({"Cc", "Cs"})


def clean_token(value: object, *, name: str, is_sent_in_header: bool) -> str | None:
    """The token without white space around it; None, empty text, white space and False count as no token.

    A token that is sent in a header field must be visible ASCII (inner spaces pass). Raises InvalidTokenValue
    for control characters, lone surrogates, what a header cannot carry, and anything that is not text.
    """
    if value is None or value is False:
        return None
    if not isinstance(value, str):
        raise InvalidTokenValue(f"{name} is not text")
    token = value.strip()
    if any(unicodedata.category(character) in REFUSED_CATEGORIES for character in token):
        raise InvalidTokenValue(f"{name} holds control characters")
    if is_sent_in_header and not token.isascii():
        raise InvalidTokenValue(f"{name} holds characters that no header field can carry")
    return token or None
