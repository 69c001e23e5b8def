"""Schedules: what beat sends when, in words; staff with the right change them, and get our defaults back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import ClockedSchedule, PeriodicTask, PeriodicTasks, SolarSchedule
from kombu.exceptions import OperationalError
from kombu.utils.json import loads

from accounts import audit
from accounts.admin.read_only import ReadOnlyAdmin
from accounts.admin.shown import badge
from accounts.audit import Actor
from integrations import schedules
from integrations.models import ProviderPace
from integrations.tokens import pacing

for model in (PeriodicTask, ClockedSchedule, SolarSchedule):
    admin.site.unregister(model)


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):
    list_display = ("name", "meaning", "every", "is_on", "default", "last_run_at")
    list_filter = ("enabled",)
    date_hierarchy = None
    list_select_related = ("interval", "crontab")
    ordering = ("name",)
    change_list_template = "admin/djcelery/schedules.html"
    actions = ("enable_tasks", "disable_tasks", "run_tasks")
    fieldsets = (
        (None, {"fields": ("name", "meaning", "regtask", "task", "enabled", "description")}),
        ("When", {"fields": ("interval", "crontab", "start_time", "one_off", "last_run_at")}),
        (
            "Arguments",
            {"fields": ("args", "kwargs", "queue", "expires", "expire_seconds"), "classes": ("collapse",)},
        ),
    )
    readonly_fields = ("last_run_at", "meaning")

    @admin.display(description="what it does")
    def meaning(self, row: PeriodicTask) -> str:
        return schedules.DESCRIPTIONS.get(row.name) or row.description or row.task

    @admin.display(description="runs")
    def every(self, row: PeriodicTask) -> str:
        return str(row.interval or row.crontab or "never")

    @admin.display(description="state", ordering="enabled")
    def is_on(self, row: PeriodicTask) -> SafeString:
        return badge("on", "good") if row.enabled else badge("off", "warn")

    @admin.display(description="default")
    def default(self, row: PeriodicTask) -> str:
        """Ours or not, and what it was before staff changed it."""
        seconds = schedules.default_seconds(row.name)
        if seconds is None:
            return "your own"
        interval = schedules.interval_of_row(row)
        if interval is not None and interval.total_seconds() == seconds:
            return "ours"
        return f"ours, changed from every {seconds:g} seconds"

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The package offers its actions to whoever may look."""
        actions: dict[str, Any] = super().get_actions(request)
        if self.has_change_permission(request):
            return actions
        return {name: found for name, found in actions.items() if name == "delete_selected"}

    @admin.action(description="Run selected tasks now")
    def run_tasks(self, request: HttpRequest, queryset: Any) -> None:
        """Without the name of the schedule: what a person asks for is not held to the schedule's slot."""
        self.celery_app.loader.import_default_modules()
        for row in queryset:
            task = self.celery_app.tasks.get(row.task)
            if task is None:
                self.message_user(request, f"There is no task {row.task}.", messages.ERROR)
                continue
            options = {"queue": row.queue} if row.queue else {}
            try:
                task.apply_async(args=loads(row.args), kwargs=loads(row.kwargs), retry=False, **options)
            except (TypeError, ValueError, OperationalError) as error:
                words = f"{row.name} could not be sent ({type(error).__name__}): see its arguments and the broker."
                self.message_user(request, words, messages.ERROR)
                continue
            self._audit(request, row, "schedule.run", {})
            self.message_user(request, f"{row.name} was sent to the workers.")

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        changes = {name: str(form.cleaned_data.get(name)) for name in form.changed_data if name != "regtask"}
        self._audit(request, obj, "schedule.changed" if change else "schedule.created", changes)

    def delete_model(self, request: HttpRequest, obj: PeriodicTask) -> None:
        self._audit(request, obj, "schedule.deleted", {})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in queryset:
            self._audit(request, row, "schedule.deleted", {})
        super().delete_queryset(request, queryset)
        PeriodicTasks.update_changed()

    @admin.action(description="Enable selected tasks")
    def enable_tasks(self, request: HttpRequest, queryset: Any) -> None:
        self._switch(request, queryset, is_on=True)

    @admin.action(description="Disable selected tasks")
    def disable_tasks(self, request: HttpRequest, queryset: Any) -> None:
        self._switch(request, queryset, is_on=False)

    def _switch(self, request: HttpRequest, queryset: Any, *, is_on: bool) -> None:
        rows = list(queryset.filter(enabled=not is_on))
        PeriodicTask.objects.filter(pk__in=[row.pk for row in rows]).update(enabled=is_on)
        PeriodicTasks.update_changed()
        for row in rows:
            self._audit(request, row, "schedule.changed", {"enabled": str(is_on)})
        self.message_user(request, f"Switched {'on' if is_on else 'off'}: {len(rows)}.")

    def _audit(self, request: HttpRequest, row: PeriodicTask, action: str, changes: dict[str, Any]) -> None:
        assert request.user.is_authenticated
        audit.record(action, row, actor=Actor.staff(request.user), changes=changes)

    def get_urls(self) -> list[URLPattern]:
        restore = path(
            "restore-defaults/",
            self.admin_site.admin_view(self.restore_defaults),
            name="django_celery_beat_periodictask_restore",
        )
        return [restore, *super().get_urls()]

    def restore_defaults(self, request: HttpRequest) -> HttpResponse:
        """Write those of our schedules that staff have deleted; the others stay as they are."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            written = schedules.seed(schedules.defaults(), is_wanted_back=True)
            PeriodicTasks.update_changed()
            for row in PeriodicTask.objects.filter(name__in=written):
                self._audit(request, row, "schedule.created", {"default": True})
            self.message_user(
                request, f"Back: {', '.join(written)}." if written else "No default was missing."
            )
        return HttpResponseRedirect(reverse("admin:django_celery_beat_periodictask_changelist"))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        names = set(PeriodicTask.objects.values_list("name", flat=True))
        missing = [name for name in schedules.defaults() if name not in names]
        can_restore = bool(missing) and self.has_add_permission(request)
        context = {"missing_defaults": missing, "can_restore": can_restore, **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        return response


@admin.register(ProviderPace)
class ProviderPaceAdmin(ReadOnlyAdmin):
    list_display = ("provider_id", "state", "failures", "failing_since", "asks_again_at")
    fields = ("provider_id", "state", "failures", "failing_since", "asks_again_at", "next_slot_at")
    uuid_fields = ()

    @admin.display(description="state")
    def state(self, row: ProviderPace) -> SafeString:
        if row.failures < pacing.TROUBLE_AFTER:
            return badge("answers", "good")
        return badge("in trouble", "bad")
