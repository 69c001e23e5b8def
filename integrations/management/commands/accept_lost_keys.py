"""Go on without a key of FERNET_KEYS that nobody has any more."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations import lost_keys
from integrations.lost_keys import Loss


class Command(BaseCommand):
    help = (
        "For a key of FERNET_KEYS that is lost for good. Shows how many connections and client secrets no key opens; "
        "with --really-lost those connections become reconnect_required (unreadable_secret, one event each), their "
        "unreadable tokens are deleted, and the newest key is taken for the right one, so that workers start. "
        "Where the key can still be found, put it back as the last one of FERNET_KEYS instead: nothing is lost then."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--really-lost", action="store_true", help="change what is shown without it")

    def handle(self, *args: Any, **options: Any) -> None:
        is_accepted = options["really_lost"]
        loss = lost_keys.accept() if is_accepted else lost_keys.measure()
        self.stdout.write(f"{loss.looked_at} connections looked at.")
        self.stdout.write(_connections(loss, is_accepted=is_accepted))
        for client in loss.clients:
            self.stdout.write(f"To be entered anew in the admin: the client secret of {client}.")
        if not is_accepted:
            raise CommandError(
                "Nothing was changed. Look for the missing key first (docs/keys.md); run this again with "
                "--really-lost to give up what it sealed."
            )


def _connections(loss: Loss, *, is_accepted: bool) -> str:
    if is_accepted:
        return f"{loss.reconnect} connections were asked to reconnect."
    return f"{loss.reconnect} connections would have to reconnect."
