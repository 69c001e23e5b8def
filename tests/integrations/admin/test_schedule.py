"""Schedules in the admin: in words, editable by who may, and the package's actions for nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.models import AuditEntry
from integrations import schedules, tasks
from integrations.models import ProviderPace
from tests.integrations.admin.conftest import StaffClient

LIST = "admin:django_celery_beat_periodictask_changelist"


@pytest.fixture
def seeded(db: Any) -> PeriodicTask:
    schedules.seed(settings.CELERY_BEAT_SCHEDULE)
    return PeriodicTask.objects.get(name="refresh-due-connections")


def form_of(row: PeriodicTask, **changes: Any) -> dict[str, Any]:
    values = {"name": row.name, "task": row.task, "interval": row.interval_id, "args": "[]", "kwargs": "{}"}
    return {**values, "enabled": "on", "description": row.description, **changes}


def test_the_list_says_in_words_what_each_does_and_which_are_ours(seeded: PeriodicTask, boss: Client) -> None:
    PeriodicTask.objects.create(name="nightly-report", task="x.y", interval=seeded.interval)
    IntervalSchedule.objects.filter(pk=PeriodicTask.objects.get(name="purge-old-rows").interval_id).update(
        every=7200
    )
    page = boss.get(reverse(LIST)).content.decode()
    for words in ("Refreshes access tokens ahead of use", "every 30 seconds", "your own"):
        assert words in page
    assert "ours, changed from every 3600 seconds" in page


def test_staff_with_the_right_change_an_interval_and_it_is_in_the_trail(
    seeded: PeriodicTask, staff: StaffClient
) -> None:
    client = staff("view_periodictask", "change_periodictask")
    minute = IntervalSchedule.objects.get(every=60)
    url = reverse("admin:django_celery_beat_periodictask_change", args=[seeded.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, form_of(seeded, interval=minute.pk)).status_code == 302
    assert PeriodicTask.objects.get(pk=seeded.pk).interval == minute
    entry = AuditEntry.objects.get(action="schedule.changed")
    assert list(entry.changes) == ["interval"]


@pytest.mark.parametrize("action", ["disable_tasks", "enable_tasks", "run_tasks", "delete_selected"])
def test_staff_who_may_only_look_change_nothing(
    seeded: PeriodicTask, staff: StaffClient, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(tasks.refresh_due, "apply_async", lambda **options: sent.append(options))
    client = staff("view_periodictask")
    assert client.get(reverse(LIST)).status_code == 200
    client.post(reverse(LIST), {"action": action, "_selected_action": [seeded.pk], "post": "yes"})
    url = reverse("admin:django_celery_beat_periodictask_change", args=[seeded.pk])
    assert client.post(url, form_of(seeded, enabled="")).status_code == 403
    row = PeriodicTask.objects.get(pk=seeded.pk)
    assert (row.enabled, row.interval.every, sent) == (True, 30, [])


def test_staff_without_rights_see_nothing_of_it(seeded: PeriodicTask, staff: StaffClient) -> None:
    assert staff().get(reverse(LIST)).status_code == 403


def test_a_run_by_hand_is_sent_without_the_name_of_the_schedule(
    seeded: PeriodicTask, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(tasks.refresh_due, "apply_async", lambda **options: sent.append(options))
    boss.post(reverse(LIST), {"action": "run_tasks", "_selected_action": [seeded.pk]})
    assert sent == [{"args": [], "kwargs": {}, "retry": False}]
    assert AuditEntry.objects.filter(action="schedule.run").count() == 1


def test_deleted_defaults_are_put_back_on_request(
    seeded: PeriodicTask, boss: Client, staff: StaffClient
) -> None:
    restore = reverse("admin:django_celery_beat_periodictask_restore")
    seeded.delete()
    assert "Put them back" in boss.get(reverse(LIST)).content.decode()
    assert staff("view_periodictask").post(restore).status_code == 403
    assert boss.get(restore).status_code == 302
    assert not PeriodicTask.objects.filter(name="refresh-due-connections").exists()
    boss.post(restore)
    assert PeriodicTask.objects.get(name="refresh-due-connections").enabled
    assert "Put them back" not in boss.get(reverse(LIST)).content.decode()


def test_a_provider_in_trouble_is_shown(boss: Client, db: Any) -> None:
    ProviderPace.objects.create(provider_id="hubspot", failures=9)
    page = boss.get(reverse("admin:integrations_providerpace_changelist")).content.decode()
    assert "hubspot" in page and "in trouble" in page


def act_on(row: PeriodicTask, client: Client, action: str, **more: str) -> int:
    chosen = {"action": action, "_selected_action": [row.pk], **more}
    return client.post(reverse(LIST), chosen).status_code


@pytest.mark.parametrize(
    ("action", "more", "told"),
    [
        ("disable_tasks", {}, "schedule.changed"),
        ("delete_selected", {"post": "yes"}, "schedule.deleted"),
    ],
)
def test_what_is_done_to_selected_schedules_is_in_the_trail(
    seeded: PeriodicTask, boss: Client, action: str, more: dict[str, str], told: str
) -> None:
    assert act_on(seeded, boss, action, **more) == 302
    entry = AuditEntry.objects.get(object_id=str(seeded.pk))
    assert entry.action == told
    assert not PeriodicTask.objects.filter(pk=seeded.pk, enabled=True).exists()


def test_a_schedule_whose_arguments_no_task_takes_is_told_and_is_no_500(
    seeded: PeriodicTask, boss: Client
) -> None:
    PeriodicTask.objects.filter(pk=seeded.pk).update(args='{"a": 1}', kwargs="[1]")
    assert act_on(seeded, boss, "run_tasks") == 302
    assert not AuditEntry.objects.filter(action="schedule.run").exists()
    assert "could not be sent" in boss.get(reverse(LIST)).content.decode()
