"""What import_connections and export_connections are told: files, rows by name, pairs, and the key of a bundle."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from django.core.management.base import CommandError

from accounts.models import Partner
from integrations.models import Integration
from integrations.moving.bundle import BundleError, BundleKey

PASSPHRASE_FILE_VARIABLE = "PATCHBAY_BUNDLE_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable


def opened(path: str) -> BinaryIO:
    """A file to be read. Raises CommandError."""
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({type(error).__name__}).") from None


def partner_named(text: str) -> Partner:
    """A partner by its UUID or name. Raises CommandError."""
    try:
        found = Partner.objects.filter(pk=UUID(text)).first()
    except ValueError:
        found = None
    found = found or Partner.objects.filter(name=text).first()
    if found is None:
        known = ", ".join(Partner.objects.values_list("name", flat=True)[:20]) or "none"
        raise CommandError(f"--partner {text}: there is no such partner. There are: {known}.")
    return found


def integration_named(slug: str) -> Integration:
    """An integration by its slug. Raises CommandError."""
    found = Integration.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Integration.objects.values_list("slug", flat=True)[:20]) or "none"
        raise CommandError(f"--integration {slug}: there is no such integration. There are: {known}.")
    return found


def pairs(given: list[str], *, option: str, shape: str) -> dict[str, str]:
    """`KEY=VALUE` options as a mapping. Raises CommandError."""
    found = {}
    for pair in given:
        key, separator, value = pair.rpartition("=")
        if not (separator and key and value):
            raise CommandError(f"{option} {pair}: write it as {shape}.")
        found[key] = value
    return found


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """A passphrase is never an argument, since arguments show in process lists."""
    parser.add_argument(
        "--passphrase-file",
        metavar="PATH",
        help=f"a file with the bundle's passphrase; without it {PASSPHRASE_FILE_VARIABLE}, else it is asked for",
    )
    parser.add_argument("--key-file", metavar="PATH", help="a file with 32 bytes in base64 instead")


def bundle_key(options: dict[str, Any], *, is_new: bool) -> BundleKey:
    """The key of a bundle; a new passphrase that is typed is asked for twice. Raises CommandError."""
    try:
        if options["key_file"]:
            return BundleKey.of_key_file(_text_of(options["key_file"]))
        path = options["passphrase_file"] or os.environ.get(PASSPHRASE_FILE_VARIABLE)
        return BundleKey.passphrase(_text_of(path).rstrip("\r\n") if path else _asked_for(is_new=is_new))
    except BundleError as error:
        raise CommandError(str(error)) from None


def _text_of(path: str) -> str:
    with opened(path) as stream:
        try:
            return stream.read(65_536).decode("utf-8")
        except UnicodeDecodeError:
            raise CommandError(f"{path} is not UTF-8.") from None


def _asked_for(*, is_new: bool) -> str:
    if not sys.stdin.isatty():
        raise CommandError(
            "Give the passphrase with --passphrase-file, or --key-file: nobody is here to type it."
        )
    typed = getpass.getpass("Passphrase of the bundle: ")
    if is_new and getpass.getpass("The same again: ") != typed:
        raise CommandError("The two differ.")
    return typed
