"""Writing the audit trail: call inside the transaction of the act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils import timezone

from accounts import request_context
from accounts.models.audit import ActorKind, AuditEntry

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

    from accounts.models import Credential, Customer, Partner


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. Labels are for people; ids are what searches use."""

    kind: ActorKind
    id: str = ""
    label: str = ""

    @classmethod
    def staff(cls, user: AbstractBaseUser) -> Actor:
        return cls(ActorKind.STAFF, str(user.pk), user.get_username())

    @classmethod
    def credential(cls, credential: Credential) -> Actor:
        return cls(ActorKind.PARTNER, str(credential.pk), str(credential)[:200])

    @classmethod
    def customer(cls, customer: Customer) -> Actor:
        return cls(ActorKind.CUSTOMER, str(customer.pk), str(customer)[:200])

    @classmethod
    def system(cls, part: str) -> Actor:
        return cls(ActorKind.SYSTEM, "", part)


def record(
    action: str,
    subject: models.Model,
    *,
    actor: Actor,
    partner: Partner | None = None,
    changes: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry about subject. changes hold names and plain values, never a secret."""
    context = request_context.current()
    return AuditEntry.objects.create(
        at=timezone.now(),
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label[:200],
        action=action,
        object_type=subject._meta.label_lower,
        object_id=str(subject.pk),
        object_label=str(subject)[:200],
        partner=partner or getattr(subject, "partner", None),
        changes=dict(changes or {}),
        address=context.address,
        request_id=context.request_id,
    )
