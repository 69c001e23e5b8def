"""What the sandbox remembers over a restart: rows, and one JSON file written atomically."""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Row = TypeVar("Row")


class UnreadableState(Exception):
    """The state file is no state of this version."""


@dataclass(slots=True)
class App:
    """A client registered at the provider."""

    client_id: str
    client_secret: str = field(repr=False)
    app_id: int
    name: str
    redirect_urls: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=lambda: ["oauth"])
    optional_scopes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Account:
    """A customer's account (portal, hub). tier is one of scopes.TIERS."""

    hub_id: int
    name: str
    tier: str = "enterprise"
    account_type: str = "STANDARD"
    hublet: str = "na1"
    domain: str = "example.com"
    user: str = "admin@example.com"
    user_id: int = 1
    time_zone: str = "US/Eastern"
    utc_offset: str = "-05:00"
    currency: str = "USD"
    is_deleted: bool = False

    @property
    def ui_domain(self) -> str:
        return "app.hubspot.com" if self.hublet == "na1" else f"app-{self.hublet}.hubspot.com"


@dataclass(slots=True)
class Code:
    """An authorization code; single use."""

    code: str = field(repr=False)
    client_id: str
    hub_id: int
    redirect_uri: str
    scopes: list[str]
    issued_at: float
    code_challenge: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class RefreshToken:
    """A refresh token; with rotation it names its successor."""

    token: str = field(repr=False)
    client_id: str
    hub_id: int
    scopes: list[str]
    rotated_at: float | None = None
    successor: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class AccessToken:
    """An access token. hub_id is None for one of client_credentials. Times are Unix seconds."""

    token: str = field(repr=False)
    client_id: str
    hub_id: int | None
    scopes: list[str]
    issued_at: float
    expires_at: float


@dataclass(slots=True)
class Record:
    """A CRM record. `previous` is what the search index still shows (None: nothing) until the lag is over."""

    id: str
    type: str
    properties: dict[str, str | None]
    created_at: float
    updated_at: float
    archived_at: float | None = None
    merged_into: str | None = None
    associations: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    previous: dict[str, str | None] | None = None


@dataclass(slots=True)
class State:
    """All rows. Hub ids are text keys in `records`, since JSON has no others."""

    apps: dict[str, App] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)
    access_tokens: dict[str, AccessToken] = field(default_factory=dict)
    records: dict[int, dict[str, dict[str, Record]]] = field(default_factory=dict)
    issued_count: int = 0
    last_record_id: int = 0

    def next_record_id(self) -> str:
        """A fresh record id, unique over all accounts."""
        self.last_record_id += 1
        return str(self.last_record_id + 500)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, secrets included."""
        as_dict = dataclasses.asdict
        return {
            "version": 1,
            "apps": [as_dict(row) for row in self.apps.values()],
            "accounts": [as_dict(row) for row in self.accounts.values()],
            "codes": [as_dict(row) for row in self.codes.values()],
            "refreshTokens": [as_dict(row) for row in self.refresh_tokens.values()],
            "accessTokens": [as_dict(row) for row in self.access_tokens.values()],
            "records": {
                str(hub_id): [as_dict(row) for rows in types.values() for row in rows.values()]
                for hub_id, types in self.records.items()
            },
            "issuedCount": self.issued_count,
            "lastRecordId": self.last_record_id,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "State":
        """The state that to_json wrote. Raises KeyError, TypeError or ValueError on anything else."""
        records: dict[int, dict[str, dict[str, Record]]] = {}
        for hub_id, rows in data["records"].items():
            types = records.setdefault(int(hub_id), {})
            for record in _rows(Record, rows):
                types.setdefault(record.type, {})[record.id] = record
        return cls(
            apps={row.client_id: row for row in _rows(App, data["apps"])},
            accounts={row.hub_id: row for row in _rows(Account, data["accounts"])},
            codes={row.code: row for row in _rows(Code, data["codes"])},
            refresh_tokens={row.token: row for row in _rows(RefreshToken, data["refreshTokens"])},
            access_tokens={row.token: row for row in _rows(AccessToken, data["accessTokens"])},
            records=records,
            issued_count=int(data["issuedCount"]),
            last_record_id=int(data["lastRecordId"]),
        )


def _rows(kind: type[Row], rows: list[dict[str, Any]]) -> list[Row]:
    return [kind(**row) for row in rows]


def load(path: Path) -> State | None:
    """The stored state, or None where no file exists. Raises UnreadableState."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return State.from_json(json.loads(text))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableState(
            f"{path} is not a state file of this sandbox; move it away to start anew"
        ) from error


def store(path: Path, state: State) -> None:
    """Replace the file in one step; readable by its owner alone, since it holds secrets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(state.to_json(), file, separators=(",", ":"))
    draft.replace(path)
