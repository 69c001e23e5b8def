"""What holds for every entry; a new file is tested by being there.

The tables are exact for the entries of FIRST. What is exact of the others stands in their own files of replies.
"""

from __future__ import annotations

import re

import pytest

from integrations.catalogue import PROVIDERS_FOLDER, Provider, all_providers, get, load, validate
from tests.integrations.contract_set import replies

PROVIDERS = [pytest.param(provider, id=provider.id) for provider in load(PROVIDERS_FOLDER).values()]
each_provider = pytest.mark.parametrize("provider", PROVIDERS)
FIRST = [
    get(provider_id)
    for provider_id in (
        "hubspot", "pipedrive", "xero", "shopify", "atlassian", "quickbooks", "procore", "servicenow",
        "github", "google", "microsoft", "salesforce", "slack", "stripe",
    )
]  # fmt: skip


def test_every_file_of_the_folder_is_right() -> None:
    assert validate(PROVIDERS_FOLDER) == []


def test_stackgo_s_eight_connectors_are_there_under_its_words() -> None:
    assert {p.id: p.stackgo_name for p in all_providers() if p.stackgo_name} == {
        "hubspot": "hubspot",
        "pipedrive": "pipedrive",
        "xero": "xero",
        "shopify": "shopify",
        "atlassian": "atlassian",
        "quickbooks": "quick-books",
        "procore": "procore",
        "servicenow": "servicenow",
    }


@each_provider
def test_every_entry_can_be_connected(provider: Provider) -> None:
    assert provider.is_supported


