"""The export and import commands, with a key file."""

from __future__ import annotations

import base64
import json
import secrets
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command

from accounts.models import Customer, Partner
from integrations.models import Connection, Integration


class Mover:
    """One folder with a key and bundles in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = folder / "key"
        self.key.write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
        self.err = ""

    def path(self, name: str) -> Path:
        return self.folder / name

    def export(self, *arguments: str, name: str = "bundle") -> dict[str, Any]:
        output = [] if "--take-back" in arguments else ["--output", str(self.path(name))]
        return self._call("export_connections", *output, *arguments)

    def restore(self, *arguments: str, name: str = "bundle") -> dict[str, Any]:
        """The report; also that of a run which ends with exit code 1."""
        return self._call("import_connections", str(self.path(name)), "--format", "bundle", *arguments)

    def _call(self, command: str, *arguments: str) -> dict[str, Any]:
        out, err = StringIO(), StringIO()
        try:
            call_command(command, *arguments, "--key-file", str(self.key), "--json", stdout=out, stderr=err)
        except CommandError:
            if not out.getvalue():
                raise
        self.err = err.getvalue()
        return dict(json.loads(out.getvalue()))


def forget_everything() -> None:
    """As on an installation that has never heard of any of it."""
    Connection.objects.all().delete()
    Customer.objects.all().delete()
    Integration.objects.all().delete()
    Partner.objects.all().delete()


def make_unreadable(lost: Connection, other: Connection) -> None:
    """Give one row the sealed token of another, which does not open there."""
    assert other.access_token is not None
    Connection.objects.filter(pk=lost.pk).update(access_token=other.access_token.bind(lost.pk))
