"""`/connect/{token}`: confirm, leave, status. `/reconnect/{signed}`: a link made from a signed address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters

from accounts.api import problems
from accounts.api.problems import Problem
from integrations import connect, errors
from integrations.catalogue import ConnectionField, ConnectionSecret
from integrations.models import ConnectLink
from integrations.pages import callback, catalogue_words, cookies, links, marks, replies, words
from integrations.pages.replies import Page

#: before the names of inputs whose values are kept sealed, so that none is taken for a connection field
SECRET_PREFIX = "secret-"  # noqa: S105 - a prefix of names


@dataclass(frozen=True, slots=True)
class FieldInput:
    """One input as the page shows it; error is the sentence beside it, "" when all is well.

    is_secret: never shown again, and typed unseen. where: where at the provider the value stands.
    """

    name: str
    title: str
    description: str
    example: str
    suffix: str
    required: bool
    value: str
    error: str
    is_secret: bool = False
    where: str = ""
    max_characters: int = 300


@dataclass(frozen=True, slots=True)
class ScopeGroup:
    """Scopes of one object, the required ones first."""

    name: str
    scopes: tuple[connect.ConsentScope, ...]


class ConnectView(Page):
    """The confirm page. GET spends nothing and may be repeated; POST begins an attempt."""

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        link = links.find(token)
        connect.require_usable(link, now=timezone.now())
        response = _confirm(request, link)
        if request.method == "GET":
            connect.mark_opened(link)
        return response

    @method_decorator(sensitive_post_parameters())
    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        link = links.find(token)
        connect.require_usable(link, now=timezone.now())
        secret = cookies.read(request) or connect.new_browser_secret()
        consent = connect.describe(link)
        values = {
            field.name: request.POST[field.name] for field in consent.fields if field.name in request.POST
        }
        act = _start if consent.provider.has_consent else _submit
        try:
            response = act(request, link, secret, values)
        except errors.InvalidInput as error:
            if replies.accepts_json(request):
                return problems.render(
                    problems.invalid(error.field, str(error)), problems.request_id_of(request)
                )
            return _confirm(request, link, values=values, error=error)
        except errors.NotFound as error:
            return replies.dead_end(request, Problem("not_found", str(error)), words.SWITCHED_OFF)
        cookies.write(response, secret)
        return response


def _start(request: HttpRequest, link: ConnectLink, secret: str, values: Mapping[str, str]) -> HttpResponse:
    started = connect.start(link, browser_secret=secret, values=values)
    return _leaving(request, started, again_path=request.path)


def _submit(request: HttpRequest, link: ConnectLink, secret: str, values: Mapping[str, str]) -> HttpResponse:
    """Connect with what was typed. What is wrong with it is said beside the form; all else is a result."""
    names = [wanted.name for wanted in link.integration.provider.connection_secrets]
    typed = {
        name: request.POST[SECRET_PREFIX + name] for name in names if SECRET_PREFIX + name in request.POST
    }
    finished = connect.submit(link, browser_secret=secret, values=values, secrets=typed)
    if finished.reason in ("link_used", "link_revoked"):
        raise errors.LinkUnusable(finished.reason.removeprefix("link_"))
    is_failed = finished.outcome not in ("connected", "choosing")
    if is_failed and not replies.accepts_json(request):
        return _confirm(request, link, values=values, failure=callback.what_went_wrong(finished))
    return callback.answer(request, finished)


class ConnectStatusView(Page):
    """The link's state for the partner's own page, which polls it; answers after use and expiry too."""

    http_method_names = ["get", "head", "options"]
    ignores_speculative = False

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        try:
            link = links.find(token)
        except errors.NotFound:
            return _with_vary(problems.render(Problem("not_found"), problems.request_id_of(request)))
        return _with_origin(request, JsonResponse(connect.link_status(link)), link)

    def options(self, request: HttpRequest, token: str) -> HttpResponse:
        response = HttpResponse(status=204, headers={"Allow": "GET, HEAD, OPTIONS"})
        try:
            link = links.find(token)
        except errors.NotFound:
            return _with_vary(response)
        response.headers["Access-Control-Allow-Methods"] = "GET"
        response.headers["Access-Control-Max-Age"] = "600"
        return _with_origin(request, response, link)


class ReconnectView(Page):
    """A signed address becomes a link when a person opens it; reading the address wrote nothing."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, signed: str) -> HttpResponse:
        if request.method == "HEAD":
            return HttpResponse(status=204)
        return HttpResponse(status=302, headers={"Location": connect.open_reconnect(signed)})


