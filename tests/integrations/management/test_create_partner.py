"""`manage.py create_partner`."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import credentials
from accounts.models import AuditEntry, Credential, Partner
from accounts.models.partner import DEFAULT_PERMISSIONS
from tests import factories


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("create_partner", *arguments, stdout=out)
    return out.getvalue()


def test_the_printed_secrets_open_the_api(db: Any) -> None:
    factories.integration()
    answers = json.loads(
        run("--name", "Acme", "--return-origin", "https://a.example", "--integration", "hbdev", "--json")
    )
    credential = credentials.by_bearer(answers["apiKey"], now=timezone.now())
    assert credential is not None
    assert credential == credentials.by_client_secret(
        answers["clientId"], answers["clientSecret"], now=timezone.now()
    )
    assert credential.permissions == list(DEFAULT_PERMISSIONS)
    assert credential.partner.allowed_return_origins == ["https://a.example"]
    assert [grant.integration.slug for grant in credential.integration_grants.all()] == ["hbdev"]
    kept = str(list(AuditEntry.objects.values()))
    assert answers["apiKey"] not in kept
    assert answers["clientSecret"] not in kept


def test_the_secrets_are_printed_in_lines_for_people(db: Any) -> None:
    lines = dict(line.split() for line in run("--name", "Acme", "--permission", "proxy").splitlines())
    assert set(lines) == {"partner", "clientId", "clientSecret", "apiKey"}
    assert Credential.objects.get().permissions == ["proxy"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--return-origin", "https://a.example/path"], "--return-origin"),
        (
            ["--integration", "nonesuch"],
            "--integration nonesuch: there is no such integration. There are: none.",
        ),
        (["--permission", "everything"], "--permission"),
        ([], "--name"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_made(db: Any, arguments: list[str], named: str) -> None:
    name = ["--name", "Acme"] if arguments else ["--name", ""]
    with pytest.raises(CommandError, match=named):
        run(*name, *arguments)
    assert not Partner.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_partner_that_exists_is_not_made_again(db: Any) -> None:
    factories.partner("Acme")
    with pytest.raises(CommandError, match="--name"):
        run("--name", "Acme")
    assert not Credential.objects.exists()
