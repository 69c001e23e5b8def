"""Integrations in the admin: what staff type, what is stored, and what is never shown."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from integrations import connections, tokens
from integrations.models import Connection, Integration
from integrations.models.connection import Status
from sealing import Secret
from tests import factories
from tests.factories import CLIENT_ID, CLIENT_SECRET, World

ADD = "/admin/integrations/integration/add/"
OTHER_ID = "11111111-2222-4333-8444-555555555555"
OTHER_SECRET = "99999999-8888-4777-8666-555555555555"
INSTALL = (
    f"https://app.hubspot.com/oauth/authorize?client_id={CLIENT_ID}&redirect_uri=https%3A%2F%2Fold.example.com%2Fcb"
    "&scope=oauth%20crm.objects.contacts.read%20brand.new.scope&optional_scope=crm.objects.deals.read"
)


def change_url(integration: Integration) -> str:
    return reverse("admin:integrations_integration_change", args=[integration.pk])


def post(client: Client, url: str, **changed: Any) -> Any:
    form = {
        "slug": "acme-dev",
        "is_enabled": "on",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "app_id": "1160452",
        "scopes": ["crm.objects.contacts.read", "crm.objects.deals.read"],
        "scopes_optional": ["crm.objects.deals.read"],
    }
    return client.post(url, {name: value for name, value in (form | changed).items() if value is not None})


def add(client: Client, provider: str = "hubspot", **changed: Any) -> Any:
    return post(client, f"{ADD}?provider={provider}", **changed)


def text(response: Any) -> str:
    return response.content.decode()


# --- choosing a provider -----------------------------------------------------------------------------------
def test_the_first_page_offers_every_supported_provider(boss: Client) -> None:
    page = text(boss.get(ADD))
    for name in ("HubSpot", "Pipedrive", "Xero", "Shopify", "Procore", "ServiceNow"):
        assert name in page


def test_the_search_for_providers_works_without_a_script(boss: Client) -> None:
    page = text(boss.get(f"{ADD}?q=hubs"))
    assert "?provider=hubspot" in page
    assert "?provider=xero" not in page


def test_an_unknown_provider_leads_back_to_the_choice(boss: Client) -> None:
    response = boss.get(f"{ADD}?provider=nonesuch")
    assert response.status_code == 200
    assert "no such provider" in text(response)


# --- the redirect URL --------------------------------------------------------------------------------------
def test_the_redirect_url_is_shown_before_and_after_saving(boss: Client, settings: Any) -> None:
    settings.PUBLIC_URL = "https://connect.example.com"
    before = text(boss.get(f"{ADD}?provider=hubspot"))
    assert "https://connect.example.com/oauth/&lt;short name&gt;/callback" in before
    assert 'data-copy="redirect-url"' in before
    add(boss)
    after = text(boss.get(change_url(Integration.objects.get())))
    assert ">https://connect.example.com/oauth/acme-dev/callback<" in after


def test_con_07_the_redirect_url_never_comes_from_the_request(boss: Client, settings: Any) -> None:
    settings.PUBLIC_URL = "https://connect.example.com"
    page = text(
        boss.get(f"{ADD}?provider=hubspot", headers={"host": "127.0.0.1", "x-forwarded-host": "evil.example"})
    )
    assert "https://connect.example.com/oauth/" in page
    assert "evil.example" not in page
    assert "127.0.0.1/oauth" not in page


def test_a_host_other_than_the_public_one_is_warned_of(boss: Client, settings: Any) -> None:
    settings.PUBLIC_URL = "http://localhost:8000"
    url = f"{ADD}?provider=hubspot"
    assert "but PUBLIC_URL is" in text(boss.get(url, headers={"host": "127.0.0.1"}))
    assert "but PUBLIC_URL is" not in text(boss.get(url, headers={"host": "localhost:8000"}))


# --- saving ------------------------------------------------------------------------------------------------
def test_a_new_integration_is_stored_with_its_scopes_and_an_audit_entry(boss: Client) -> None:
    assert add(boss).status_code == 302
    integration = Integration.objects.get()
    client = integration.current_client()
    assert (integration.slug, integration.provider_id, client.app_id) == ("acme-dev", "hubspot", "1160452")
    secret = tokens.client_secret(client)
    assert secret is not None
    assert secret.reveal() == CLIENT_SECRET
    assert client.client_secret_last4 == CLIENT_SECRET[-4:]
    assert integration.required_scopes() == ["crm.objects.contacts.read", "oauth"]
    assert integration.optional_scopes() == ["crm.objects.deals.read"]
    entry = AuditEntry.objects.get(action="integration.created")
    assert entry.actor_kind == "staff"
    assert CLIENT_SECRET not in str(entry.changes)


def test_con_06_no_scope_of_the_provider_is_added_that_staff_did_not_choose(boss: Client) -> None:
    add(boss, scopes=["x"], scopes_optional=None)
    integration = Integration.objects.get()
    assert integration.required_scopes() == ["x", "oauth"]
    assert integration.optional_scopes() == []


def test_con_05_an_optional_scope_is_stored_apart(boss: Client) -> None:
    add(boss, scopes=["crm.objects.contacts.read"], scopes_optional=["marketing.campaigns.read"])
    integration = Integration.objects.get()
    assert set(integration.required_scopes()) == {"crm.objects.contacts.read", "oauth"}
    assert integration.optional_scopes() == ["marketing.campaigns.read"]


def test_scopes_that_are_not_in_the_list_are_taken_with_a_warning(boss: Client) -> None:
    response = boss.post(
        f"{ADD}?provider=hubspot",
        {
            "slug": "acme-dev",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scopes_other": "brand.new, other.new",
            "scopes_other_optional": "maybe.new",
        },
        follow=True,
    )
    integration = Integration.objects.get()
    assert integration.required_scopes() == ["brand.new", "other.new", "oauth"]
    assert integration.optional_scopes() == ["maybe.new"]
    assert "Not in the catalogue" in text(response)


def test_a_required_scope_of_a_paid_plan_brings_the_advice_to_make_it_optional(boss: Client) -> None:
    add(boss, scopes=["automation"], scopes_optional=None)
    page = text(boss.get(change_url(Integration.objects.get())))
    assert "Only customers of a paid plan can grant automation" in page


def test_the_list_explains_scopes_and_marks_the_mandatory_one(boss: Client) -> None:
    page = text(boss.get(f"{ADD}?provider=hubspot"))
    assert "always included" in page
    assert "Marketing Hub Professional or Enterprise" in page
    assert "legacy, not offered to new apps" in page
    assert 'value="oauth"' not in page


@pytest.mark.parametrize("slug", ["", "Hb", "a", "admin", "has space", "hb_dev", "x" * 64, "-x"])
def test_a_wrong_short_name_is_refused_with_no_row_made(boss: Client, slug: str) -> None:
    response = add(boss, slug=slug)
    assert response.status_code == 200
    assert 'id="id_slug_error"' in text(response)
    assert not Integration.objects.exists()


def test_a_short_name_that_is_taken_is_refused(boss: Client, world: World) -> None:
    assert "already exists" in text(add(boss, slug=world.integration.slug))


def test_the_short_name_cannot_be_changed(boss: Client, world: World) -> None:
    page = text(boss.get(change_url(world.integration)))
    assert 'name="slug"' not in page
    post(boss, change_url(world.integration), slug="other")
    world.integration.refresh_from_db()
    assert world.integration.slug == "hbdev"


def test_the_provider_of_an_integration_cannot_be_changed(boss: Client, world: World) -> None:
    post(boss, f"{change_url(world.integration)}?provider=xero", provider_id="xero")
    world.integration.refresh_from_db()
    assert world.integration.provider_id == "hubspot"


def test_a_field_asked_of_staff_is_checked_and_stored(boss: Client) -> None:
    values = {
        "client_id": "0123456789abcdef0123456789abcdef",
        "client_secret": "a-secret-of-servicenow",
        "scopes": None,
    }
    refused = add(boss, "servicenow", **values, config_instance="dev1.evil.example/", app_id=None)
    assert "must be letters, digits and hyphens only" in text(refused)
    assert not Integration.objects.exists()
    add(boss, "servicenow", **values, config_instance="Dev12345", app_id=None)
    assert Integration.objects.get().connection_config == {"instance": "dev12345"}


# --- secrets -----------------------------------------------------------------------------------------------
def test_a_secret_is_never_rendered_again(boss: Client) -> None:
    failed = text(add(boss, slug="A B"))
    assert CLIENT_SECRET not in failed
    assert "paste the Client secret again" in failed
    add(boss)
    integration = Integration.objects.get()
    page = text(boss.get(change_url(integration)))
    assert CLIENT_SECRET not in page
    assert f"••••{CLIENT_SECRET[-4:]}, set on " in page
    for url in ("/admin/", "/admin/integrations/integration/", f"{change_url(integration)[:-7]}history/"):
        assert CLIENT_SECRET not in text(boss.get(url))


def test_a_browser_is_told_not_to_fill_in_the_password_of_staff(boss: Client, world: World) -> None:
    for url in (f"{ADD}?provider=hubspot", change_url(world.integration)):
        inputs = re.findall(r'<input type="password"[^>]*>', text(boss.get(url)))
        assert inputs
        assert all('autocomplete="new-password"' in tag for tag in inputs)


def test_an_empty_secret_keeps_the_stored_one(boss: Client) -> None:
    add(boss)
    integration = Integration.objects.get()
    assert post(boss, change_url(integration), client_secret="", display_name="Ours").status_code == 302
    integration.refresh_from_db()
    secret = tokens.client_secret(integration.current_client())
    assert secret is not None
    assert secret.reveal() == CLIENT_SECRET
    assert integration.display_name == "Ours"
    assert AuditEntry.objects.get(action="integration.updated").changes == {"display_name": ["", "Ours"]}


def test_saving_without_a_change_writes_no_audit_entry(boss: Client) -> None:
    add(boss)
    post(boss, change_url(Integration.objects.get()), client_secret="")
    assert not AuditEntry.objects.filter(action="integration.updated").exists()


def test_ref_31_another_client_id_leaves_the_old_one_to_its_connections(boss: Client, world: World) -> None:
    made_by_old = factories.connection(world)
    refused = post(boss, change_url(world.integration), client_id=OTHER_ID, client_secret="")
    assert "has its own Client secret" in text(refused)
    assert world.integration.current_client() == world.client
    post(boss, change_url(world.integration), client_id=OTHER_ID, client_secret=OTHER_SECRET)
    made_by_old.refresh_from_db()
    assert made_by_old.client == world.client
    current = world.integration.current_client()
    assert current.client_id == OTHER_ID
    old_secret = tokens.client_secret(made_by_old.client)
    assert old_secret is not None
    assert old_secret.reveal() == CLIENT_SECRET
    assert "1 living connection<" in text(boss.get(change_url(world.integration)))


def test_going_back_to_an_earlier_client_id_needs_no_secret(boss: Client, world: World) -> None:
    post(boss, change_url(world.integration), client_id=OTHER_ID, client_secret=OTHER_SECRET)
    post(boss, change_url(world.integration), client_secret="")
    assert world.integration.current_client() == world.client
    assert world.integration.clients.count() == 2


def test_a_next_secret_is_promoted_or_forgotten(boss: Client, world: World) -> None:
    url = change_url(world.integration)
    post(boss, url, client_secret="", next_client_secret=OTHER_SECRET)
    page = text(boss.get(url))
    assert "Make the next secret the secret" in page
    assert OTHER_SECRET not in page
    boss.post(f"{url[:-7]}next-secret/", {"act": "promote"})
    client = world.integration.current_client()
    secret = tokens.client_secret(client)
    assert secret is not None
    assert secret.reveal() == OTHER_SECRET
    assert client.next_client_secret is None
    assert boss.post(f"{url[:-7]}next-secret/", {"act": "other"}).status_code == 400
    assert "There is no next secret" in text(
        boss.post(f"{url[:-7]}next-secret/", {"act": "discard"}, follow=True)
    )


def test_an_unreadable_secret_is_told_and_can_be_replaced(boss: Client, world: World) -> None:
    world.integration.clients.update(client_secret=_broken(world))
    url = change_url(world.integration)
    assert "cannot be read with the present FERNET_KEYS" in text(boss.get(url))
    assert "enter it again" in text(boss.post(f"{url[:-7]}check/", follow=True))
    assert post(boss, url).status_code == 302
    assert world.integration.current_client().client_secret.is_readable()


def _broken(world: World) -> Any:
    from sealing import Sealed

    return Sealed(b"gibberish", column="integrations_clientcredentials.client_secret", pk=world.client.pk)


def test_a_new_secret_ends_the_alarm_and_lets_connections_ask_again(boss: Client, world: World) -> None:
    from datetime import timedelta

    from django.utils import timezone

    later = timezone.now() + timedelta(hours=1)
    waiting = factories.connection(world, refresh_not_before=later, next_refresh_at=later)
    world.integration.clients.update(rejected_since=timezone.now())
    assert "has refused these credentials since" in text(boss.get(change_url(world.integration)))
    assert "credentials refused" in text(boss.get("/admin/integrations/integration/"))
    post(boss, change_url(world.integration), client_secret=OTHER_SECRET)
    waiting.refresh_from_db()
    assert waiting.refresh_not_before is None
    assert waiting.next_refresh_at is not None
    assert waiting.next_refresh_at < later
    assert world.integration.current_client().rejected_since is None


# --- the wrong field ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        ({"client_id": "1160452"}, "client_id", "This looks like the App ID."),
        ({"app_id": OTHER_ID}, "app_id", "This looks like the Client ID or the Client secret."),
        ({"client_secret": CLIENT_ID}, "client_secret", "one of them was pasted twice"),
        ({"client_secret": f"pat-na1-{OTHER_SECRET}"}, "client_secret", "private app"),
        ({"client_id": f" '{CLIENT_ID[:-1]}' "}, "client_id", "does not look like a Client ID"),
    ],
)
def test_a_value_in_the_wrong_field_is_told_beside_the_field(
    boss: Client, changed: dict[str, str], field: str, sentence: str
) -> None:
    page = add(boss, **changed)
    assert sentence in " ".join(page.context["adminform"].form.errors[field])
    assert not Integration.objects.exists()


def test_pasted_values_are_tidied_before_they_are_stored(boss: Client) -> None:
    add(
        boss,
        client_id=f' "{CLIENT_ID.upper()}"\u200b',
        client_secret=f"'{CLIENT_SECRET}' ",
        app_id=" 1160452\u00a0",
    )
    client = Integration.objects.get().current_client()
    secret = tokens.client_secret(client)
    assert secret is not None
    assert (client.client_id, secret.reveal(), client.app_id) == (CLIENT_ID, CLIENT_SECRET, "1160452")


def test_an_odd_shape_may_be_used_anyway_and_a_token_may_not(boss: Client) -> None:
    odd = "7933b042-0952-4e7d-a327dab-3dc"
    page = text(add(boss, client_id=odd))
    assert 'type="checkbox" name="use_anyway"' in page
    assert add(boss, client_id=odd, use_anyway="on").status_code == 302
    assert Integration.objects.get().current_client().client_id == odd
    never = add(boss, slug="second", client_secret=f"pat-na1-{OTHER_SECRET}", use_anyway="on")
    assert never.status_code == 200
    assert Integration.objects.count() == 1


@pytest.mark.parametrize("field", ["install_url", "client_id", "client_secret", "app_id", "slug"])
def test_an_install_url_is_taken_apart_and_only_proposed(boss: Client, field: str) -> None:
    response = add(boss, **{"client_id": "", "scopes": None, "scopes_optional": None, field: INSTALL})
    assert not Integration.objects.exists()
    page = text(response)
    assert "The install URL was taken apart" in page
    assert f'name="client_id" value="{CLIENT_ID}"' in page
    assert 'value="crm.objects.contacts.read" checked' in page
    assert 'name="scopes_optional" value="crm.objects.deals.read" checked' in page
    assert 'value="brand.new.scope" checked' in page
    if field != "slug":
        assert "Its redirect URL is https://old.example.com/cb, and ours is" in page


def test_the_proposal_of_an_install_url_is_saved_when_it_is_confirmed(boss: Client) -> None:
    form = add(boss, install_url=INSTALL, client_id="").context["adminform"].form
    choice = form["scopes"].value()
    add(
        boss,
        client_id=form["client_id"].value(),
        scopes=[*choice.required, *choice.optional],
        scopes_optional=list(choice.optional),
    )
    integration = Integration.objects.get()
    assert integration.required_scopes() == ["crm.objects.contacts.read", "brand.new.scope", "oauth"]
    assert integration.optional_scopes() == ["crm.objects.deals.read"]


def test_an_install_url_of_another_provider_is_told(boss: Client) -> None:
    page = text(add(boss, install_url=INSTALL.replace("app.hubspot.com", "login.xero.com")))
    assert "belongs to login.xero.com, which is not HubSpot" in page


# --- checking at the provider ------------------------------------------------------------------------------
def check(client: Client, integration: Integration) -> str:
    return text(client.post(f"{change_url(integration)[:-7]}check/", follow=True))


def test_right_credentials_are_accepted_by_the_provider(boss: Client, world: World, sandbox: Any) -> None:
    world.register_at(sandbox)
    assert "HubSpot accepts the Client ID and the Client Secret." in check(boss, world.integration)


def test_a_wrong_client_id_is_named(boss: Client, world: World, sandbox: Any) -> None:
    world.integration.clients.update(client_id=OTHER_ID)
    assert "HubSpot does not know this Client ID." in check(boss, world.integration)


def test_a_wrong_secret_is_named(boss: Client, world: World, sandbox: Any) -> None:
    world.register_at(sandbox)
    world.client.client_secret = Secret(OTHER_SECRET)
    world.client.save(update_fields=["client_secret"])
    assert "the Client Secret is wrong" in check(boss, world.integration)


def test_both_secrets_of_a_rotation_are_checked(boss: Client, world: World, sandbox: Any) -> None:
    world.register_at(sandbox)
    world.client.next_client_secret = Secret(OTHER_SECRET)
    world.client.save(update_fields=["next_client_secret"])
    page = check(boss, world.integration)
    assert "HubSpot accepts the Client ID and the Client Secret." in page
    assert "Next secret: HubSpot knows the Client ID, and the Client Secret is wrong." in page


def test_a_provider_that_cannot_be_reached_is_no_verdict(boss: Client, world: World, settings: Any) -> None:
    settings.UPSTREAM_MAP = {"https://api.hubapi.com": "http://127.0.0.1:9"}
    assert "HubSpot could not be asked" in check(boss, world.integration)


def test_checking_takes_a_post(boss: Client, world: World) -> None:
    assert boss.get(f"{change_url(world.integration)[:-7]}check/").status_code == 405


# --- deleting ----------------------------------------------------------------------------------------------
def test_adm_08_an_integration_with_living_connections_is_not_deleted(boss: Client, world: World) -> None:
    for number in range(3):
        factories.connection(world, f"customer-{number}")
    url = f"{change_url(world.integration)[:-7]}delete/"
    assert "3 living connections" in text(boss.get(url))
    response = boss.post(url, {"post": "yes"})
    assert response.status_code == 409
    assert "3 living connections" in text(response)
    assert Integration.objects.count() == 1
    assert Connection.objects.count() == 3


def test_adm_08_an_integration_waits_until_the_provider_was_told_of_ended_connections(
    boss: Client, world: World
) -> None:
    connections.disconnect(factories.connection(world), actor=factories.ACTOR)
    response = boss.post(f"{change_url(world.integration)[:-7]}delete/", {"post": "yes"})
    assert response.status_code == 409
    assert "still being told that 1 ended connection may be forgotten" in text(response)


def test_pending_connections_and_tombstones_go_with_their_integration(boss: Client, world: World) -> None:
    factories.connection(world, "one", status=Status.PENDING)
    factories.connection(world, "two", status=Status.DISCONNECTED)
    url = f"{change_url(world.integration)[:-7]}delete/"
    assert boss.get(url).status_code == 200
    assert boss.post(url, {"post": "yes"}).status_code == 302
    assert not Integration.objects.exists()
    assert not Connection.objects.exists()
    entry = AuditEntry.objects.get(action="integration.deleted")
    assert entry.changes["slug"] == "hbdev"
    assert entry.changes["pending_connections"] == 1


# --- who may ------------------------------------------------------------------------------------------------
def test_staff_who_may_only_view_see_no_form_and_no_secret(staff: Any, world: World) -> None:
    client = staff("view_integration")
    response = client.get(change_url(world.integration))
    page = text(response)
    assert response.status_code == 200
    assert CLIENT_ID in page
    assert 'name="client_id"' not in page
    assert "Check credentials" not in page
    assert post(client, change_url(world.integration)).status_code == 403
    assert client.post(f"{change_url(world.integration)[:-7]}check/").status_code == 403
    assert client.post(f"{change_url(world.integration)[:-7]}next-secret/").status_code == 403
    assert client.post(f"{change_url(world.integration)[:-7]}delete/", {"post": "yes"}).status_code == 403
    assert client.get(ADD).status_code == 403


def test_staff_who_may_change_can_check_and_not_add_or_delete(
    staff: Any, world: World, settings: Any
) -> None:
    settings.UPSTREAM_MAP = {"https://api.hubapi.com": "http://127.0.0.1:9"}
    client = staff("change_integration")
    assert "Check credentials" in text(client.get(change_url(world.integration)))
    assert client.post(f"{change_url(world.integration)[:-7]}check/").status_code == 302
    assert client.get(ADD).status_code == 403
    assert client.get(f"{change_url(world.integration)[:-7]}delete/").status_code == 403


def test_an_integration_whose_provider_is_gone_can_still_be_opened(boss: Client, world: World) -> None:
    Integration.objects.update(provider_id="vanished")
    assert "vanished (no such provider)" in text(boss.get("/admin/integrations/integration/"))
    assert boss.get(change_url(world.integration)).status_code == 200


@pytest.mark.parametrize(
    "field", ["app_id", "client_id", "display_name", "environment", "install_url", "slug"]
)
def test_a_secret_that_was_pasted_into_the_wrong_field_does_not_come_back(boss: Client, field: str) -> None:
    """Also where it is refused for another reason: no field is sent back that may hold it."""
    response = add(boss, **{field: CLIENT_SECRET})
    if field != "client_id":  # alone, a Client ID cannot be told from a secret of the same shape
        assert response.status_code == 200, field
        assert CLIENT_SECRET not in text(response)
    assert CLIENT_SECRET not in text(add(boss, **{field: CLIENT_SECRET, "client_secret": CLIENT_SECRET}))
    assert Integration.objects.count() == 0 or field == "client_id"
