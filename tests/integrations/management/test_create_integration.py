"""`manage.py create_integration`: the secret comes from a file, the environment or standard input."""

from __future__ import annotations

import io
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from integrations import tokens
from integrations.models import Integration
from tests.factories import CLIENT_ID, CLIENT_SECRET


def run(*arguments: str, provider: str = "hubspot", client_id: str = CLIENT_ID) -> str:
    out = StringIO()
    given = ("--provider", provider, "--slug", "acme-dev", "--client-id", client_id, *arguments)
    call_command("create_integration", *given, stdout=out)
    return out.getvalue()


def stored_secret() -> str:
    secret = tokens.client_secret(Integration.objects.get().current_client())
    assert secret is not None
    return secret.reveal()


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text(f"{CLIENT_SECRET}\n")
    return str(path)


def test_an_integration_is_made_with_scopes_and_the_redirect_url_is_printed(
    db: Any, secret_file: str
) -> None:
    arguments = [
        "--client-secret-file",
        secret_file,
        "--app-id",
        "1160452",
        "--scope",
        "crm.lists.read crm.import",
    ]
    answers = json.loads(run(*arguments, "--optional-scope", "automation", "--json"))
    integration = Integration.objects.get()
    assert answers == {"slug": "acme-dev", "provider": "hubspot", "redirectUrl": integration.redirect_uri}
    assert integration.required_scopes() == ["crm.lists.read", "crm.import", "oauth"]
    assert integration.optional_scopes() == ["automation"]
    assert stored_secret() == CLIENT_SECRET
    assert AuditEntry.objects.get().actor_label == "create_integration"


def test_the_secret_may_come_from_the_environment(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHBAY_CLIENT_SECRET", CLIENT_SECRET)
    assert "Register this redirect URL at HubSpot:" in run()
    assert stored_secret() == CLIENT_SECRET


@pytest.mark.parametrize("arguments", [[], ["--client-secret-file", "-"]])
def test_the_secret_may_come_from_standard_input(
    db: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{CLIENT_SECRET}\n"))
    run(*arguments)
    assert stored_secret() == CLIENT_SECRET


def test_there_is_no_option_that_takes_the_secret_itself(db: Any) -> None:
    with pytest.raises(CommandError, match="unrecognized arguments"):
        run("--client-secret", CLIENT_SECRET)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--app-id", CLIENT_ID[::-1]], "--app-id"),
        (["--scope", "\x7f"], "--scope"),
        (["--config", "instance=dev1"], "--config instance"),
        (["--config", "instance"], "write it as NAME=VALUE"),
        (["--slug", "admin"], "--slug"),
        (["--provider", "nonesuch"], "--provider"),
        (["--client-id", "1160452"], "looks like the App ID"),
        (["--client-id", CLIENT_SECRET], "pasted twice"),
        (["--client-secret-file", "/nonexistent/secret"], "cannot be read"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_made(
    db: Any, secret_file: str, arguments: list[str], named: str
) -> None:
    with pytest.raises(CommandError, match=named) as caught:
        run("--client-secret-file", secret_file, *arguments)
    assert CLIENT_SECRET not in str(caught.value)
    assert not Integration.objects.exists()


def test_a_missing_secret_is_named(db: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(CommandError, match="the client secret"):
        run("--client-secret-file", str(tmp_path / "empty"))


def test_an_odd_shape_is_taken_when_it_is_insisted_on(db: Any, secret_file: str) -> None:
    odd = "7933b042-0952-4e7d-a327dab-3dc"
    with pytest.raises(CommandError, match="--use-anyway"):
        run("--client-secret-file", secret_file, client_id=odd)
    run("--client-secret-file", secret_file, "--use-anyway", client_id=odd)
    assert Integration.objects.get().current_client().client_id == odd


def test_a_provider_that_asks_staff_gets_its_value(db: Any, secret_file: str) -> None:
    arguments = ["--client-secret-file", secret_file, "--config", "instance=dev12345"]
    run(*arguments, provider="servicenow", client_id="0" * 32)
    assert Integration.objects.get().connection_config == {"instance": "dev12345"}


def test_a_provider_without_an_app_needs_no_client_id_and_has_no_redirect_url(db: Any) -> None:
    out = StringIO()
    call_command("create_integration", "--provider", "sendgrid", "--slug", "mail", stdout=out)
    assert out.getvalue() == "Made mail. There is nothing to register at SendGrid.\n"
    client = Integration.objects.get().current_client()
    assert (client.client_id, client.client_secret) == ("", None)


def test_a_client_id_is_asked_for_where_there_is_one_and_refused_where_there_is_none(
    db: Any, secret_file: str
) -> None:
    with pytest.raises(CommandError, match="--client-id: The Client ID is missing"):
        run("--client-secret-file", secret_file, client_id="")
    with pytest.raises(CommandError, match="--client-id: SendGrid has no such value"):
        run(provider="sendgrid")
