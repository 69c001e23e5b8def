"""`manage.py catalogue list|validate|diff|scaffold`: the providers there are, and the making of new ones."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations import catalogue, provider_calls
from integrations.catalogue import CatalogueError, Provider, documents, scaffolding
from integrations.catalogue.differences import differences
from integrations.errors import InvalidInput, ProviderError

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
#: members of `oauth` that an authorization server publishes of itself, and that can thus be compared
_PUBLISHED = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "pushed_authorization_request_endpoint",
    "authorization_response_iss_parameter_supported",
)


class Command(BaseCommand):
    help = "The provider catalogue: list its entries, validate files, compare them, and begin a new one."
    requires_system_checks: Any = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True, metavar="list|validate|diff|scaffold")
        listing = parts.add_parser("list", help="the entries, and what is lacking to connect them")
        listing.add_argument("--json", action="store_true", help="print a JSON array")
        validating = parts.add_parser(
            "validate", help="exit 0 when all files can be served, else 1 with the findings"
        )
        validating.add_argument("--folder", type=Path, help="default: ours, and CATALOGUE_FOLDER")
        comparing = parts.add_parser(
            "diff", help="what an operator's files change, or what a server publishes differently"
        )
        comparing.add_argument("--folder", type=Path, help="default: CATALOGUE_FOLDER")
        comparing.add_argument(
            "--published",
            metavar="ID",
            help="compare this entry with the metadata of its issuer (RFC 8414), over the network",
        )
        beginning = parts.add_parser("scaffold", help="print the draft of a new entry")
        beginning.add_argument("id", help="small letters, digits and hyphens; the file's name")
        beginning.add_argument("--name", help="the name that people see; default: the id")
        beginning.add_argument(
            "--issuer", metavar="URL", help="fill it from the metadata that this issuer publishes"
        )
        beginning.add_argument("--api-url", metavar="URL", help="where the API's paths begin")
        beginning.add_argument("--folder", type=Path, help="write <id>.yaml there instead of printing it")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["part"] == "list":
            self._list(as_json=options["json"])
        elif options["part"] == "validate":
            self._validate(options["folder"])
        elif options["part"] == "diff" and options["published"]:
            self._compare_with_published(options["published"])
        elif options["part"] == "diff":
            self._compare(options["folder"] or catalogue.operators_folder())
        else:
            self._scaffold(options)

    def _list(self, *, as_json: bool) -> None:
        providers = _served()
        if as_json:
            self.stdout.write(json.dumps([_summary(provider) for provider in providers], ensure_ascii=False))
            return
        width = max((len(provider.id) for provider in providers), default=0)
        for provider in providers:
            lacking = ", ".join(provider.unsupported_features)
            state = f"cannot be connected yet: {lacking}" if lacking else f"{len(provider.scopes)} scopes"
            kind = f"{provider.auth_kind}, {provider.confidence}"
            self.stdout.write(f"{provider.id:<{width}}  {provider.display_name} ({kind}; {state})")

    def _validate(self, folder: Path | None) -> None:
        folders = [folder] if folder else [catalogue.PROVIDERS_FOLDER, catalogue.operators_folder()]
        chosen = [each for each in folders if each is not None]
        _require_valid(*chosen)
        count = sum(path.suffix == ".yaml" for each in chosen for path in each.iterdir())
        self.stdout.write(f"{count} {'entry' if count == 1 else 'entries'}, all well.")

    def _compare(self, folder: Path | None) -> None:
        """An operator's folder against ours: new entries by name, replaced ones place by place."""
        if folder is None:
            raise CommandError("Name a folder with --folder, or set CATALOGUE_FOLDER.")
        _require_valid(folder)
        for path in sorted(folder.glob("*.yaml")):
            ours = catalogue.PROVIDERS_FOLDER / path.name
            if not ours.exists():
                self.stdout.write(f"{path.stem}: new")
                continue
            found = list(differences(_document(ours), _document(path)))
            self.stdout.write(f"{path.stem}: {'replaces ours' if found else 'the same as ours'}")
            self._write_each(found)

    def _compare_with_published(self, provider_id: str) -> None:
        try:
            provider = catalogue.get(provider_id)
        except (KeyError, CatalogueError) as error:
            raise CommandError(str(error)) from error
        issuer = provider.oauth.issuer
        if issuer is None or "{" in issuer:
            raise CommandError(f"The entry {provider_id} names no issuer to ask.")
        published = _scaffolded(provider_id, provider.display_name, issuer=issuer, api_url=None)
        ours, theirs = _oauth_of(provider), published["oauth"]
        found = list(differences(ours, {name: theirs[name] for name in _PUBLISHED if name in theirs}))
        self._write_each(found)
        if found:
            raise CommandError(f"{provider_id} differs from what {issuer} publishes (ours -> published).")
        self.stdout.write(f"{provider_id}: as {issuer} publishes it.")

    def _write_each(self, found: list[Any]) -> None:
        for difference in found:
            self.stdout.write(f"  {difference}")

    def _scaffold(self, options: dict[str, Any]) -> None:
        provider_id, issuer = options["id"], options["issuer"]
        if not _ID.fullmatch(provider_id):
            raise CommandError(f"{provider_id!r} is no id: small letters, digits and hyphens, 63 at most.")
        name = options["name"] or provider_id.replace("-", " ").title()
        document = _scaffolded(provider_id, name, issuer=issuer, api_url=options["api_url"])
        text = scaffolding.as_yaml(document, source=f"metadata of {issuer}" if issuer else "TODO")
        if options["folder"] is None:
            self.stdout.write(text, ending="")
            return
        path = options["folder"] / f"{provider_id}.yaml"
        try:
            with path.open("x", encoding="utf-8") as file:  # never over a file that somebody wrote
                file.write(text)
        except FileExistsError as error:
            raise CommandError(f"{path} is there already.") from error
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{path}: replace every TODO, then run catalogue validate --folder {path.parent}.")


