"""Connections: looked up, paused, resumed, disconnected. Lists decrypt nothing (ADM-04)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.read_only import ReadOnlyAdmin
from accounts.admin.shown import badge, code, pretty_json, status_badge, word_list
from accounts.audit import Actor
from integrations import connections, tasks
from integrations.admin.connection_report import ReasonFilter, report_context
from integrations.errors import ConnectionNotFound
from integrations.models import Connection
from integrations.models.connection import Status
from sealing import Sealed

_SEALED = ("access_token", "refresh_token")


@dataclass(frozen=True, slots=True)
class Act:
    """Something that staff do to connections, after a question."""

    verb: str
    question: str
    sentences: tuple[str, ...]
    done: str
    carry_out: Callable[[Connection, Actor], uuid.UUID | None]
    is_dangerous: bool = False


def _pause(connection: Connection, actor: Actor) -> None:
    connections.pause(connection, actor=actor)


def _resume(connection: Connection, actor: Actor) -> None:
    connections.resume(connection, actor=actor)


def _disconnect(connection: Connection, actor: Actor) -> uuid.UUID | None:
    return connections.disconnect(connection, actor=actor)


ACTS: dict[str, Act] = {
    "pause": Act(
        "Pause",
        "Stop the use of {}?",
        ("Calls through the proxy are refused with 423 until it is resumed. Tokens are kept.",),
        "paused",
        _pause,
    ),
    "resume": Act(
        "Resume",
        "Allow the use of {} again?",
        ("Calls go through again; what was broken before the pause is still broken.",),
        "resumed",
        _resume,
    ),
    "disconnect": Act(
        "Disconnect",
        "Disconnect {}?",
        (
            "Its tokens are deleted at once and the provider is asked to forget the grant.",
            "This cannot be undone: the customer has to connect again, and gets a new UUID.",
        ),
        "disconnected",
        _disconnect,
        is_dangerous=True,
    ),
}


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    list_display = (
        "short_id",
        "status_label",
        "customer_label",
        "partner",
        "integration",
        "account",
        "last_used_at",
        "created_at",
    )
    list_filter = ("status", ReasonFilter, "integration", "partner")
    list_select_related = ("partner", "customer", "integration")
    search_fields = (
        "customer__foreign_identifier",
        "customer__display_name",
        "=provider_account_id",
        "provider_account_name",
    )
    search_help_text = (
        "Search by UUID, the partner's identifier, the customer's name, or the provider's account id or name."
    )
    actions = ("pause_selected", "resume_selected", "disconnect_selected")
    change_form_template = "admin/integrations/connection/form.html"
    fieldsets = (
        (None, {"fields": ("uuid", "status_label", "reason", "status_evidence")}),
        ("Whose", {"fields": ("partner", "customer", "identifier", "integration", "made_with", "name")}),
        ("Account at the provider", {"fields": ("account", "account_link", "account_data", "config")}),
        ("Scopes", {"fields": ("granted", "missing", "requested", "requested_optional")}),
        (
            "Tokens",
            {
                "fields": (
                    "access_token_state", "refresh_token_state", "access_token_expires_at", "refresh_token_expires_at",
                    "refresh_token_alert_at", "token_stored_at", "next_refresh_at", "refresh_failures",
                    "refresh_failing_since", "unfinished_refreshes", "refresh_quarantined_at",
                )
            },
        ),
        ("Times", {"fields": ("created_at", "connected_at", "last_used_at", "updated_at", "disconnected_at")}),
    )  # fmt: skip

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Rows are not edited here; who may change connections may pause and end them."""
        return request.user.has_perm("integrations.change_connection")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        return super().get_queryset(request).defer(*_SEALED)

    # --- columns --------------------------------------------------------------------------------------------
    @admin.display(description="UUID", ordering="id")
    def short_id(self, connection: Connection) -> SafeString:
        return format_html(
            '<code class="pb-code" title="{0}">{1}…</code>', connection.pk, str(connection.pk)[:8]
        )

    @admin.display(description="UUID")
    def uuid(self, connection: Connection) -> SafeString:
        return code(str(connection.pk))

    @admin.display(description="status", ordering="status")
    def status_label(self, connection: Connection) -> SafeString:
        return status_badge(connection.status)

    @admin.display(description="customer")
    def customer_label(self, connection: Connection) -> str:
        return str(connection.customer)

    @admin.display(description="account", ordering="provider_account_name")
    def account(self, connection: Connection) -> str:
        name, number = connection.provider_account_name, connection.provider_account_id
        return f"{name} ({number})" if name and number else name or number or "–"

    @admin.display(description="reason")
    def reason(self, connection: Connection) -> str:
        return (
            f"{connection.status_reason}: {connection.reason_sentence}" if connection.status_reason else "–"
        )

    @admin.display(description="identifier")
    def identifier(self, connection: Connection) -> str:
        return connection.customer.foreign_identifier

    @admin.display(description="Client ID")
    def made_with(self, connection: Connection) -> str:
        return connection.client.client_id if connection.client else "–"

    @admin.display(description="account page")
    def account_link(self, connection: Connection) -> SafeString | str:
        url = connection.provider_account_url
        if not url.startswith("https://"):
            return url or "–"
        return format_html('<a href="{0}" rel="noopener noreferrer" target="_blank">{0}</a>', url)

    @admin.display(description="account data")
    def account_data(self, connection: Connection) -> SafeString:
        return pretty_json(connection.provider_account_data)

    @admin.display(description="values asked for")
    def config(self, connection: Connection) -> SafeString:
        return pretty_json(connection.connection_config)

    @admin.display(description="granted")
    def granted(self, connection: Connection) -> SafeString | str:
        return word_list(connection.granted_scopes)

    @admin.display(description="missing")
    def missing(self, connection: Connection) -> SafeString | str:
        return word_list(connection.missing_scopes)

    @admin.display(description="requested, required")
    def requested(self, connection: Connection) -> SafeString | str:
        return word_list(connection.requested_scopes)

    @admin.display(description="requested, optional")
    def requested_optional(self, connection: Connection) -> SafeString | str:
        return word_list(connection.requested_optional_scopes)

    @admin.display(description="access token")
    def access_token_state(self, connection: Connection) -> SafeString:
        return _state_of(connection.access_token)

    @admin.display(description="refresh token")
    def refresh_token_state(self, connection: Connection) -> SafeString:
        return _state_of(connection.refresh_token)

    # --- acts -----------------------------------------------------------------------------------------------
    @admin.action(description="Pause the selected connections", permissions=["operate"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Connection]) -> HttpResponse | None:
        return self._act_on(request, queryset, "pause")

    @admin.action(description="Resume the selected connections", permissions=["operate"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Connection]) -> HttpResponse | None:
        return self._act_on(request, queryset, "resume")

    @admin.action(description="Disconnect the selected connections", permissions=["operate"])
    def disconnect_selected(
        self, request: HttpRequest, queryset: QuerySet[Connection]
    ) -> HttpResponse | None:
        return self._act_on(request, queryset, "disconnect")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.act_view)
        own = [
            path(f"<path:object_id>/{name}/", view, {"act": name}, name=f"integrations_connection_{name}")
            for name in ACTS
        ]
        report = path(
            "<path:object_id>/report/",
            self.admin_site.admin_view(self.report_view),
            name="integrations_connection_report",
        )
        return [*own, report, *super().get_urls()]

    def report_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What happened to a connection, for whoever may look at it."""
        connection: Any = self.get_object(request, object_id)
        if not self.has_view_permission(request, connection):
            raise PermissionDenied
        if connection is None:
            raise Http404
        context = {**self.admin_site.each_context(request), "opts": self.opts, **report_context(connection)}
        return TemplateResponse(request, "admin/integrations/connection/report.html", context)

    def act_view(self, request: HttpRequest, object_id: str, act: str) -> HttpResponse:
        """The buttons on a connection's own page: GET asks, POST does it."""
        connection: Any = self.get_object(request, object_id)
        if connection is None:
            raise Http404
        if not self.has_operate_permission(request):
            raise PermissionDenied
        back = reverse("admin:integrations_connection_change", args=[connection.pk])
        if request.method != "POST":
            return self._ask(request, act, [connection], back=back)
        self._carry_out(request, act, [connection])
        return HttpResponseRedirect(back)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        connection: Any = self.get_object(request, object_id)
        acts = self._acts_for(connection) if connection and self.has_operate_permission(request) else []
        return super().change_view(request, object_id, form_url, {"acts": acts, **(extra_context or {})})

    def _acts_for(self, connection: Connection) -> list[dict[str, str]]:
        if connection.status in {Status.PENDING, Status.DISCONNECTED}:
            return []
        names = ["resume" if connection.status == Status.PAUSED else "pause", "disconnect"]
        return [
            {
                "label": ACTS[name].verb,
                "url": reverse(f"admin:integrations_connection_{name}", args=[connection.pk]),
                "class": "pb-danger" if ACTS[name].is_dangerous else "",
            }
            for name in names
        ]

    def _act_on(self, request: HttpRequest, queryset: QuerySet[Connection], name: str) -> HttpResponse | None:
        if request.POST.get("confirmed") != "yes":
            back = reverse("admin:integrations_connection_changelist")
            return self._ask(request, name, list(queryset[:200]), back=back, action=f"{name}_selected")
        self._carry_out(request, name, list(queryset[:200]))
        return None

    def _ask(
        self, request: HttpRequest, name: str, chosen: list[Connection], *, back: str, action: str = ""
    ) -> HttpResponse:
        act = ACTS[name]
        subject = str(chosen[0].pk) if len(chosen) == 1 else f"{len(chosen)} connections"
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": act.question.format(subject),
            "sentences": act.sentences,
            "listed": [f"{row.customer} ({row.integration}, {row.status})" for row in chosen],
            "hidden": [(ACTION_CHECKBOX_NAME, str(row.pk)) for row in chosen] if action else [],
            "action": action,
            "verb": act.verb,
            "is_dangerous": act.is_dangerous,
            "back": back,
        }
        return TemplateResponse(request, "admin/patchbay/confirm.html", context)

    def _carry_out(self, request: HttpRequest, name: str, chosen: list[Connection]) -> None:
        act = ACTS[name]
        actor = Actor.staff(request.user)  # type: ignore[arg-type]  # staff are signed in here
        done = 0
        for connection in chosen:
            try:
                tasks.revoke_soon(act.carry_out(connection, actor))
            except ConnectionNotFound:
                self.message_user(
                    request,
                    f"{connection.pk} holds no grant, so there is nothing to {name}.",
                    messages.WARNING,
                )
            else:
                done += 1
        if done:
            self.message_user(
                request, f"{done} connection{'s' if done != 1 else ''} {act.done}.", messages.SUCCESS
            )


def _state_of(sealed: Sealed | None) -> SafeString:
    if sealed is None:
        return badge("none")
    return badge("stored, readable", "good") if sealed.is_readable() else badge("unreadable", "bad")
