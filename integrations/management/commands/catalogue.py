"""`manage.py catalogue list|validate`: the providers there are, and whether their files can be served."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations import catalogue
from integrations.catalogue import CatalogueError, Provider


class Command(BaseCommand):
    help = "The provider catalogue: list its entries, or validate a folder of them. (diff and scaffold come later.)"
    requires_system_checks: Any = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True, metavar="list|validate")
        listing = parts.add_parser("list", help="the entries, and what is lacking to connect them")
        listing.add_argument("--json", action="store_true", help="print a JSON array")
        validating = parts.add_parser(
            "validate", help="exit 0 when all files can be served, else 1 with the findings"
        )
        validating.add_argument(
            "--folder", type=Path, default=catalogue.PROVIDERS_FOLDER, help="default: our own"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["part"] == "list":
            self._list(as_json=options["json"])
        else:
            self._validate(options["folder"])

    def _list(self, *, as_json: bool) -> None:
        try:
            providers = catalogue.all_providers()
        except CatalogueError as error:
            raise CommandError(f"The catalogue cannot be served:\n{error}") from error
        if as_json:
            self.stdout.write(json.dumps([_summary(provider) for provider in providers], ensure_ascii=False))
            return
        width = max((len(provider.id) for provider in providers), default=0)
        for provider in providers:
            lacking = ", ".join(provider.unsupported_features)
            state = f"cannot be connected yet: {lacking}" if lacking else f"{len(provider.scopes)} scopes"
            self.stdout.write(f"{provider.id:<{width}}  {provider.display_name} ({state})")

    def _validate(self, folder: Path) -> None:
        findings = catalogue.validate(folder)
        if findings:
            lines = "\n".join(str(finding) for finding in findings)
            raise CommandError(f"{len(findings)} finding{'s' if len(findings) != 1 else ''}:\n{lines}")
        count = sum(path.suffix == ".yaml" for path in folder.iterdir())
        self.stdout.write(f"{count} entries, all well.")


def _summary(provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "displayName": provider.display_name,
        "category": provider.category,
        "isSupported": provider.is_supported,
        "unsupportedFeatures": list(provider.unsupported_features),
        "scopes": len(provider.scopes),
        "lastChecked": provider.last_checked.isoformat() if provider.last_checked else None,
    }
