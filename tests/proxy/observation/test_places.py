"""Hosts and paths as spans tell them: what an API's pages say, and nothing that a customer's name may be."""

from __future__ import annotations

import re

import pytest

from integrations import catalogue
from proxy.observation.places import HIDDEN, MAX_SEGMENTS, host_template, path_template

#: the 2 of `/2/users/me`, the - or ~ that means the caller, and @me
_MAY_BE_ANYTHING = re.compile(r"[0-9]+|[-~@].*").fullmatch


@pytest.mark.parametrize(
    ("provider_id", "path", "template"),
    [
        ("hubspot", "/crm/v3/objects/contacts", "/crm/v3/objects/contacts"),
        ("hubspot", "/crm/v3/objects/contacts/12345", "/crm/v3/objects/contacts/{}"),
        ("hubspot", "/crm/objects/2026-03/companies/batch/read", "/crm/objects/2026-03/companies/batch/read"),
        ("salesforce", "/services/data/v59.0/query", "/services/data/v59.0/query"),
        ("salesforce", "/services/data/v59.0/sobjects/Account", "/services/data/v59.0/sobjects/Account"),
        ("microsoft", "/v1.0/me/mailFolders/inbox/messages", "/v1.0/me/mailFolders/inbox/messages"),
        ("microsoft", "/v1.0/$metadata", "/v1.0/$metadata"),
        ("slack", "/api/chat.postMessage", "/api/chat.postMessage"),
        ("stripe", "/v1/payment_intents/pi_3Nx", "/v1/payment_intents/{}"),
        ("shopify", "/admin/api/2026-10/products.json", "/admin/api/2026-10/products.json"),
        ("github", "/repos/octocat/hello/issues/5", "/repos/{}/{}/issues/{}"),
        ("", "/users/ann%40example.com/messages", "/users/{}/messages"),
        ("", "/users/ann@example.com", "/users/{}"),
        ("", "/users/Jane-Doe", "/users/{}"),
        ("", "/users/smith", "/users/{}"),
        ("", "/users/userSmith", "/users/{}"),
        ("", "/customers/mueller.json", "/customers/{}"),
        ("", "/bot123456:AAF-secret/sendMessage", "/{}/sendMessage"),
        ("", "/services/T0001/B0001/XXXXXXXXXXXXXXXXXXXXXXXX", "/services/{}/{}/{}"),
        ("", "/a/QWxhZGRpbjpvcGVuIHNlc2FtZQQWxhZGRpbjpvcGVu", "/{}/{}"),
        ("", "/objects/6f1c1a52-8f0e-4a9e-9f3c-2d7e8a4f1b22", "/objects/{}"),
        ("", "/n/%E2%82%AC", "/{}/{}"),
        ("", "/users/", "/users/"),
        ("", "/", "/"),
        ("", "", ""),
        ("no-such-provider", "/users/smith", "/users/{}"),
    ],
)
def test_of_a_path_only_the_words_of_apis_are_told(provider_id: str, path: str, template: str) -> None:
    assert path_template(path, provider_id) == template


@pytest.mark.parametrize("provider", catalogue.all_providers(), ids=lambda provider: provider.id)
def test_the_words_of_a_providers_own_scopes_and_addresses_are_no_secret(
    provider: catalogue.Provider,
) -> None:
    """A provider that joins the catalogue brings its words with it; a bare number or mark may be anything."""
    for probe in provider.identity:
        path = "/" + probe.url.partition("://")[2].partition("/")[2].partition("?")[0]
        if "{" not in path:
            words = [HIDDEN if _MAY_BE_ANYTHING(segment) else segment for segment in path.split("/")]
            assert path_template(path, provider.id).split("/") == words, path


def test_a_long_path_has_an_end() -> None:
    assert path_template("/contacts" * MAX_SEGMENTS) == "/contacts" * MAX_SEGMENTS
    assert path_template("/contacts" * 7_000) == "/contacts" * MAX_SEGMENTS + "/{}"
    assert path_template("/" + "a" * 60_000) == "/{}"


@pytest.mark.parametrize(
    ("provider_id", "host", "template"),
    [
        ("hubspot", "api.hubapi.com", "api.hubapi.com"),
        ("hubspot", "api.hsforms.com", "api.hsforms.com"),
        ("shopify", "acme.myshopify.com", "{shop}.myshopify.com"),
        ("servicenow", "acme.service-now.com", "{instance}.service-now.com"),
        ("salesforce", "acme--uat.sandbox.my.salesforce.com", "{instance_host}.salesforce.com"),
        ("pipedrive", "acme.pipedrive.com", "{api_domain_host}.pipedrive.com"),
        ("hubspot", "acme.example", "{}"),
        ("shopify", "a.b.myshopify.com", "{}"),
        ("no-such-provider", "api.hubapi.com", "{}"),
    ],
)
def test_a_host_is_told_as_the_catalogue_writes_it(provider_id: str, host: str, template: str) -> None:
    assert host_template(host, provider_id) == template