def _confirm(
    request: HttpRequest,
    link: ConnectLink,
    *,
    values: Mapping[str, str] | None = None,
    error: errors.InvalidInput | None = None,
    failure: str = "",
) -> HttpResponse:
    """failure: why what was typed did not lead to a connection, in the reader's language."""
    consent = connect.describe(link)
    context = confirm_context(consent, values=values, typed=request.POST, error=error, failure=failure)
    newest = link.attempts.order_by("-created_at").first()
    context["has_tried"] = newest is not None and newest.finished_at is None
    status = 429 if isinstance(error, connect.TooManyTries) else 400 if error or failure else 200
    response = replies.page(request, "connect/confirm.html", context, status=status)
    cookies.write(response, cookies.read(request) or connect.new_browser_secret())
    return response


def confirm_context(
    consent: connect.Consent,
    *,
    values: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    error: errors.InvalidInput | None = None,
    failure: str = "",
) -> dict[str, Any]:
    """What connect/confirm.html needs. values and typed are what was sent before; error belongs to one of the
    inputs, or to the form as a whole when it names none of them, as failure does."""
    known: Mapping[str, Any] = consent.values if values is None else {**consent.values, **values}
    fields = [_input(field, str(known.get(field.name, "")), error) for field in consent.fields]
    fields += [_secret_input(secret, typed or {}, error) for secret in consent.secrets]
    return {
        "consent": consent,
        "is_typed": not consent.provider.has_consent,
        "partner_mark": marks.of_name(consent.partner_name),
        "provider_mark": marks.of_provider(consent.provider),
        "scope_groups": grouped(consent.scopes),
        "has_optional_scopes": any(scope.is_optional for scope in consent.scopes),
        "fields": fields,
        "has_errors": error is not None or bool(failure),
        "form_error": failure
        or (gettext(str(error)) if error and not any(field.error for field in fields) else ""),
    }


def _input(field: ConnectionField, value: str, error: errors.InvalidInput | None) -> FieldInput:
    is_wrong = error is not None and error.field in (field.name, f"connectionConfig.{field.name}")
    return FieldInput(
        name=field.name,
        title=catalogue_words.in_words(field.title),
        description=catalogue_words.in_words(field.description),
        example=field.example,
        suffix=field.suffix or "",
        required=field.required,
        value=value,
        error=_field_error(error, field.example) if error and is_wrong else "",
    )


def _secret_input(
    secret: ConnectionSecret, typed: Mapping[str, str], error: errors.InvalidInput | None
) -> FieldInput:
    is_wrong = error is not None and error.field == f"secrets.{secret.name}"
    return FieldInput(
        name=SECRET_PREFIX + secret.name,
        title=catalogue_words.in_words(secret.title),
        description=catalogue_words.in_words(secret.description),
        example=secret.example,
        suffix="",
        required=True,
        value="" if secret.is_secret else str(typed.get(SECRET_PREFIX + secret.name, "")),
        error=_field_error(error, secret.example) if error and is_wrong else "",
        is_secret=secret.is_secret,
        where=secret.console_location,
        max_characters=connect.MAX_CHARACTERS,
    )


def grouped(scopes: tuple[connect.ConsentScope, ...]) -> list[ScopeGroup]:
    """Scopes by group, in order of the groups' names, those of none last; within one the required ones first.

    In the reader's language.
    """
    ordered = sorted(
        (_in_words(scope) for scope in scopes),
        key=lambda scope: (not scope.group, scope.group, scope.is_optional),
    )
    return [ScopeGroup(name, tuple(members)) for name, members in groupby(ordered, key=attrgetter("group"))]


def _in_words(scope: connect.ConsentScope) -> connect.ConsentScope:
    meaning, group = catalogue_words.in_words(scope.meaning), catalogue_words.in_words(scope.group)
    return replace(scope, meaning=meaning, group=group)


def _field_error(error: errors.InvalidInput, example: str) -> str:
    return catalogue_words.field_error(str(error), example=example)


def _leaving(request: HttpRequest, started: connect.Started, *, again_path: str) -> HttpResponse:
    link = started.attempt.link
    context = {
        "authorization_url": started.authorization_url,
        "provider_name": started.provider_name,
        "provider_host": urlsplit(started.authorization_url).netloc,
        "again_path": again_path,
        "partner_mark": marks.of_name(link.partner.name),
        "provider_mark": marks.of_provider(link.integration.provider),
    }
    return replies.page(request, "connect/leaving.html", context)


def _with_origin(request: HttpRequest, response: HttpResponse, link: ConnectLink) -> HttpResponse:
    origin = request.headers.get("Origin", "")
    if origin and origin in link.partner.allowed_return_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
    return _with_vary(response)


def _with_vary(response: HttpResponse) -> HttpResponse:
    response.headers["Vary"] = "Origin"
    return response
