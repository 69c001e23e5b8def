"""The catalogues themselves: complete, compiled, and safe to put into a page. No gettext tools are needed here."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation.template import templatize

from integrations import catalogue
from integrations.catalogue import InvalidConnectionField
from integrations.pages.catalogue_words import FIELD_ERRORS
from tests.integrations.pages.test_templates import TEMPLATES

ROOT = Path(settings.BASE_DIR)
LANGUAGES = [code for code, _name in settings.LANGUAGES if code != "en"]
DOMAINS = ("django", "catalogue")
EVERY_CATALOGUE = [(language, domain) for language in LANGUAGES for domain in DOMAINS]
MARKERS = {"_", "gettext", "gettext_lazy", "gettext_noop"}
_ENTRY = re.compile(r'(?:^#.*\n)*^msgid ((?:".*"\n)+)msgstr ((?:".*"(?:\n|\Z))+)', re.MULTILINE)
_PLACEHOLDERS = re.compile(r"%\(\w+\)s")
_TAGS = re.compile(r"<[^>]*>")
#: words of the API, the protocol and the staff pages
_OURS = re.compile(
    r"\b(integrations?|scopes?|tokens?|slugs?|hosts?|segments?|control characters?|request ids?|callbacks?|"
    r"endpoints?|webhooks?|proxy|OAuth|JSON|HTTP|API|state)\b",
    re.IGNORECASE,
)
#: kinds of HubSpot scopes that no customer is asked for, or that nobody can tell the meaning of
UNTRANSLATED_KINDS = {"internal", "app-token", "spec-only", "uncertain"}


def file_of(language: str, domain: str, suffix: str) -> Path:
    return Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / f"{domain}.{suffix}"


def read_po(language: str, domain: str) -> dict[str, str]:
    """msgid -> msgstr of a .po, header included under "". Refuses what this small reader cannot read."""
    text = file_of(language, domain, "po").read_text("utf-8")
    assert "msgctxt" not in text and "msgid_plural" not in text, "teach read_po contexts and plurals"
    found = {_joined(msgid): _joined(msgstr) for msgid, msgstr in _ENTRY.findall(text)}
    assert len(found) == len(re.findall(r"^msgid ", text, re.MULTILINE)), (
        "an entry is there twice or unreadable"
    )
    return found


def _joined(quoted_lines: str) -> str:
    return "".join(ast.literal_eval(line) for line in quoted_lines.splitlines())


def marked_in_templates() -> Iterator[str]:
    for path in TEMPLATES:
        for literal in re.findall(
            r" gettext\(u('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")\)", templatize(path.read_text())
        ):
            yield ast.literal_eval(literal)


def marked_in_code() -> Iterator[str]:
    for folder in ("accounts", "integrations", "proxy", "egress", "config"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKERS:
                    first = node.args[0] if node.args else None
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        yield first.value


def texts_of_the_catalogue() -> Iterator[tuple[str, bool]]:
    """(text, whether it has to be translated) of all that customers may read."""
    for provider in catalogue.all_providers():
        for field in provider.connection_fields:
            yield from ((text, field.asked_of != "staff") for text in (field.title, field.description))
        for secret in provider.connection_secrets:  # where it is found is said in the provider's own words
            yield from ((text, True) for text in (secret.title, secret.description))
        for scope in provider.scopes:
            yield from ((text, scope.kind not in UNTRANSLATED_KINDS) for text in (scope.meaning, scope.group))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_marked_sentence_is_translated_and_none_is_left_over(language: str) -> None:
    in_templates = set(marked_in_templates())
    marked = in_templates | set(marked_in_code())
    assert "Try again" in in_templates and len(marked) > 140, "the markup is no longer found"
    assert set(read_po(language, "django")) - {""} == marked


def test_no_sentence_for_customers_names_what_only_we_know() -> None:
    plain = {text: _PLACEHOLDERS.sub("", text) for text in {*marked_in_templates(), *marked_in_code()}}
    assert [text for text, words in plain.items() if _OURS.search(_TAGS.sub("", words))] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_customers_read_of_the_provider_catalogue_is_translated(language: str) -> None:
    needed = {text for text, is_needed in texts_of_the_catalogue() if is_needed and text}
    known = {text for text, _is_needed in texts_of_the_catalogue()}
    translated = set(read_po(language, "catalogue")) - {""}
    assert needed - translated == set()
    assert translated - known == set()
    assert "Read contacts" in translated


@pytest.mark.parametrize(("language", "domain"), EVERY_CATALOGUE)
def test_no_translation_is_empty_fuzzy_or_obsolete(language: str, domain: str) -> None:
    text = file_of(language, domain, "po").read_text("utf-8")
    assert "fuzzy" not in text and "#~" not in text
    assert [msgid for msgid, msgstr in read_po(language, domain).items() if not msgstr.strip()] == []


@pytest.mark.parametrize(("language", "domain"), EVERY_CATALOGUE)
def test_translations_hold_the_placeholders_and_tags_of_the_original_and_no_others(
    language: str, domain: str
) -> None:
    """A template puts them into the page unescaped, so that a tag or a quote of their own would break it."""
    for msgid, msgstr in read_po(language, domain).items():
        if not msgid:
            continue
        assert set(_PLACEHOLDERS.findall(msgstr)) == set(_PLACEHOLDERS.findall(msgid)), msgid
        assert _TAGS.findall(msgstr) == _TAGS.findall(msgid), msgid
        plain = _PLACEHOLDERS.sub("", _TAGS.sub("", msgstr))
        assert not set(plain) & set('<>&"%'), msgid
        assert msgstr == msgstr.strip() and "\n" not in msgstr, msgid


@pytest.mark.parametrize(("language", "domain"), EVERY_CATALOGUE)
def test_the_compiled_catalogue_is_that_of_the_source(language: str, domain: str) -> None:
    """A clone has no gettext tools, so the .mo are kept; `make messages` makes them anew."""
    with file_of(language, domain, "mo").open("rb") as compiled:
        read = gettext.GNUTranslations(compiled)
    source = read_po(language, domain)
    source[""] = re.sub(r"POT-Creation-Date:.*\n", "", source[""])  # msgfmt leaves it out
    assert {msgid: read.gettext(msgid) for msgid in source} == source
    assert len(read._catalog) == len(source)  # type: ignore[attr-defined]  # the only way to count them


@pytest.mark.parametrize(
    ("language", "plural_forms"),
    [
        ("de", "nplurals=2; plural=(n != 1);"),
        ("fr", "nplurals=2; plural=(n > 1);"),
        ("es", "nplurals=3; plural=n == 1 ? 0 : n != 0 && n % 1000000 == 0 ? 1 : 2;"),
        ("ja", "nplurals=1; plural=0;"),
    ],
)
def test_the_plural_rules_are_those_of_django(language: str, plural_forms: str) -> None:
    """Where they differ Django does not merge ours with its own."""
    for domain in DOMAINS:
        assert f"Plural-Forms: {plural_forms}\n" in read_po(language, domain)[""]


def test_every_finding_on_a_typed_value_has_a_sentence_to_translate() -> None:
    provider = catalogue.get("shopify")
    for typed in ("", "a.b", "a b", "\x00", "x" * 70, "Ä", "-", "evil.example/#"):
        with pytest.raises(InvalidConnectionField) as found:
            catalogue.check_connection_field(provider.connection_fields[0], typed)
        example = f"This must look like {provider.connection_fields[0].example}."
        assert f"This {found.value.reason}." in {*FIELD_ERRORS, example}
