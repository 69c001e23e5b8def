"""`manage.py create_partner`: a partner and its first credential, whose secrets are printed once."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts import credentials, partners
from accounts.audit import Actor
from accounts.models.partner import DEFAULT_PERMISSIONS, Permission
from integrations import grants
from integrations.models import Integration

_ACTOR = Actor.system("create_partner")


class Command(BaseCommand):
    help = (
        "Make a partner with one credential, and print its clientId, clientSecret and apiKey. They are printed once: "
        "only digests are stored."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="what customers read on the connect page")
        parser.add_argument(
            "--return-origin",
            action="append",
            default=[],
            metavar="ORIGIN",
            help="an origin under which returnUrl may lie, such as https://app.example.com; may be repeated",
        )
        parser.add_argument(
            "--integration",
            action="append",
            default=[],
            metavar="SLUG",
            help="an integration that the credential may use; may be repeated",
        )
        parser.add_argument(
            "--permission",
            action="append",
            choices=Permission.values,
            help=f"may be repeated; without it: {', '.join(DEFAULT_PERMISSIONS)}",
        )
        parser.add_argument("--requests-per-minute", type=int, help="without it there is no limit")
        parser.add_argument(
            "--credential-name", default="first", help="where the credential is used (default: first)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            integrations = [_integration(slug) for slug in dict.fromkeys(options["integration"])]
            try:
                partner = partners.create(
                    name=options["name"],
                    allowed_return_origins=options["return_origin"],
                    requests_per_minute=options["requests_per_minute"],
                    actor=_ACTOR,
                )
            except ValidationError as error:
                raise CommandError(_in_words(error)) from error
            new = credentials.create(
                partner, name=options["credential_name"], permissions=options["permission"], actor=_ACTOR
            )
            grants.replace(new.credential, integrations, actor=_ACTOR)
        answers = {
            "partner": partner.name,
            "clientId": new.credential.client_id,
            "clientSecret": new.client_secret,
            "apiKey": new.api_key,
        }
        if options["json"]:
            self.stdout.write(json.dumps(answers))
            return
        for name, value in answers.items():
            self.stdout.write(f"{name:<13} {value}")


def _integration(slug: str) -> Integration:
    found = Integration.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Integration.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"--integration {slug}: there is no such integration. There are: {known}.")
    return found


def _in_words(error: ValidationError) -> str:
    options = {"allowed_return_origins": "--return-origin", "name": "--name"}
    lines = error.message_dict.items() if hasattr(error, "error_dict") else [("", error.messages)]
    return " ".join(f"{options.get(field, field)}: {' '.join(messages)}" for field, messages in lines)
