"""`manage.py create_integration`: an integration with its credentials and scopes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from integrations import pasted_values, setup
from integrations.catalogue import Provider
from integrations.errors import InvalidInput
from integrations.models import Integration
from integrations.setup import IntegrationValues
from sealing import Secret

SECRET_VARIABLE = "PATCHBAY_CLIENT_SECRET"  # noqa: S105 - the name of a variable
_ACTOR = Actor.system("create_integration")


class Command(BaseCommand):
    help = (
        "Make an integration. The client secret is never an argument, since arguments show in process lists: it is "
        f"read from --client-secret-file, else from the variable {SECRET_VARIABLE}, else from standard input."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # No abbreviations: `--client-secret VALUE` would otherwise mean the file, and be echoed by its error.
        return super().create_parser(prog_name, subcommand, **{**kwargs, "allow_abbrev": False})

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--provider", required=True, help="its id in the catalogue, such as hubspot")
        parser.add_argument("--slug", required=True, help="the short name, such as hbdev; cannot be changed")
        parser.add_argument(
            "--client-id", default="", help="left out for providers without apps, such as those with API keys"
        )
        parser.add_argument(
            "--client-secret-file", metavar="PATH", help="a file with the secret; - is standard input"
        )
        parser.add_argument("--app-id", default="")
        parser.add_argument("--scope", action="append", default=[], help="a required scope; may be repeated")
        parser.add_argument("--optional-scope", action="append", default=[], help="may be repeated")
        parser.add_argument("--display-name", default="")
        parser.add_argument("--environment", default="", help="a label such as dev, test or production")
        parser.add_argument(
            "--config",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a value that the provider asks of staff, such as instance=dev12345; may be repeated",
        )
        parser.add_argument("--disabled", action="store_true", help="make it switched off")
        parser.add_argument("--use-anyway", action="store_true", help="take values of an unusual shape")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            provider = setup.provider_for(options["provider"])
            values = self._values(provider, options)
            integration = setup.create(provider.id, options["slug"], values, actor=_ACTOR)
        except InvalidInput as error:
            raise CommandError(f"{_option(error.field)}: {error}") from error
        redirect_uri = integration.redirect_uri if provider.has_consent else None
        answers = {"slug": integration.slug, "provider": provider.id, "redirectUrl": redirect_uri}
        if options["json"]:
            self.stdout.write(json.dumps(answers))
            return
        if redirect_uri is None:
            self.stdout.write(
                f"Made {integration.slug}. There is nothing to register at {provider.display_name}."
            )
            return
        self.stdout.write(f"Made {integration.slug}. Register this redirect URL at {provider.display_name}:")
        self.stdout.write(redirect_uri)

    def _values(self, provider: Provider, options: dict[str, Any]) -> IntegrationValues:
        plain = {"client_id": options["client_id"], "app_id": options["app_id"]}
        if provider.credentials.client_secret is not None:
            plain["client_secret"] = _secret(options["client_secret_file"])
        plain = pasted_values.tidy_all(provider, plain)
        redirect_uri = Integration(slug=options["slug"]).redirect_uri
        for finding in pasted_values.judge(provider, plain, redirect_uri=redirect_uri):
            if not (finding.may_override and options["use_anyway"]):
                hint = " (--use-anyway takes it nevertheless)" if finding.may_override else ""
                raise InvalidInput(finding.field, finding.sentence + hint)
        secret = plain.get("client_secret")
        return IntegrationValues(
            client_id=plain["client_id"],
            app_id=plain["app_id"],
            client_secret=Secret(secret) if secret else None,
            display_name=options["display_name"],
            environment=options["environment"],
            is_enabled=not options["disabled"],
            connection_config=_config(options["config"]),
            required_scopes=_words(options["scope"]),
            optional_scopes=_words(options["optional_scope"]),
        )


def _secret(path: str | None) -> str:
    """The secret's text. Raises CommandError, whose message never holds it."""
    if path and path != "-":
        try:
            return Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(
                f"--client-secret-file: {path} cannot be read ({type(error).__name__})."
            ) from None
    if path is None and SECRET_VARIABLE in os.environ:
        return os.environ[SECRET_VARIABLE]
    if path is None and sys.stdin.isatty():
        raise CommandError(
            f"Give the client secret with --client-secret-file, in {SECRET_VARIABLE}, or on standard input."
        )
    return sys.stdin.read(pasted_values.MAX_URL_CHARACTERS)


def _config(pairs: list[str]) -> dict[str, str]:
    config = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise CommandError(f"--config {pair}: write it as NAME=VALUE.")
        config[name] = value
    return config


def _words(values: list[str]) -> list[str]:
    return [word for value in values for word in value.replace(",", " ").split()]


def _option(field: str) -> str:
    names = {
        "required_scopes": "--scope",
        "optional_scopes": "--optional-scope",
        "client_secret": "the client secret",
    }
    if field.startswith("connection_config."):
        return f"--config {field.partition('.')[2]}"
    return names.get(field, f"--{field.replace('_', '-')}")
