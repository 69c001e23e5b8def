"""What a dry run has to remember of the lines before: they are not in the database, and would have been."""

from __future__ import annotations

import hashlib
import sqlite3

from accounts.models import Partner
from integrations.connections.adopt import OnConflict, Outcome, settle
from integrations.connections.adoption import Adoption
from integrations.errors import InvalidInput
from integrations.models import ConnectionNumber, Integration


class Rehearsal:
    """Digests of what was foreseen, in a temporary database of SQLite that spills to disk: memory stays flat."""

    def __init__(self, on_conflict: OnConflict) -> None:
        self._on_conflict = on_conflict
        self._seen = sqlite3.connect("", isolation_level=None)
        self._seen.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, connection TEXT) WITHOUT ROWID")

    def settle(
        self, partner: Partner, integration: Integration, adoption: Adoption, outcome: Outcome
    ) -> Outcome:
        """The outcome after the lines before this one. Raises InvalidInput as the real run would."""
        if outcome != Outcome.ADOPTED:
            return outcome
        place = _digest(str(partner.pk), adoption.foreign_identifier, str(integration.pk), adoption.name)
        wanted = "" if adoption.connection_id is None else adoption.connection_id.hex
        before = self._seen.execute("SELECT connection FROM seen WHERE digest = ?", [place]).fetchone()
        if before is not None:
            if wanted and before[0] != wanted:
                raise InvalidInput(
                    "UUID", "This customer already has a connection of that name with another UUID."
                )
            return settle(self._on_conflict)
        if wanted and not self._remember(_digest("connection", wanted)):
            raise InvalidInput(
                "UUID", "Another connection has this UUID, or had it until it was disconnected."
            )
        self._remember(place, wanted)
        return outcome

    def is_number_free(self, number: int | None) -> bool:
        """Whether the number could be kept; it is taken from then on."""
        if number is None:
            return True
        is_taken = ConnectionNumber.objects.filter(pk=number).exists()
        return not is_taken and self._remember(_digest("number", str(number)))

    def _remember(self, digest: bytes, connection: str = "") -> bool:
        """False when it was there already."""
        written = self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", [digest, connection])
        return written.rowcount == 1


def _digest(*parts: str) -> bytes:
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8")
        hashed.update(len(encoded).to_bytes(8, "big") + encoded)
    return hashed.digest()
