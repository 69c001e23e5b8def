"""`/manage/{token}`: the customer's own page; what is connected, and the ways to end it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from integrations import connect, errors, tasks
from integrations.models import ManageLink
from integrations.models.connection import USABLE, Status
from integrations.pages import catalogue_words, marks, replies, words
from integrations.pages.marks import Mark
from integrations.pages.replies import Page

#: status -> (what the customer reads, tone of the label)
_STATUS_WORDS: Mapping[str, tuple[Promise, str]] = {
    Status.ACTIVE: (_("Connected"), "good"),
    Status.REFRESH_FAILING: (_("Having trouble"), "warn"),
    Status.RECONNECT_REQUIRED: (_("Needs you"), "bad"),
    Status.PAUSED: (_("Paused"), "off"),
    Status.PENDING: (_("Not finished"), "off"),
    Status.DISCONNECTED: (_("Disconnected"), "off"),
}
_ACTIONS = frozenset({"pause", "resume", "disconnect"})


@dataclass(frozen=True, slots=True)
class Use:
    """Calls of one kind: what they do, how many there were, when the last was over (aware UTC)."""

    label: Promise
    day: str
    whole: str
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Uses:
    """How often a connection was used in the last days; kinds is empty when it was not."""

    days: int
    kinds: Sequence[Use]
    newest_only: str


@dataclass(frozen=True, slots=True)
class Row:
    """One connection as manage/connection.html shows it."""

    id: str
    mark: Mark
    provider_name: str
    integration_name: str
    account_name: str
    account_url: str
    status_label: Promise | str
    tone: str
    reason_sentence: str
    connected_at: datetime | None
    last_used_at: datetime | None
    missing_scopes: Sequence[str]
    uses: Uses | None
    can_pause: bool
    can_resume: bool
    needs_reconnect: bool


class ManageView(Page):
    """GET lists and changes nothing. POST does one thing to one connection and shows the list again."""

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        link = connect.find_manage_link(token)
        notice = words.DONE.get(request.GET.get("done", ""), "")
        return _list(request, link, notice=str(notice), notice_kind="good")

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        link = connect.find_manage_link(token)
        action = request.POST.get("action", "")
        connection_id = _connection_id(request.POST.get("connection", ""))
        try:
            if action == "reconnect":
                return _see_other(connect.manage_reconnect(link, connection_id))
            if action not in _ACTIONS:
                return _list(request, link, notice=str(_("Choose one of the buttons.")), status=400)
            tasks.revoke_soon(connect.manage_act(link, connection_id, action))
        except errors.InvalidInput as error:
            return _list(request, link, notice=gettext(str(error)), status=400)
        return _see_other(f"{reverse('manage', args=[token])}?done={action}")


def _list(
    request: HttpRequest, link: ManageLink, *, notice: str = "", notice_kind: str = "bad", status: int = 200
) -> HttpResponse:
    entries = [row_of(entry) for entry in connect.manage_entries(link)]
    context = list_context(link, entries) | {"notice": notice, "notice_kind": notice_kind}
    return replies.page(request, "manage/list.html", context, status=status)


def list_context(link: ManageLink, entries: Sequence[Row]) -> dict[str, Any]:
    """What manage/list.html needs, without a notice."""
    return {
        "partner_name": link.partner.name,
        "partner_mark": marks.of_name(link.partner.name),
        "customer_name": link.customer.display_name,
        "expires_at": link.expires_at,
        "entries": entries,
    }


def row_of(entry: connect.ManageEntry) -> Row:
    """The domain's entry in the page's words."""
    label, tone = _STATUS_WORDS.get(entry.status, (entry.status, "off"))
    return Row(
        id=str(entry.connection.pk),
        mark=marks.of_provider(entry.provider),
        provider_name=entry.provider.display_name,
        integration_name=entry.integration_name,
        account_name=entry.account_name,
        account_url=entry.account_url if entry.account_url.startswith(("https://", "http://")) else "",
        status_label=label,
        tone=tone,
        reason_sentence=gettext(entry.reason_sentence),
        connected_at=entry.connected_at,
        last_used_at=entry.last_used_at,
        missing_scopes=[catalogue_words.in_words(meaning) for meaning in entry.missing_scopes],
        uses=uses_of(entry.activity) if entry.activity else None,
        can_pause=entry.status in USABLE,
        can_resume=entry.status == Status.PAUSED,
        needs_reconnect=entry.status == Status.RECONNECT_REQUIRED,
    )


def uses_of(activity: connect.Activity) -> Uses:
    """The numbers as the reader's language writes them."""
    kinds = (
        (_("Read"), activity.reads),
        (_("Sent or changed"), activity.changes),
        (_("Deleted"), activity.deletions),
    )
    return Uses(
        days=activity.days,
        kinds=[Use(label, _number(calls.day), _number(calls.whole), calls.last_at) for label, calls in kinds]
        if activity.last_at
        else [],
        newest_only=_number(activity.newest_only) if activity.newest_only else "",
    )


def _number(count: int) -> str:
    return number_format(count, use_l10n=True, force_grouping=True)


def _connection_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise errors.ConnectionNotFound("There is no such connection.") from error


def _see_other(path: str) -> HttpResponse:
    return HttpResponse(status=303, headers={"Location": path})