@each_provider
def test_every_entry_says_where_its_facts_come_from(provider: Provider) -> None:
    head = (PROVIDERS_FOLDER / f"{provider.id}.yaml").read_text(encoding="utf-8").partition("\nid: ")[0]
    assert "ource" in head
    assert re.search(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", head)
    assert provider.last_checked is not None


@each_provider
def test_every_entry_tells_staff_the_redirect_uri_once_if_there_is_one(provider: Provider) -> None:
    assert "".join(provider.setup_steps).count("{redirect_uri}") == int(provider.has_consent)


@each_provider
def test_every_meaning_is_words_and_not_the_scope_s_name(provider: Provider) -> None:
    for scope in provider.scopes:
        assert scope.meaning != scope.name
        assert scope.meaning[0].isupper()
        assert scope.meaning[-1] != "."


@each_provider
def test_implied_scopes_are_scopes_of_the_entry(provider: Provider) -> None:
    for scope in provider.scopes:
        assert all(provider.scope_by_name(name) for name in scope.implies)


@each_provider
def test_the_account_s_id_can_be_known_or_the_entry_says_that_it_cannot(provider: Provider) -> None:
    is_known = provider.account_id_template or any(probe.account_id for probe in provider.identity)
    assert bool(is_known) != ("identity" in (*provider.facts_unknown, *provider.facts_absent))


@each_provider
def test_tok_25_a_refresh_token_comes_where_the_entry_says_so(provider: Provider) -> None:
    """And a new one with each refresh where the entry says that it rotates."""
    calls = replies.load(provider.id)
    told = [(calls.call("token") or {}).get("reply"), *(call["reply"] for call in calls.items("chain"))]
    assert provider.oauth.expects_refresh_token == ("REFRESH_TOKEN" in replies.leaves(told))
    refresh = calls.call("refresh")
    if refresh is not None and provider.oauth.rotates_refresh_token is not None:
        rotates = "NEW_REFRESH_TOKEN" in replies.leaves(refresh["reply"])
        assert provider.oauth.rotates_refresh_token == rotates


def test_tok_25_of_the_first_entries_two_have_tokens_without_an_end() -> None:
    without = {provider.id for provider in FIRST if not provider.oauth.expects_refresh_token}
    assert without == {"github", "slack"}  # of both, some apps have


@each_provider
def test_the_sdk_s_own_header_is_read_as_a_caller_s_credential(provider: Provider) -> None:
    placement = provider.api.credential
    names = {caller.name for caller in provider.api.caller_credentials if caller.kind == "header"}
    assert placement.name in names


@each_provider
def test_con_04_scopes_are_told_apart_by_a_comma_or_a_space_that_none_of_them_holds(
    provider: Provider,
) -> None:
    separator = provider.oauth.scope.separator
    assert separator in (",", " ")
    assert not any(separator in scope.name for scope in provider.scopes)


def test_con_04_of_the_first_entries_only_shopify_and_slack_separate_scopes_by_a_comma() -> None:
    assert {p.id for p in FIRST if p.oauth.scope.separator == ","} == {"shopify", "slack"}


def test_con_11_extra_authorize_parameters_stay_with_the_provider_that_declares_them() -> None:
    assert {p.id: dict(p.oauth.authorization_params) for p in FIRST if p.oauth.authorization_params} == {
        "atlassian": {"audience": "api.atlassian.com", "prompt": "consent"},
        "google": {"access_type": "offline", "prompt": "consent"},
        "microsoft": {"response_mode": "query"},
        "salesforce": {"prompt": "consent"},
    }


@each_provider
def test_con_06_a_mandatory_scope_is_a_scope_of_the_entry_and_is_sent(provider: Provider) -> None:
    scopes = provider.oauth.scope
    assert scopes.is_sent or not scopes.mandatory
    assert set(scopes.mandatory) <= {scope.name for scope in provider.scopes}


def test_con_06_entries_bring_no_scopes_beyond_what_the_provider_demands() -> None:
    assert {p.id: p.oauth.scope.mandatory for p in FIRST if p.oauth.scope.mandatory} == {
        "hubspot": ("oauth",),
        "xero": ("offline_access",),
        "atlassian": ("offline_access",),
        "google": ("openid", "https://www.googleapis.com/auth/userinfo.email"),
        "microsoft": ("offline_access", "User.Read"),
        "salesforce": ("api", "openid", "refresh_token"),
    }


@each_provider
def test_scopes_are_sent_where_the_provider_reads_them(provider: Provider) -> None:
    if provider.has_consent and provider.auth_kind == "oauth2_code":
        sent = replies.load(provider.id)["authorize"]["params"]
        assert provider.oauth.scope.is_sent == ("scope" in sent)


def test_of_the_first_entries_two_set_scopes_in_their_console_and_are_sent_none() -> None:
    assert {p.id for p in FIRST if not p.oauth.scope.is_sent} == {"pipedrive", "procore"}


def test_tok_14_client_credentials_travel_as_each_provider_wants_them() -> None:
    assert {p.id: p.oauth.token_endpoint_auth_method for p in FIRST} == {
        "hubspot": "client_secret_post",
        "pipedrive": "client_secret_basic",
        "xero": "client_secret_basic",
        "shopify": "client_secret_post",
        "atlassian": "client_secret_post",
        "quickbooks": "client_secret_basic",
        "procore": "client_secret_post",
        "servicenow": "client_secret_post",
        "github": "client_secret_post",
        "google": "client_secret_post",
        "microsoft": "client_secret_post",
        "salesforce": "client_secret_post",
        "slack": "client_secret_post",
        "stripe": "client_secret_post",
    }
    assert get("atlassian").oauth.token_body_format == "json"


def test_endpoints_and_hosts_are_those_of_the_providers_pages() -> None:
    assert {
        p.id: (p.oauth.authorization_endpoint, p.oauth.token_endpoint, p.api.base_url) for p in FIRST
    } == {
        "hubspot": (
            "https://app.hubspot.com/oauth/authorize",
            "https://api.hubapi.com/oauth/2026-09/token",
            "https://api.hubapi.com",
        ),
        "pipedrive": (
            "https://oauth.pipedrive.com/oauth/authorize",
            "https://oauth.pipedrive.com/oauth/token",
            "https://{api_domain_host}",
        ),
        "xero": (
            "https://login.xero.com/identity/connect/authorize",
            "https://identity.xero.com/connect/token",
            "https://api.xero.com",
        ),
        "shopify": (
            "https://{shop}.myshopify.com/admin/oauth/authorize",
            "https://{shop}.myshopify.com/admin/oauth/access_token",
            "https://{shop}.myshopify.com",
        ),
        "atlassian": (
            "https://auth.atlassian.com/authorize",
            "https://auth.atlassian.com/oauth/token",
            "https://api.atlassian.com",
        ),
        "quickbooks": (
            "https://appcenter.intuit.com/connect/oauth2",
            "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
            "https://quickbooks.api.intuit.com",
        ),
        "procore": (
            "https://login.procore.com/oauth/authorize",
            "https://login.procore.com/oauth/token",
            "https://api.procore.com",
        ),
        "servicenow": (
            "https://{instance}.service-now.com/oauth_auth.do",
            "https://{instance}.service-now.com/oauth_token.do",
            "https://{instance}.service-now.com",
        ),
        "github": (
            "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token",
            "https://api.github.com",
        ),
        "google": (
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            "https://www.googleapis.com",
        ),
        "microsoft": (
            "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
            "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            "https://graph.microsoft.com",
        ),
        "salesforce": (
            "https://login.salesforce.com/services/oauth2/authorize",
            "https://login.salesforce.com/services/oauth2/token",
            "https://{instance_host}",
        ),
        "slack": (
            "https://slack.com/oauth/v2/authorize",
            "https://slack.com/api/oauth.v2.access",
            "https://slack.com/api",
        ),
        "stripe": (
            "https://connect.stripe.com/oauth/authorize",
            "https://connect.stripe.com/oauth/token",
            "https://api.stripe.com",
        ),
    }


def test_grants_are_ended_where_the_provider_offers_it() -> None:
    offered = {p.id: (p.revocation.method, p.revocation.url) for p in FIRST if p.revocation}
    assert offered == {
        "hubspot": ("POST", "https://api.hubapi.com/oauth/2026-09/token/revoke"),
        "pipedrive": ("POST", "https://oauth.pipedrive.com/oauth/revoke"),
        "xero": ("DELETE", "https://api.xero.com/connections/{tenant_connection_id}"),
        "shopify": ("DELETE", "https://{shop}.myshopify.com/admin/api_permissions/current.json"),
        "quickbooks": ("POST", "https://developer.api.intuit.com/v2/oauth2/tokens/revoke"),
        "procore": ("POST", "https://login.procore.com/oauth/revoke"),
        "servicenow": ("GET", "https://{instance}.service-now.com/oauth_revoke_token.do"),
        "github": ("DELETE", "https://api.github.com/applications/{client_id}/token"),
        "google": ("POST", "https://oauth2.googleapis.com/revoke"),
        "salesforce": ("POST", "https://login.salesforce.com/services/oauth2/revoke"),
        "slack": ("POST", "https://slack.com/api/auth.revoke"),
        "stripe": ("POST", "https://connect.stripe.com/oauth/deauthorize"),
    }


def test_rotation_and_lifetimes_are_those_of_the_fact_table() -> None:
    def facts(provider: Provider) -> tuple[int | None, int | None, int | None, bool | None]:
        lives = provider.oauth.lifetimes
        return (
            lives.access_token_seconds,
            lives.refresh_token_idle_seconds,
            lives.refresh_token_absolute_seconds,
            provider.oauth.rotates_refresh_token,
        )

    day = 86400
    assert {provider.id: facts(provider) for provider in FIRST} == {
        "hubspot": (1800, None, None, False),
        "pipedrive": (3599, 60 * day, None, False),
        "xero": (1800, 60 * day, None, True),
        "shopify": (3600, 90 * day, None, True),
        "atlassian": (3600, 90 * day, 365 * day, True),
        "quickbooks": (3600, 100 * day, 5 * 365 * day, None),
        "procore": (5400, None, None, True),
        "servicenow": (1800, None, 100 * day, True),
        "github": (None, None, None, None),
        "google": (3599, 180 * day, None, False),
        "microsoft": (3600, 90 * day, None, True),
        "salesforce": (None, None, None, None),
        "slack": (None, None, None, None),
        "stripe": (None, None, None, False),
    }


def test_ref_16_answers_with_another_meaning_count_only_for_stale_tokens() -> None:
    signals = {(signal.status, signal.only_when_stale) for signal in get("atlassian").api.expired_signals}
    assert signals == {(401, False), (403, True), (404, True)}


def test_ref_33_atlassian_s_403_for_a_refresh_token_ends_the_grant() -> None:
    rules = get("atlassian").oauth.verdicts
    assert [(rule.verdict, rule.errors) for rule in rules if 403 in rule.statuses] == [
        ("grant_gone", ("invalid_grant",)),
        ("grant_gone", ("unauthorized_client",)),
    ]


def test_ref_10_no_rule_calls_a_grant_gone_on_a_server_error() -> None:
    for provider in all_providers():
        for rule in provider.oauth.verdicts:
            # 200: Slack and GitHub tell their errors there.
            assert rule.verdict == "temporary" or all(
                status == 200 or 400 <= status < 500 for status in rule.statuses
            )
            assert rule.verdict == "temporary" or rule.statuses
