"""The scopes that apps can ask for, and which account tier each needs."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TIERS = ("free", "starter", "professional", "enterprise")


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope. level is "account" (granted by a customer) or "app" (client_credentials only)."""

    name: str
    tier: str
    level: str
    meaning: str


@cache
def catalogue() -> dict[str, Scope]:
    """Every known scope by name, `oauth` first."""
    path = Path(__file__).with_name("scopes.tsv")
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {
            row["scope"]: Scope(row["scope"], row["tier"], row["level"], row["meaning"] or "") for row in rows
        }


def is_within(name: str, tier: str) -> bool:
    """Whether an account of this tier has the product behind the scope. Unknown names need nothing."""
    scope = catalogue().get(name)
    return scope is None or TIERS.index(tier) >= TIERS.index(scope.tier)


def split(text: str) -> list[str]:
    """The scopes of a space separated list (RFC 6749 section 3.3), in order, each once."""
    return list(dict.fromkeys(text.split()))


def ordered(names: Iterable[str]) -> list[str]:
    """`oauth` first, each once, otherwise as given. Every HubSpot app has `oauth`."""
    return list(dict.fromkeys(["oauth", *names]))
