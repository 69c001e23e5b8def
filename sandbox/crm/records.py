"""The records of one account and type: found, made, changed, merged, shown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.accounts import tie
from sandbox.crm.objects import ASSOCIATION_TYPES, ObjectType, conflict, values
from sandbox.errors import SandboxError, invalid, not_found
from sandbox.state import Account, Record
from sandbox.world import Sandbox, timestamp

MAX_HISTORY_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Shown:
    """Which members a reply shows."""

    properties: Sequence[str] = ()
    history: Sequence[str] = ()
    associations: Sequence[str] = ()


class Records:
    """One type of one account."""

    def __init__(self, sandbox: Sandbox, account: Account, kind: ObjectType) -> None:
        self.sandbox = sandbox
        self.account = account
        self.kind = kind
        self._types = sandbox.state.records.setdefault(account.hub_id, {})
        self._rows = self._types.setdefault(kind.name, {})

    def all(self, *, archived: bool = False) -> Iterator[Record]:
        """Oldest first; merged ones are part of their survivor."""
        for record in self._rows.values():
            if record.merged_into is None and (record.archived_at is not None) == archived:
                yield record

    def get(self, text: str, *, id_property: str | None = None, archived: bool = False) -> Record:
        """One record. Raises SandboxError: 400 for a property that is not unique, 404."""
        record = self.find(text, id_property=id_property, archived=archived)
        if record is None:
            raise not_found()
        return record

    def find(self, text: str, *, id_property: str | None = None, archived: bool = False) -> Record | None:
        """One record or None; a merged id finds the surviving record."""
        if id_property in (None, "", "hs_object_id"):
            record = self._rows.get(text)
            while record is not None and record.merged_into is not None:
                record = self._rows.get(record.merged_into)
        elif id_property in self.kind.unique:
            record = self._by_unique(str(id_property), text)
        else:
            raise invalid(f"The property {id_property!r} is no unique identifier of {self.kind.name}")
        return record if record is not None and (record.archived_at is not None) == archived else None

    def _by_unique(self, name: str, text: str) -> Record | None:
        wanted = text.strip().lower() if name == "email" else text
        live = (row for row in self._rows.values() if row.archived_at is None and row.merged_into is None)
        return next((row for row in live if row.properties.get(name) == wanted), None)

    def checked(self, data: Any, *, own: Record | None = None) -> dict[str, str | None]:
        """Property values fit to be stored. Raises SandboxError: 400, or 409 for a value that is taken."""
        stored = values(self.kind, data, self.account.hub_id)
        for name in self.kind.unique:
            value = stored.get(name)
            other = self._by_unique(name, value) if value else None
            if other is not None and other is not own:
                raise conflict(self.kind, other.id)
        return stored

    def make(self, stored: Mapping[str, str | None], associated: Sequence[Record] = ()) -> Record:
        """A new record of checked values."""
        now = self.sandbox.now()
        record = Record(self.sandbox.state.next_record_id(), self.kind.name, dict(stored), now, now)
        self._rows[record.id] = record
        for other in associated:
            tie(record, other)
        self.sandbox.touch()
        return record

    def change(self, record: Record, stored: Mapping[str, str | None]) -> Record:
        """Set checked values; the others stay."""
        record.previous = dict(record.properties)
        record.properties.update(stored)
        record.updated_at = self.sandbox.now()
        self.sandbox.touch()
        return record

    def archive(self, text: str) -> None:
        """Archive; an unknown or archived id is no error."""
        record = self.find(text)
        if record is not None:
            record.archived_at = record.updated_at = self.sandbox.now()
            self.sandbox.touch()

    def forget(self, record: Record) -> None:
        """Erase a record for good."""
        del self._rows[record.id]
        self.sandbox.touch()

    def merge(self, primary: Record, other: Record) -> Record:
        """The primary survives and takes over what it lacks; the other's id answers with it."""
        if primary is other:
            raise invalid("Cannot merge an object with itself")
        lacking = {
            name: value for name, value in other.properties.items() if not primary.properties.get(name)
        }
        other.merged_into = primary.id
        return self.change(primary, lacking)

    def associated(self, data: Any) -> list[Record]:
        """The records that a create call names under `associations`. Raises SandboxError (400)."""
        if data is None:
            return []
        if not isinstance(data, list):
            raise invalid("associations must be a list")
        return [self._target(entry) for entry in data]

    def _target(self, entry: Any) -> Record:
        try:
            target_id = str(entry["to"]["id"])
            type_ids = [int(item["associationTypeId"]) for item in entry["types"]]
        except (KeyError, TypeError, ValueError) as error:
            raise invalid("an association needs to.id and types[].associationTypeId") from error
        for type_id in type_ids:
            source, target = ASSOCIATION_TYPES.get(type_id, ("", ""))
            record = self._types.get(target, {}).get(target_id)
            if source == self.kind.name and record is not None:
                return record
        raise invalid("One or more associations are not valid")

    def show(self, record: Record, shown: Shown) -> dict[str, Any]:
        """The JSON of a record: all values texts or null, unknown properties left out."""
        facts = self.facts(record)
        asked = dict.fromkeys([*self.kind.defaults, *shown.properties])
        payload: dict[str, Any] = {
            "id": record.id,
            "properties": {name: facts.get(name) for name in sorted(asked) if self.kind.knows(name)},
            "createdAt": timestamp(record.created_at),
            "updatedAt": timestamp(record.updated_at),
            "archived": record.archived_at is not None,
            "url": f"https://{self.account.ui_domain}/contacts/{self.account.hub_id}/record/"
            f"{self.kind.type_id}/{record.id}",
        }
        if record.archived_at is not None:
            payload["archivedAt"] = timestamp(record.archived_at)
        if shown.history:
            payload["propertiesWithHistory"] = self._history(record, facts, shown.history)
        if shown.associations:
            payload["associations"] = self._associations(record, shown.associations)
        return payload

    def facts(self, record: Record) -> dict[str, str | None]:
        """All property values, those that the provider computes included."""
        return record.properties | {
            "hs_object_id": record.id,
            "createdate": timestamp(record.created_at),
            self.kind.modified: timestamp(record.updated_at),
        }

    def _history(
        self, record: Record, facts: Mapping[str, str | None], names: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """The present value only; the sandbox keeps no older ones."""
        moment = timestamp(record.updated_at)
        return {
            name: [{"value": facts.get(name) or "", "timestamp": moment, "sourceType": "INTEGRATION"}]
            for name in names
            if self.kind.knows(name)
        }

    def _associations(self, record: Record, names: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in names:
            entries = [
                entry
                for entry in record.associations.get(name, [])
                if (other := self._types.get(name, {}).get(entry["id"])) and other.archived_at is None
            ]
            if entries:
                found[name] = {"results": entries}
        return found


def describe(error: SandboxError, context: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A refusal as an entry of a multi-status reply (207)."""
    return {
        "status": "error",
        "category": error.payload.get("category", "VALIDATION_ERROR"),
        "message": error.payload["message"],
        "context": {name: list(items) for name, items in context.items()},
        "errors": [],
        "links": {},
    }
