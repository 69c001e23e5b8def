"""Finding and making customers."""

from __future__ import annotations

from typing import Any

from accounts import identifiers
from accounts.models import Customer, Partner


def find(partner: Partner, foreign_identifier: str) -> Customer | None:
    """The partner's customer of that identifier, or None. Takes no lock and writes nothing."""
    return Customer.objects.filter(
        partner=partner, identifier_sha256=identifiers.digest(foreign_identifier)
    ).first()


def ensure(partner: Partner, foreign_identifier: str, *, display_name: str = "", email: str = "") -> Customer:
    """The partner's customer of that identifier, made when missing; given names replace the stored ones.

    Raises identifiers.InvalidIdentifier before anything is written.
    """
    identifiers.check_identifier(foreign_identifier)
    wanted: dict[str, Any] = {
        name: value for name, value in (("display_name", display_name), ("email", email)) if value
    }
    customer, is_new = Customer.objects.get_or_create(
        partner=partner,
        identifier_sha256=identifiers.digest(foreign_identifier),
        defaults={"foreign_identifier": foreign_identifier, **wanted},
    )
    changed = [name for name, value in wanted.items() if getattr(customer, name) != value]
    if changed and not is_new:
        for name in changed:
            setattr(customer, name, wanted[name])
        customer.save(update_fields=changed)
    return customer
