"""The audit trail is append only."""

from __future__ import annotations

import pytest

from accounts import audit
from accounts.audit import Actor
from accounts.models import AuditEntry
from tests.factories import World

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def entry(world: World) -> AuditEntry:
    return audit.record("partner.looked_at", world.partner, actor=Actor.system("test"))


def test_a_stored_entry_is_neither_saved_again_nor_deleted(world: World) -> None:
    stored = entry(world)
    stored.action = "partner.forgotten"
    for act in (stored.save, stored.delete):
        with pytest.raises(TypeError, match="Audit entries are never"):
            act()
    assert AuditEntry.objects.get(pk=stored.pk).action == "partner.looked_at"


def test_a_loaded_entry_is_not_saved_again_either(world: World) -> None:
    loaded = AuditEntry.objects.get(pk=entry(world).pk)
    with pytest.raises(TypeError, match="never changed"):
        loaded.save(update_fields=["action"])


def test_entries_are_neither_changed_nor_deleted_in_bulk(world: World) -> None:
    rows = AuditEntry.objects.filter(pk=entry(world).pk)
    with pytest.raises(TypeError, match="never changed"):
        rows.update(action="partner.forgotten")
    with pytest.raises(TypeError, match="never deleted"):
        rows.delete()
    assert rows.get().action == "partner.looked_at"
