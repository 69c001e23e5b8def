"""HubSpot's entry against HubSpot's specifications and documentation."""

from __future__ import annotations

import re

import pytest

from integrations.catalogue import Provider, get


@pytest.fixture
def hubspot() -> Provider:
    return get("hubspot")


def test_endpoints_are_the_dated_ones(hubspot: Provider) -> None:
    assert hubspot.oauth.authorization_endpoint == "https://app.hubspot.com/oauth/authorize"
    assert hubspot.oauth.token_endpoint == "https://api.hubapi.com/oauth/2026-09/token"
    assert hubspot.oauth.token_endpoint_auth_method == "client_secret_post"
    assert hubspot.oauth.token_body_format == "form"
    assert hubspot.oauth.pkce == "optional"


def test_con_05_oauth_is_mandatory_and_optional_scopes_have_a_parameter_of_their_own(
    hubspot: Provider,
) -> None:
    rules = hubspot.oauth.scope
    assert (rules.separator, rules.mandatory, rules.optional_parameter) == (" ", ("oauth",), "optional_scope")


def test_an_access_token_lives_half_an_hour_when_the_answer_does_not_say(hubspot: Provider) -> None:
    assert hubspot.oauth.lifetimes.access_token_seconds == 1800
    assert hubspot.oauth.expires_in_unit == "s"
    assert hubspot.oauth.token_paths.scope == "scopes"


def test_the_refresh_token_of_another_client_is_judged_before_the_dead_one(hubspot: Provider) -> None:
    verdicts = hubspot.oauth.verdicts
    first = verdicts[0]
    assert first.verdict == "client_wrong"
    assert first.description_pattern is not None
    assert re.search(first.description_pattern, "refresh token was not issued to this client", re.IGNORECASE)
    assert not re.search(
        first.description_pattern, "refresh token is invalid, expired or revoked", re.IGNORECASE
    )
    by_status = {word: rule.verdict for rule in verdicts for word in rule.fields.get("status", ())}
    assert by_status == {
        "BAD_CLIENT_ID": "client_wrong",
        "BAD_CLIENT_SECRET": "client_wrong",
        "BAD_REDIRECT_URI": "client_wrong",
        "MISMATCH_REDIRECT_URI_AUTH_CODE": "client_wrong",
        "BAD_REFRESH_TOKEN": "grant_gone",
        "BAD_HUB": "grant_gone",
    }
    assert [rule.verdict for rule in verdicts if "access_denied" in rule.errors] == ["grant_gone"]


def test_ref_09_an_account_that_is_being_moved_is_a_matter_of_time(hubspot: Provider) -> None:
    assert [rule.verdict for rule in hubspot.oauth.verdicts if {423, 477} <= set(rule.statuses)] == [
        "temporary"
    ]


def test_credentials_look_as_hubspot_shows_them(hubspot: Provider) -> None:
    fields = hubspot.credentials
    assert fields.client_id and fields.client_id.pattern and fields.app_id and fields.app_id.pattern
    assert re.fullmatch(fields.client_id.pattern, "7fff1e36-2d40-4ae1-bbb1-5266d59564fb")
    assert not re.fullmatch(fields.client_id.pattern, "1160452")
    assert not re.fullmatch(fields.client_id.pattern, "7933b042-0952-4e7d-a327dab-3dc")
    assert re.fullmatch(fields.app_id.pattern, "1160452")
    assert not re.fullmatch(fields.app_id.pattern, "7fff1e36-2d40-4ae1-bbb1-5266d59564fb")


@pytest.mark.parametrize("pattern", ["/oauth/**", "/appinstalls/**", "/webhooks/**", "/webhooks-journal/**"])
def test_the_app_owner_s_paths_are_closed_on_every_host(hubspot: Provider, pattern: str) -> None:
    assert [closed.host for closed in hubspot.api.closed_paths if closed.pattern == pattern] == [None]


def test_the_developer_key_is_a_caller_s_credential(hubspot: Provider) -> None:
    places = {(caller.kind, caller.name, caller.scheme) for caller in hubspot.api.caller_credentials}
    assert places == {("header", "Authorization", "Bearer"), ("query", "hapikey", None)}


def test_hubspot_is_waited_for_longer_than_it_waits_itself(hubspot: Provider) -> None:
    assert hubspot.api.response_header_timeout_seconds == 110


def test_only_an_expired_token_is_refreshed_on_401(hubspot: Provider) -> None:
    (signal,) = hubspot.api.expired_signals
    assert (signal.status, signal.path, signal.values) == (401, "category", ("EXPIRED_AUTHENTICATION",))


def test_the_account_is_known_from_account_info_and_its_name_from_introspection(hubspot: Provider) -> None:
    account, token = hubspot.identity
    assert account.url == "https://api.hubapi.com/account-info/2026-09/details"
    assert (account.account_id, account.auth) == ("portalId", "bearer")
    assert account.extras["ui_domain"] == "uiDomain"
    assert account.extras["data_hosting_location"] == "dataHostingLocation"
    assert token.url == "https://api.hubapi.com/oauth/2026-09/token/introspect"
    assert (token.method, token.auth, token.name) == ("POST", "client_form", "hub_domain")
    assert token.form == {"token": "{access_token}", "token_type_hint": "access_token"}
    assert token.must == {"active": "true"}


def test_revocation_sends_the_refresh_token_with_its_hint(hubspot: Provider) -> None:
    revocation = hubspot.revocation
    assert revocation is not None
    assert revocation.url == "https://api.hubapi.com/oauth/2026-09/token/revoke"
    assert (revocation.auth, revocation.sends) == ("client_secret_post", ("refresh_token",))
    assert revocation.token_type_hint
    assert not revocation.shared_by_account


def test_every_known_scope_is_there_with_a_meaning(hubspot: Provider) -> None:
    assert len(hubspot.scopes) == 301
    assert hubspot.scopes[0].name == "oauth"
    contacts = hubspot.scope_by_name("crm.objects.contacts.read")
    assert contacts is not None
    assert (contacts.meaning, contacts.group, contacts.tier) == ("Read contacts", "Contacts", "Any account")
    assert (contacts.kind, contacts.paid) == ("public", False)


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        ("crm.objects.custom.read", "Any Enterprise plan"),
        ("automation", "Marketing Hub Professional or Enterprise"),
        ("crm.objects.commercepayments.read", "Any paid plan"),
        ("business_units.view.read", "Business Units add-on"),
    ],
)
def test_scopes_of_paid_plans_say_so(hubspot: Provider, name: str, tier: str) -> None:
    scope = hubspot.scope_by_name(name)
    assert scope is not None
    assert (scope.tier, scope.paid) == (tier, True)


def test_a_scope_of_unknown_plan_is_not_called_paid(hubspot: Provider) -> None:
    scope = hubspot.scope_by_name("crm.objects.products.read")
    assert scope is not None
    assert (scope.tier, scope.paid) == ("", False)


def test_an_unknown_scope_is_none(hubspot: Provider) -> None:
    assert hubspot.scope_by_name("crm.objects.unicorns.read") is None


def test_webhooks_prefer_the_third_signature_and_refuse_old_ones(hubspot: Provider) -> None:
    assert hubspot.webhooks is not None
    first = hubspot.webhooks.signatures[0]
    assert (first.scheme, first.header) == ("hubspot_v3", "X-HubSpot-Signature-v3")
    assert first.tolerance_seconds == 300
    assert hubspot.webhooks.account_path == "portalId"
