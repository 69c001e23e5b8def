"""A connection's status changes in one place: the row, one audit entry and one partner event."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.models import AuditEntry, Event
from accounts.models.event import EventType
from integrations import states
from integrations.models import Connection
from integrations.models.connection import Status
from tests import factories
from tests.factories import ACTOR, World

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("accounts", "config", "demo", "flows", "integrations", "proxy")
WRITERS = frozenset({"update", "create", "get_or_create", "update_or_create", "bulk_update", "Connection"})
#: who writes a status beside states.py, and why it may: each tells an event of its own in the same transaction
ALLOWED = {
    "integrations/states.py": "the place",
    "integrations/connections/find.py": "makes the pending row, of which nobody is told",
    "integrations/connections/adopt.py": "fills a pending row",
    "integrations/connect/completion.py": "fills a pending row, or brings a broken one back",
}


def writes_of_status(path: Path) -> Iterator[int]:
    """Lines that write a column called status: a keyword of a writing call, an attribute, a mapping of columns."""
    tree = ast.parse(path.read_text())
    keywords = [node for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    conditions = {id(keyword.value) for keyword in keywords if keyword.arg == "only_if"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in WRITERS and any(keyword.arg == "status" for keyword in node.keywords):
                yield node.lineno
        if isinstance(node, ast.Dict) and id(node) not in conditions:
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "status" and _is_status(value):
                    yield node.lineno
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr == "status" and _is_status(node.value):
                yield node.lineno


def _is_status(value: ast.expr) -> bool:
    return isinstance(value, ast.Attribute) and getattr(value.value, "id", "") == "Status"


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def test_no_other_code_writes_a_connection_s_status() -> None:
    found = {str(path.relative_to(ROOT)) for path in sources() if any(writes_of_status(path))}
    assert found == set(ALLOWED)


def test_the_search_for_writers_finds_each_kind(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    for line in (
        "Connection.objects.filter(pk=1).update(status=Status.ACTIVE)",
        "Connection(status='paused')",
        "row.status = Status.PAUSED",
        "Connection.objects.create(name='x', status=value)",
        "columns = {'status': Status.ACTIVE}",
    ):
        path.write_text(line)
        assert list(writes_of_status(path)) == [1], line
    for line in (
        "change(only_if={'status': Status.ACTIVE})",
        "rows.filter(status=Status.ACTIVE)",
        "reply.status = 200",
        "row.status == Status.PAUSED",
    ):
        path.write_text(line)
        assert list(writes_of_status(path)) == [], line


TELLS = [
    (before, to)
    for before in Status
    for to in Status
    if before != to and Status.PENDING not in (before, to) and before != Status.DISCONNECTED
]


@pytest.mark.django_db
@pytest.mark.parametrize(("before", "to"), TELLS, ids=lambda status: status.value)
def test_each_change_is_one_audit_entry_and_one_event(world: World, before: Status, to: Status) -> None:
    made = factories.connection(world, status=before)
    assert states.change(made.pk, to=to, actor=ACTOR, reason="revoked_at_provider") is True
    assert states.change(made.pk, to=to, actor=ACTOR, reason="revoked_at_provider") is False
    entry = AuditEntry.objects.get(object_id=str(made.pk))
    assert entry.action == f"connection.{to.value}"
    assert entry.changes == {"status": [before.value, to.value], "reason": "revoked_at_provider"}
    event = Event.objects.get(connection_id=made.pk)
    assert event.type == states.event_of(before, to)
    assert event.data["status"] == to.value


@pytest.mark.parametrize(
    ("before", "to", "event"),
    [
        ("pending", "active", EventType.CONNECTION_CREATED),
        ("reconnect_required", "active", EventType.CONNECTION_RECOVERED),
        ("refresh_failing", "active", EventType.CONNECTION_RECOVERED),
        ("paused", "active", EventType.CONNECTION_UPDATED),
        ("active", "paused", EventType.CONNECTION_UPDATED),
        ("active", "refresh_failing", EventType.CONNECTION_REFRESH_FAILING),
        ("active", "reconnect_required", EventType.CONNECTION_RECONNECT_REQUIRED),
        ("refresh_failing", "reconnect_required", EventType.CONNECTION_RECONNECT_REQUIRED),
        ("active", "disconnected", EventType.CONNECTION_DELETED),
    ],
)
def test_the_event_says_what_has_changed(before: str, to: str, event: EventType) -> None:
    assert states.event_of(before, to) == event


@pytest.mark.django_db
def test_a_change_whose_condition_no_longer_holds_tells_nothing(world: World) -> None:
    made = factories.connection(world)
    Connection.objects.filter(pk=made.pk).update(token_version=7)
    only_if = {"token_version": made.token_version}
    assert states.change(made.pk, to=Status.RECONNECT_REQUIRED, actor=ACTOR, only_if=only_if) is False
    assert not AuditEntry.objects.filter(object_id=str(made.pk)).exists()
    assert not Event.objects.exists()
