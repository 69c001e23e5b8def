"""`manage.py catalogue list|validate|diff|scaffold`."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from integrations import catalogue
from tests.provider_server import Answer, ProviderServer


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("catalogue", *arguments, stdout=out)
    return out.getvalue()


def test_the_list_names_every_provider() -> None:
    text = run("list")
    rows = {row["id"]: row for row in json.loads(run("list", "--json"))}
    assert {"hubspot", "pipedrive", "xero", "shopify", "servicenow"} <= set(rows)
    assert all(identifier in text for identifier in rows)
    assert rows["hubspot"]["isSupported"]
    assert rows["hubspot"]["scopes"] == 301


def test_our_own_files_are_valid() -> None:
    assert "all well" in run("validate")


def test_a_wrong_file_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text("id: acme\n")
    with pytest.raises(CommandError, match=r"acme\.yaml: \$") as caught:
        run("validate", "--folder", str(tmp_path))
    assert caught.value.returncode == 1


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        run("nonsense")


def test_a_draft_is_printed_and_is_not_served_before_it_is_finished(tmp_path: Path) -> None:
    text = run("scaffold", "acme", "--name", "Acme", "--api-url", "https://api.acme.example/v1")
    document = yaml.safe_load(text)
    assert (document["id"], document["display_name"]) == ("acme", "Acme")
    assert document["api"] == {"base_url": "https://api.acme.example/v1", "hosts": ["api.acme.example"]}
    assert "TODO" in text

    run("scaffold", "acme", "--folder", str(tmp_path))
    with pytest.raises(CommandError, match=r"setup_steps\[0\]: is a draft"):
        run("validate", "--folder", str(tmp_path))


def test_a_draft_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text("mine")
    with pytest.raises(CommandError, match="is there already"):
        run("scaffold", "acme", "--folder", str(tmp_path))
    assert (tmp_path / "acme.yaml").read_text() == "mine"


@pytest.mark.parametrize("wrong", ["Acme", "../acme", "a" * 64, "acme.yaml"])
def test_a_wrong_id_is_refused(wrong: str) -> None:
    with pytest.raises(CommandError, match="is no id"):
        run("scaffold", wrong)


ISSUER = "https://login.acme.example/tenant"
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://login.acme.example/tenant/authorize",
    "token_endpoint": "https://login.acme.example/tenant/token",
    "pushed_authorization_request_endpoint": "https://login.acme.example/tenant/par",
    "revocation_endpoint": "https://login.acme.example/tenant/revoke",
    "scopes_supported": ["offline_access", "contacts.read"],
    "code_challenge_methods_supported": ["S256"],
    "grant_types_supported": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"],
    "authorization_response_iss_parameter_supported": True,
}
HOST = "https://login.acme.example"
WELL_KNOWN = f"{HOST}/.well-known/oauth-authorization-server/tenant"
OPENID = f"{HOST}/tenant/.well-known/openid-configuration"


def test_an_issuer_s_metadata_fill_the_draft(provider_server: ProviderServer) -> None:
    provider_server.on("GET", WELL_KNOWN, METADATA)

    document = yaml.safe_load(run("scaffold", "acme", "--issuer", ISSUER))

    assert document["oauth"] == {
        "issuer": ISSUER,
        "authorization_endpoint": "https://login.acme.example/tenant/authorize",
        "token_endpoint": "https://login.acme.example/tenant/token",
        "pushed_authorization_request_endpoint": "https://login.acme.example/tenant/par",
        "token_endpoint_auth_method": "client_secret_post",
        "pkce": "required",
        "authorization_response_iss_parameter_supported": True,
        "expects_refresh_token": True,
        "scope": {"mandatory": ["offline_access"]},
    }
    assert document["revocation"]["url"] == "https://login.acme.example/tenant/revoke"
    assert [scope["name"] for scope in document["scopes"]] == ["offline_access", "contacts.read"]


def test_an_openid_configuration_serves_where_there_is_nothing_else(provider_server: ProviderServer) -> None:
    provider_server.on("GET", WELL_KNOWN, Answer({}, status=404))
    provider_server.on("GET", OPENID, METADATA)
    assert yaml.safe_load(run("scaffold", "acme", "--issuer", ISSUER))["oauth"]["issuer"] == ISSUER


def test_a_server_where_clients_sign_is_told_of_a_revocation_in_the_same_way(
    provider_server: ProviderServer,
) -> None:
    signing = {**METADATA, "token_endpoint_auth_methods_supported": ["private_key_jwt"]}
    provider_server.on("GET", WELL_KNOWN, signing)
    document = yaml.safe_load(run("scaffold", "acme", "--issuer", ISSUER))
    assert (
        document["revocation"]["auth"] == document["oauth"]["token_endpoint_auth_method"] == "private_key_jwt"
    )


def test_metadata_of_another_issuer_are_not_believed(provider_server: ProviderServer) -> None:
    """RFC 8414 section 3.3: what one tenant publishes must not decide where another's secret goes."""
    for path in (WELL_KNOWN, OPENID, f"{HOST}/.well-known/openid-configuration/tenant"):
        provider_server.on("GET", path, METADATA | {"issuer": "https://evil.example"})
    with pytest.raises(CommandError, match=r"is of the issuer 'https://evil\.example'"):
        run("scaffold", "acme", "--issuer", ISSUER)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token_endpoint": None}, "token_endpoint: is missing"),
        ({"token_endpoint": "http://login.acme.example/token"}, "token_endpoint: is not an https address"),
        ({"token_endpoint_auth_methods_supported": ["tls_client_auth"]}, "none of tls_client_auth"),
    ],
    ids=["no token endpoint", "plain http", "no method in common"],
)
def test_metadata_that_cannot_be_an_entry_are_told(
    provider_server: ProviderServer, change: dict[str, Any], message: str
) -> None:
    provider_server.on("GET", WELL_KNOWN, METADATA | change)
    with pytest.raises(CommandError, match=message):
        run("scaffold", "acme", "--issuer", ISSUER)