def _served() -> tuple[Provider, ...]:
    try:
        return catalogue.all_providers()
    except CatalogueError as error:
        raise CommandError(f"The catalogue cannot be served:\n{error}") from error


def _require_valid(*folders: Path) -> None:
    findings = [finding for folder in folders for finding in catalogue.validate(folder)]
    if findings:
        lines = "\n".join(str(finding) for finding in findings)
        raise CommandError(f"{len(findings)} finding{'s' if len(findings) != 1 else ''}:\n{lines}")


def _document(path: Path) -> Any:
    return documents.read_entry(path)[0]


def _scaffolded(provider_id: str, name: str, *, issuer: str | None, api_url: str | None) -> dict[str, Any]:
    try:
        metadata = provider_calls.fetch_metadata(issuer) if issuer else None
        return scaffolding.scaffold(provider_id, name=name, metadata=metadata, api_url=api_url)
    except InvalidInput as error:
        raise CommandError(f"--{error.field}: {error}") from error
    except ProviderError as error:
        raise CommandError(f"{error} {error.evidence}") from error
    except scaffolding.UnusableMetadata as error:
        raise CommandError(f"The metadata cannot be an entry: {error}") from error


def _oauth_of(provider: Provider) -> dict[str, Any]:
    return dict(_told_members(provider))


def _told_members(provider: Provider) -> Iterator[tuple[str, Any]]:
    for name in _PUBLISHED:
        value = getattr(provider.oauth, name)
        if value:
            yield name, value


def _summary(provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "displayName": provider.display_name,
        "category": provider.category,
        "authKind": provider.auth_kind,
        "confidence": provider.confidence,
        "isSupported": provider.is_supported,
        "unsupportedFeatures": list(provider.unsupported_features),
        "scopes": len(provider.scopes),
        "lastChecked": provider.last_checked.isoformat() if provider.last_checked else None,
    }
