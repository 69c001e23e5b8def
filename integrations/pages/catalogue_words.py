"""The catalogue's own texts, and its findings on what was typed, in the reader's language.

The catalogue is data in English and knows nothing of languages. Its scopes' meanings and groups, and the fields
that customers fill in, have a gettext domain of their own, `locale/<language>/LC_MESSAGES/catalogue.po`; a text that
is not there is shown in English.
"""

from __future__ import annotations

import functools
import gettext as files

from django.conf import settings
from django.utils.translation import get_language, gettext, to_locale
from django.utils.translation import gettext_noop as _

#: the sentences that catalogue.InvalidConnectionField becomes, but for the one that names an example -> for customers
FIELD_ERRORS = {
    "This must not be empty.": _("This must not be empty."),
    "This must be letters, digits and hyphens only, without dots.": _(
        "This must be letters, digits and hyphens only, without dots."
    ),
    "This is not a host of this provider.": _("This address does not belong to the provider."),
    "This must not contain control characters.": _(
        "This holds a character that cannot be used. Type it anew."
    ),
    "This must not be a dot segment.": _("This must not consist of dots alone."),
}
_LIKE_EXAMPLE = "This must look like {}."


def in_words(text: str) -> str:
    """A text of the catalogue in the active language, or as it is."""
    language = get_language()
    return _texts(language).gettext(text) if text and language else text


def field_error(sentence: str, *, example: str) -> str:
    """The sentence of an InvalidInput in the active language; example is the field's."""
    if sentence == _LIKE_EXAMPLE.format(example):
        return gettext("This must look like %(example)s.") % {"example": example}
    return gettext(FIELD_ERRORS.get(sentence, sentence))


@functools.cache
def _texts(language: str) -> files.NullTranslations:
    """Read once a process and language; the languages are those of settings.LANGUAGES, so the cache stays small."""
    folder = str(settings.LOCALE_PATHS[0])
    return files.translation("catalogue", folder, languages=[to_locale(language)], fallback=True)
