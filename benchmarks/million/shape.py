"""What a million connections look like: whose they are, in which state, and when they are due.

Pure and seeded: row number n is the same in every run, whichever process makes it. Shares are those of an
installation with customers of every age; 5 % are due at once, as after a night without workers, so that the
smallest table holds full batches too.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

SEED = 20_261_125
PARTNERS = 20
#: (provider, slug, share of all connections)
INTEGRATIONS = (
    ("hubspot", "hubspot", 0.30),
    ("hubspot", "hubspot-emea", 0.15),
    ("xero", "xero", 0.15),
    ("quickbooks", "quickbooks", 0.12),
    ("pipedrive", "pipedrive", 0.10),
    ("atlassian", "atlassian", 0.08),
    ("shopify", "shopify", 0.06),
    ("procore", "procore", 0.04),
)
_STATUSES = {
    "active": 0.88,
    "refresh_failing": 0.01,
    "reconnect_required": 0.04,
    "paused": 0.01,
    "pending": 0.02,
    "disconnected": 0.04,
}
_REASONS = {
    "refresh_failing": "provider_unavailable",
    "reconnect_required": "revoked_at_provider",
    "paused": "paused_by_partner",
}
#: of those that are refreshed at all
DUE_SHARE = 0.05
_USED_LATELY_SHARE = 0.6
_IDENTITY_UNKNOWN_SHARE = 0.005
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_SCOPES = [
    f"crm.objects.{name}.{right}"
    for name in ("contacts", "companies", "deals")
    for right in ("read", "write")
]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One connection as drawn, before anything is sealed; partner and integration by their number."""

    number: int
    pk: uuid.UUID
    customer: int
    partner: int
    integration: int
    status: str
    reason: str
    access_token: str | None
    refresh_token: str | None
    scopes: tuple[str, ...]
    account_id: str
    is_identity_known: bool
    created_at: datetime
    stored_at: datetime | None
    expires_at: datetime | None
    next_refresh_at: datetime | None
    last_used_at: datetime | None


def customer_pk(customer: int) -> uuid.UUID:
    return _uuid(random.Random(f"{SEED}-customer-{customer}"))


def partner_of(customer: int) -> int:
    """A few partners have most of the customers: the first every other one, the last next to none."""
    drawn = random.Random(f"{SEED}-partner-{customer}").random()
    return min(int(PARTNERS * drawn**3), PARTNERS - 1)


def draw(number: int, now: datetime) -> Drawn:
    """Connection number n. Every customer has two, on different integrations."""
    rng = random.Random(f"{SEED}-{number}")
    customer = number // 2
    status = rng.choices(list(_STATUSES), list(_STATUSES.values()))[0]
    has_tokens = status in ("active", "refresh_failing", "paused", "reconnect_required")
    created_at = now - timedelta(seconds=rng.uniform(3_600, 400 * 86_400))
    refreshes = status in ("active", "refresh_failing")
    stored_at, next_refresh_at, last_used_at = _times(rng, now) if refreshes else (None, None, None)
    if has_tokens and stored_at is None:
        stored_at = now - timedelta(days=rng.uniform(1, 60))
    return Drawn(
        number=number,
        pk=_uuid(rng),
        customer=customer,
        partner=partner_of(customer),
        integration=_integration(rng, number),
        status=status,
        reason=_REASONS.get(status, ""),
        access_token=_text(rng, 180) if has_tokens else None,
        refresh_token=_text(rng, 64) if has_tokens else None,
        scopes=tuple(_SCOPES[: rng.randint(2, len(_SCOPES))]),
        account_id=str(rng.randrange(10_000_000, 99_999_999)) if has_tokens else "",
        is_identity_known=has_tokens and rng.random() > _IDENTITY_UNKNOWN_SHARE,
        created_at=created_at,
        stored_at=stored_at,
        expires_at=None if stored_at is None else stored_at + timedelta(seconds=1_800),
        next_refresh_at=next_refresh_at,
        last_used_at=last_used_at,
    )


def _times(rng: random.Random, now: datetime) -> tuple[datetime, datetime, datetime]:
    """(stored, next refresh, last used) of a connection that is refreshed: used lately, or once a day."""
    is_used = rng.random() < _USED_LATELY_SHARE
    is_due = rng.random() < DUE_SHARE
    period = 1_500.0 if is_used else 86_400.0
    next_refresh_at = now + timedelta(seconds=-rng.uniform(1, 600) if is_due else rng.uniform(60, period))
    used_ago = rng.uniform(0, 43_200) if is_used else rng.uniform(172_800, 90 * 86_400)
    return next_refresh_at - timedelta(seconds=period), next_refresh_at, now - timedelta(seconds=used_ago)


def _integration(rng: random.Random, number: int) -> int:
    """Weighted; the second connection of a customer takes the next integration after its sibling's."""
    sibling = random.Random(f"{SEED}-integration-{number // 2}")
    first = sibling.choices(range(len(INTEGRATIONS)), [share for _, _, share in INTEGRATIONS])[0]
    return (
        first if number % 2 == 0 else (first + 1 + rng.randrange(len(INTEGRATIONS) - 1)) % len(INTEGRATIONS)
    )


def _text(rng: random.Random, length: int) -> str:
    """What a token looks like; 6 bits a letter."""
    bits = rng.getrandbits(6 * length)
    return "".join(_LETTERS[(bits >> shift) & 63] for shift in range(0, 6 * length, 6))


def _uuid(rng: random.Random) -> uuid.UUID:
    return uuid.UUID(int=rng.getrandbits(128), version=4)
