"""Lines as other systems write them, and the command run on them."""

from __future__ import annotations

import io
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations import tokens
from integrations.models import Connection

CANARY = "CNR7canary"
LINE = {
    "userForeignIdentifier": "tenant-42",
    "accessToken": f"{CANARY}access",
    "refreshToken": f"{CANARY}refresh",
    "expiresIn": 1_800,
}
NANGO = {
    "id": 18393,
    "created_at": "2025-03-08T09:43:03.725Z",
    "connection_id": "3f8e1c1e-5d0b-4c5a-9c3e-0c1d4b9d1a11",
    "provider": "hubspot",
    "provider_config_key": "hubspot-prod",
    "connection_config": {},
    "metadata": {"plan": "gold"},
    "tags": {"end_user_id": "tenant-42", "end_user_email": "ada@example.com"},
    "credentials": {
        "type": "OAUTH2",
        "access_token": f"{CANARY}access",
        "refresh_token": f"{CANARY}refresh",
        "expires_at": "2099-01-01T00:00:00.000Z",
        "raw": {"scope": "oauth crm.objects.contacts.read", "hub_id": 62515, "expires_in": 1800},
    },
}
STACKGO = {
    "id": 4711,
    "status": "ACTIVE",
    "createdAt": "2024-06-01T08:00:00.000Z",
    "updatedAt": "2026-11-25T07:00:00.000Z",
    "userForeignIdentifier": "tenant-42",
    "UUID": "8b7f0d8e-2b73-4f0c-a2c3-4f1f1d7f2c01",
    "token": {
        "access_token": f"{CANARY}access",
        "refresh_token": f"{CANARY}refresh",
        "expires_in": 1800,
        "scope": "oauth",
    },
}


class Result:
    def __init__(self, out: str, err: str, *, is_well: bool) -> None:
        self.report, self.err, self.is_well = json.loads(out), err, is_well

    def counts(self, *names: str) -> tuple[int, ...]:
        return tuple(self.report[name] for name in names)


def run(lines: list[Any] | bytes, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """The command on lines from standard input."""
    content = (
        lines
        if isinstance(lines, bytes)
        else b"".join(
            (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
        )
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    out, err = StringIO(), StringIO()
    given = ["-", "--partner", "Acme", "--json", *arguments]
    try:
        call_command("import_connections", *given, stdout=out, stderr=err)
        is_well = True
    except CommandError:
        is_well = False
    assert CANARY not in out.getvalue() + err.getvalue()
    return Result(out.getvalue(), err.getvalue(), is_well=is_well)


def opened() -> dict[str, str]:
    return tokens.open_tokens(Connection.objects.get())
