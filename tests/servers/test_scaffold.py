"""`manage.py catalogue scaffold --issuer` against what each server really publishes of itself."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.servers import entries
from tests.servers.conftest import Start

pytestmark = [pytest.mark.served, pytest.mark.slow]

PUBLISHED: dict[str, dict[str, Any]] = {
    "oidc-provider": {
        "issuer": "https://oidc-provider.example",
        "authorization_endpoint": "https://oidc-provider.example/auth",
        "token_endpoint": "https://oidc-provider.example/token",
        "token_endpoint_auth_method": "client_secret_basic",
        "pkce": "required",
        "authorization_response_iss_parameter_supported": True,
        "expects_refresh_token": True,
        "scope": {"mandatory": ["offline_access"]},
    },
    "pushing": {
        "issuer": "https://pushing.example",
        "authorization_endpoint": "https://pushing.example/auth",
        "token_endpoint": "https://pushing.example/token",
        "pushed_authorization_request_endpoint": "https://pushing.example/request",
        "token_endpoint_auth_method": "client_secret_basic",
        "pkce": "required",
        "authorization_response_iss_parameter_supported": True,
        "expects_refresh_token": True,
        "scope": {"mandatory": ["offline_access"]},
    },
    "toolkit": {
        "issuer": "https://toolkit.example",
        "authorization_endpoint": "https://toolkit.example/authorize/",
        "token_endpoint": "https://toolkit.example/token/",
        "token_endpoint_auth_method": "client_secret_basic",
        "pkce": "required",
        "authorization_response_iss_parameter_supported": True,
        "expects_refresh_token": True,
        "scope": {},
    },
    # It forgets to tell of refresh tokens and of `iss`, both of which it sends.
    "glewlwyd": {
        "issuer": "https://glewlwyd.example/api/oidc",
        "authorization_endpoint": "https://glewlwyd.example/api/oidc/auth",
        "token_endpoint": "https://glewlwyd.example/api/oidc/token",
        "pushed_authorization_request_endpoint": "https://glewlwyd.example/api/oidc/par",
        "token_endpoint_auth_method": "client_secret_basic",
        "pkce": "required",
        "expects_refresh_token": False,
        "scope": {},
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_draft_holds_what_the_server_publishes(
    start: Start, folder: Path, settings: Any, name: str
) -> None:
    server = start(name)
    settings.UPSTREAM_MAP = {server.origin: server.url}
    document = entries.scaffolded(server, folder)
    assert document["oauth"] == PUBLISHED[name]
    assert document["revocation"]["url"].startswith(f"{server.origin}/")
    assert document["revocation"]["auth"] == "client_secret_basic"
    assert {scope["name"] for scope in document["scopes"]} >= set(server.scopes)


@pytest.mark.parametrize("name", ["oidc-provider", "toolkit"])
def test_a_finished_entry_is_what_its_issuer_publishes(
    start: Start, folder: Path, settings: Any, name: str
) -> None:
    server = start(name)
    settings.UPSTREAM_MAP = {server.origin: server.url}
    entries.finished(server, folder)
    entries.serve(folder)
    told = StringIO()
    call_command("catalogue", "diff", "--published", name, stdout=told)
    assert f"as {server.issuer} publishes it" in told.getvalue()


def test_a_server_at_another_address_is_not_believed_to_be_that_issuer(
    start: Start, folder: Path, settings: Any
) -> None:
    """RFC 8414 section 3.3: the toolkit answers for a name that is not its own."""
    settings.UPSTREAM_MAP = {"https://elsewhere.example": start("toolkit").url}
    with pytest.raises(CommandError, match=r"is of the issuer 'https://toolkit\.example'"):
        call_command("catalogue", "scaffold", "elsewhere", "--issuer", "https://elsewhere.example")
