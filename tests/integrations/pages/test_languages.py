"""The pages follow Accept-Language; what programs, events and the audit read stays English (contract section 6)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from integrations import connect, representation
from integrations.models import Integration
from integrations.models.connection import REASONS, Status
from integrations.models.link import Outcome
from tests.integrations.pages.conftest import (
    ACTOR,
    MakeLink,
    make_active,
    press_continue,
    state_sent,
    token_in,
)
from tests.integrations.pages.test_connection_fields import shop  # noqa: F401  # a fixture

CALLBACK = "/oauth/hbdev/callback"
#: language -> what the confirm page, its scopes, and the page of an unknown link say
WORDS = {
    "en": ("Connect HubSpot to Northwind CRM", "Read contacts", "There is no such link"),
    "de": ("HubSpot mit Northwind CRM verbinden", "Kontakte lesen", "Diesen Link gibt es nicht"),
    "fr": ("Connecter HubSpot à Northwind CRM", "Lire les contacts", "Ce lien n’existe pas"),
    "es": ("Conectar HubSpot con Northwind CRM", "Leer contactos", "Este enlace no existe"),
    "ja": ("HubSpotをNorthwind CRMに接続", "コンタクトの読み取り", "このリンクは存在しません"),
}


def get(browser: Client, path: str, language: str, **headers: str) -> Any:
    return browser.get(path, headers={"Accept-Language": language, **headers})


@pytest.mark.parametrize("language", WORDS)
def test_the_pages_speak_the_browsers_language(browser: Client, make_link: MakeLink, language: str) -> None:
    title, scope, gone = WORDS[language]
    page = get(browser, make_link()[1], language)
    text = page.content.decode()
    assert f'<html lang="{language}" dir="ltr">' in text
    assert title in text and f"<span>{scope}</span>" in text
    assert page["Content-Language"] == language
    assert "Accept-Language" in page["Vary"]
    assert gone in get(browser, "/connect/nothing", language).content.decode()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT", "de"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("es-419", "es"),
        ("ja-JP", "ja"),
        ("JA", "ja"),
        ("en;q=0.5, de;q=0.9", "de"),
        ("pt-BR, es;q=0.4, fr;q=0.3", "es"),
        ("de;q=0, fr", "fr"),
        ("en-GB", "en"),
        ("sv", "en"),
        ("zh-Hant-TW", "en"),
        ("*", "en"),
        ("", "en"),
        ("de;q=2", "en"),
        ("../../etc/passwd", "en"),
        ("de\x00", "en"),
        ("\xff\xfe", "en"),
        ("<script>,;;q=,=", "en"),
        ("x" * 10_240, "en"),
        ("de," * 3_400, "de"),
    ],
    ids=lambda value: value[:20].encode("unicode-escape").decode(),
)
def test_odd_language_headers_choose_a_language_and_break_nothing(
    browser: Client, make_link: MakeLink, header: str, language: str
) -> None:
    page = get(browser, make_link()[1], header)
    assert page.status_code == 200
    assert page["Content-Language"] == language
    assert WORDS[language][0] in page.content.decode()


@pytest.mark.parametrize("language", WORDS)
def test_a_name_stays_escaped_in_every_language(browser: Client, make_link: MakeLink, language: str) -> None:
    text = get(browser, make_link(display_name="<b>Blue</b> & Sons")[1], language).content.decode()
    assert "<strong>&lt;b&gt;Blue&lt;/b&gt; &amp; Sons</strong>" in text


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("de", "Sie haben den Zugriff nicht erlaubt"),
        ("fr", "Vous n’avez pas accordé l’accès"),
        ("es", "No ha concedido el acceso"),
        ("ja", "アクセスが許可されなかった"),
    ],
)
def test_the_outcome_is_told_in_the_language_and_kept_in_english(
    browser: Client, make_link: MakeLink, language: str, sentence: str
) -> None:
    link, path = make_link()
    state = state_sent(press_continue(browser, path).content)
    back = f"{CALLBACK}?error=access_denied&state={state}"
    page = get(browser, back, language)
    assert sentence in page.content.decode()
    reply = get(browser, back, language, Accept="application/json")
    assert reply.json()["detail"] == "You did not grant access, so nothing was connected."
    assert reply["Content-Language"] == "en"
    assert link.attempts.get().outcome_detail == ""


def test_the_providers_own_words_stay_as_they_are(browser: Client, make_link: MakeLink) -> None:
    state = state_sent(press_continue(browser, make_link()[1]).content)
    page = get(browser, f"{CALLBACK}?error=server_error&error_description=Oh+no&state={state}", "de")
    assert "Der Anbieter meldet ein Problem. (Oh no)" in page.content.decode()


def test_another_account_is_named_in_the_language(browser: Client, make_link: MakeLink) -> None:
    link, path = make_link()
    make_active(link)
    state = state_sent(press_continue(browser, path).content)
    now = timezone.now()
    link.attempts.update(
        outcome=Outcome.FAILED,
        outcome_reason="account_mismatch",
        outcome_detail="It was Blue Bottle portal before.",
        claimed_at=now,
        finished_at=now,
    )
    text = get(browser, f"{CALLBACK}?code=c&state={state}", "de").content.decode()
    assert "als das zuvor verbundene. (Zuvor war es Blue Bottle portal.)" in text


def test_a_refused_callback_without_words_of_its_own_is_translated(browser: Client, db: None) -> None:
    page = get(browser, f"{CALLBACK}?step=authorize", "de")
    assert page.status_code == 400
    assert "Marktplatz des Anbieters wird noch nicht angeboten" in page.content.decode()


@pytest.mark.parametrize("reason", [reason for reason in REASONS if reason])
def test_the_customers_list_gives_the_reason_in_the_language_and_events_in_english(
    browser: Client, make_link: MakeLink, reason: str
) -> None:
    link, _path = make_link()
    connection = make_active(link, status=Status.RECONNECT_REQUIRED, status_reason=reason)
    manage = connect.create_manage_link(link.partner, "tenant<7>", actor=ACTOR)[1].removeprefix(
        "http://localhost:8000"
    )
    text = get(browser, manage, "de").content.decode()
    english = REASONS[reason]
    assert "Ihr Zutun ist nötig" in text and english not in text
    with translation.override("de"):
        told = representation.connection_data(connection)["statusReason"]
        assert f'<p class="reason">{translation.gettext(english)}</p>' in text
    assert told == {"code": reason, "message": english}


def test_a_list_names_dates_and_missing_scopes_in_the_language(browser: Client, make_link: MakeLink) -> None:
    link, _path = make_link()
    make_active(
        link,
        requested_scopes=["crm.objects.contacts.read", "crm.lists.read"],
        granted_scopes=["crm.lists.read"],
    )
    manage = connect.create_manage_link(link.partner, "tenant<7>", actor=ACTOR)[1].removeprefix(
        "http://localhost:8000"
    )
    text = get(browser, manage, "ja").content.decode()
    assert "<li>コンタクトの読み取り</li>" in text
    assert "年" in text and "月" in text
    done = get(browser, f"{manage}?done=pause", "fr").content.decode()
    assert "La connexion est suspendue." in done
    refused = browser.post(
        manage,
        {"csrfmiddlewaretoken": token_in(done.encode()), "action": "sing", "connection": ""},
        headers={"Accept-Language": "es"},
    )
    assert refused.status_code in {400, 404}


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Bitte füllen Sie dieses Feld aus."),
        ("a.b", "Erlaubt sind nur Buchstaben, Ziffern und Bindestriche, keine Punkte."),
        ("a" * 61, "Der Wert muss so aussehen wie my-shop-1."),
    ],
)
def test_what_is_wrong_with_a_typed_value_is_said_in_the_language(
    browser: Client,
    make_link: MakeLink,
    shop: Integration,  # noqa: F811
    typed: str,
    sentence: str,
) -> None:
    path = make_link(integration=shop)[1]
    first = get(browser, path, "de")
    assert "Der erste Teil der Adresse Ihres Shops" in first.content.decode()
    form = {"csrfmiddlewaretoken": token_in(first.content), "shop": typed}
    page = browser.post(path, form, headers={"Accept-Language": "de"})
    assert page.status_code == 400
    assert f'<p class="field-error" id="error-shop">{sentence}</p>' in page.content.decode()
    reply = browser.post(path, form, headers={"Accept-Language": "de", "Accept": "application/json"})
    assert reply.json()["detail"].startswith(("Please fill this in.", "This must"))
    assert reply["Content-Language"] == "en"


@pytest.mark.parametrize(
    ("language", "heading"),
    [("de", "Hier ist nichts"), ("es", "Aquí no hay nada"), ("sv", "There is nothing here")],
)
def test_error_pages_follow_the_language_and_error_replies_do_not(
    browser: Client, db: None, language: str, heading: str
) -> None:
    assert heading in get(browser, "/nowhere", language).content.decode()
    reply = get(browser, "/nowhere", language, Accept="application/json")
    assert reply.json()["title"] == "Not found"
    refused = browser.post("/connect/nothing", headers={"Accept-Language": language})
    assert refused.status_code == 403
    assert ("Cookies" in refused.content.decode()) == (language == "de")


def test_an_unknown_language_shows_the_catalogues_own_words() -> None:
    from integrations.pages import catalogue_words

    with translation.override("de"):
        assert catalogue_words.in_words("Read contacts") == "Kontakte lesen"
        assert catalogue_words.in_words("a.scope.of.their.own") == "a.scope.of.their.own"
        assert catalogue_words.in_words("") == ""
    with translation.override(None):
        assert catalogue_words.in_words("Read contacts") == "Read contacts"
