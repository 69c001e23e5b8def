"""`/providers/` and a page for each entry of the catalogue."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations import catalogue
from integrations.catalogue import Provider, facts
from integrations.provider_pages import words
from integrations.provider_pages.content import KEY
from integrations.provider_pages.durations import in_words
from tests import factories

EVERY = [provider.id for provider in catalogue.all_providers()]
SDKS = [provider for provider in catalogue.all_providers() if provider.sdk is not None]


def test_the_list_names_every_provider(client: Client) -> None:
    page = client.get("/providers/").content.decode()
    for provider in catalogue.all_providers():
        assert f'href="/providers/{provider.id}"' in page


@pytest.mark.parametrize(
    ("query", "found", "left_out"),
    [("xer", "xero", "hubspot"), ("ACCOUNTING", "xero", "slack"), ("crm hub", "hubspot", "pipedrive")],
)
def test_the_list_is_searched_by_name_category_and_kind(
    client: Client, query: str, found: str, left_out: str
) -> None:
    page = client.get("/providers/", {"q": query}).content.decode()
    assert f'href="/providers/{found}"' in page and f'href="/providers/{left_out}"' not in page


def test_what_is_searched_for_is_written_as_text(client: Client) -> None:
    page = client.get("/providers/", {"q": '"><script>alert(1)</script>' + "x" * 300}).content.decode()
    assert "<script>alert" not in page and "Nothing is found" in page


@pytest.mark.parametrize("provider_id", EVERY)
def test_each_entry_has_a_page_with_all_that_it_says(client: Client, provider_id: str) -> None:
    provider = catalogue.get(provider_id)
    page = client.get(f"/providers/{provider_id}").content.decode()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    for number, step in enumerate(provider.setup_steps):
        first = step.partition("{redirect_uri}")[0].strip()
        assert first[:40] in _unescaped(text), f"step {number}"
    if any("{redirect_uri}" in step for step in provider.setup_steps):
        assert "/oauth/&lt;short-name&gt;/callback" in page
    for scope in provider.scopes:
        assert f">{scope.name}</code>" in _unescaped(page)
    for quirk in provider.quirks:
        assert quirk.replace("`", "") in _unescaped(text)
    assert "never so far" in text
    assert "{" not in re.sub(r"<code.*?</code>|<dd>.*?</dd>", "", page, flags=re.DOTALL).replace("{}", "")


def _unescaped(text: str) -> str:
    for written, meant in (("&#x27;", "'"), ("&quot;", '"'), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(written, meant)
    return text


@pytest.mark.parametrize("provider", SDKS, ids=[provider.id for provider in SDKS])
def test_the_snippet_of_an_sdk_leads_through_this_installation(client: Client, provider: Provider) -> None:
    """With both placeholders replaced, so that Python's is a program."""
    assert provider.sdk and "{proxy_url}" in provider.sdk.snippet and "{key}" in provider.sdk.snippet
    page = client.get(f"/providers/{provider.id}").content.decode()
    assert f'<code translate="no">{provider.sdk.package}</code>' in page
    (shown,) = re.findall(r"<pre[^>]*><code[^>]*>(.*?)</code></pre>", page, flags=re.DOTALL)
    shown = _unescaped(shown)
    address = "http://localhost:8000/proxy/<short-name>/<customer>"
    assert shown == provider.sdk.snippet.replace("{proxy_url}", address).replace("{key}", KEY).rstrip("\n")
    if provider.sdk.language == "python":
        compile(shown, provider.id, "exec")


@pytest.mark.parametrize("wrong", ["nobody", "HUBSPOT", "hubspot.yaml", "x" * 300])
@pytest.mark.django_db
def test_an_unknown_provider_is_404(client: Client, wrong: str) -> None:
    assert client.get(f"/providers/{wrong}").status_code == 404


@pytest.mark.django_db
def test_everybody_reads_the_same_and_nothing_of_the_installation() -> None:
    """Nobody, staff without a right and a superuser: the page holds no integration, partner or customer."""
    world = factories.world()
    nobody, staff, root = Client(), Client(), Client()
    staff.force_login(User.objects.create_user("staff", is_staff=True))
    root.force_login(User.objects.create_superuser("root"))
    for path in ("/providers/", "/providers/hubspot"):
        pages = {reader.get(path).content for reader in (nobody, staff, root)}
        assert len(pages) == 1
        (page,) = pages
        for told in (world.integration.slug, world.partner.name):
            assert told.encode() not in page


@pytest.mark.parametrize("method", ["post", "put", "delete"])
@pytest.mark.django_db
def test_the_pages_are_for_reading(client: Client, method: str) -> None:
    assert getattr(client, method)("/providers/").status_code in (403, 405)


def test_the_pages_may_be_kept_and_are_in_english(client: Client) -> None:
    reply = client.get("/providers/xero", headers={"Accept-Language": "de"})
    assert reply["Cache-Control"] == "public, max-age=300"
    assert reply["Content-Language"] == "en" and '<html lang="en"' in reply.content.decode()
    assert "Set-Cookie" not in reply


def test_every_word_of_the_schema_has_words_for_people() -> None:
    assert set(words._FACTS) == set(words._ABSENT) == set(facts.FACTS)
    for provider in catalogue.all_providers():
        assert words.KINDS[provider.auth_kind] and words.CONFIDENCE[provider.confidence]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (90, "1 minute 30 seconds"),
        (1800, "30 minutes"),
        (3599, "59 minutes 59 seconds"),
        (3600, "1 hour"),
        (5184000, "60 days"),
        (90061, "1 day 1 hour"),
    ],
)
def test_seconds_are_said_as_people_say_them(seconds: int, said: str) -> None:
    assert in_words(seconds) == said
