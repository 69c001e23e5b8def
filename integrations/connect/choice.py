"""A grant that covers several accounts (Xero, Atlassian, Procore): the customer chooses one of them.

The tokens lie with the connection meanwhile, which is not usable yet; the accounts lie with the attempt.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrations.provider_calls import Account, Identity

#: how long after the callback the customer may choose; then the tokens are given back
CHOOSE_WITHIN = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen from, and the version of the tokens that it belongs to."""

    identity: Identity
    token_version: int

    @property
    def accounts(self) -> tuple[Account, ...]:
        return self.identity.accounts

    def account(self, account_id: str) -> Account | None:
        return next((each for each in self.accounts if each.account_id == account_id), None)


def as_json(identity: Identity, *, token_version: int) -> dict[str, Any]:
    """For AuthorizationAttempt.choice: names and ids of accounts, no secret."""
    accounts = [
        {"id": each.account_id, "name": each.name, "url": each.url, "extras": dict(each.extras)}
        for each in identity.accounts
    ]
    return {"tokenVersion": token_version, "extras": dict(identity.extras), "accounts": accounts}


def from_json(stored: Mapping[str, Any]) -> Choice:
    """What as_json made."""
    accounts = tuple(
        Account(each["id"], each["name"], each["url"], each["extras"]) for each in stored["accounts"]
    )
    return Choice(Identity(extras=dict(stored["extras"]), accounts=accounts), stored["tokenVersion"])


def is_over(finished_at: datetime | None, now: datetime) -> bool:
    return finished_at is None or now - finished_at > CHOOSE_WITHIN


def attempt_id(text: str) -> uuid.UUID | None:
    """The id of an attempt as a form sends it, or None."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