@pytest.mark.parametrize(
    "issuer", ["http://acme.example", "https://a@acme.example", "https://acme.example?x=1", "acme.example"]
)
def test_what_is_no_issuer_is_refused_before_anything_is_sent(issuer: str) -> None:
    with pytest.raises(CommandError, match="--issuer"):
        run("scaffold", "acme", "--issuer", issuer)


def test_an_operator_s_folder_is_compared_with_ours(tmp_path: Path) -> None:
    ours = catalogue.PROVIDERS_FOLDER / "xero.yaml"
    changed = ours.read_text().replace("access_token_seconds: 1800", "access_token_seconds: 900")
    (tmp_path / "xero.yaml").write_text(changed)
    shutil.copy(catalogue.PROVIDERS_FOLDER / "github.yaml", tmp_path)
    (tmp_path / "gitlab-own.yaml").write_text(ours.read_text().replace("id: xero", "id: gitlab-own"))

    assert run("diff", "--folder", str(tmp_path)).splitlines() == [
        "github: the same as ours",
        "gitlab-own: new",
        "xero: replaces ours",
        "  $.oauth.lifetimes.access_token_seconds: 1800 -> 900",
    ]


def test_without_a_folder_there_is_nothing_to_compare() -> None:
    with pytest.raises(CommandError, match="CATALOGUE_FOLDER"):
        run("diff")


def test_an_entry_is_compared_with_what_its_issuer_publishes(provider_server: ProviderServer) -> None:
    published = {
        "issuer": "https://identity.xero.com",
        "authorization_endpoint": "https://login.xero.com/identity/connect/authorize",
        "token_endpoint": "https://identity.xero.com/connect/token",
    }
    place = "https://identity.xero.com/.well-known/openid-configuration"
    first = "https://identity.xero.com/.well-known/oauth-authorization-server"
    provider_server.on("GET", first, Answer({}, status=404))
    provider_server.on("GET", place, published)
    assert "as https://identity.xero.com publishes it" in run("diff", "--published", "xero")

    moved = published | {"token_endpoint": "https://identity.xero.com/v2/token"}
    provider_server.on("GET", place, moved)
    out = StringIO()
    with pytest.raises(CommandError, match="differs from what"):
        call_command("catalogue", "diff", "--published", "xero", stdout=out)
    assert "$.token_endpoint" in out.getvalue() and "/v2/token" in out.getvalue()


def test_an_entry_without_an_issuer_cannot_be_compared() -> None:
    with pytest.raises(CommandError, match="names no issuer"):
        run("diff", "--published", "github")
    with pytest.raises(CommandError, match="no provider 'nobody'"):
        run("diff", "--published", "nobody")
