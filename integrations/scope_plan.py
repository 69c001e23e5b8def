"""Who must connect again when an integration asks for more: counts, and the connections themselves.

Widening an integration changes no connection: its tokens go on working with what was granted. This only tells.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from integrations.catalogue import Provider, UnknownProvider
from integrations.granted_scopes import lacking
from integrations.models import Connection, Integration

#: distinct grants (lists of scopes) of which the connections are listed; an integration has a handful
_MOST_GRANTS = 200


@dataclass(frozen=True, slots=True)
class ScopeCount:
    """How many living connections lack one scope."""

    name: str
    meaning: str
    is_optional: bool
    lacking: int


@dataclass(frozen=True, slots=True)
class _Grant:
    """One combination of scopes, and how many living connections have it."""

    granted: tuple[str, ...]
    requested: tuple[str, ...]
    requested_optional: tuple[str, ...]
    count: int

    def as_filter(self) -> Q:
        told = Q(granted_scopes=list(self.granted))
        if self.granted:
            return told
        return told & Q(
            requested_scopes=list(self.requested), requested_optional_scopes=list(self.requested_optional)
        )


@dataclass(frozen=True, slots=True)
class ScopePlan:
    """Counts of an integration's living connections against a choice of scopes.

    complete + lacks_required + lacks_optional == living: lacks_optional counts those that have all that is
    required. untold: of all of them, those whose provider told no scopes, judged by what was requested.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    living: int
    complete: int
    lacks_required: int
    lacks_optional: int
    untold: int
    scopes: tuple[ScopeCount, ...]
    _lacking_grants: tuple[_Grant, ...]

    @property
    def is_list_partial(self) -> bool:
        """Whether so many different grants lack something that the rarest are left out of the list."""
        return len(self._distinct_grants()) > _MOST_GRANTS

    def grants_filter(self) -> Q:
        """Which rows lack a required scope."""
        found = Q(pk__in=[])
        for grant in self._distinct_grants()[:_MOST_GRANTS]:
            found |= grant.as_filter()
        return found

    def _distinct_grants(self) -> list[_Grant]:
        """The most common first. What was requested tells two apart only where nothing was told."""
        distinct = {(grant.granted or grant): grant for grant in self._lacking_grants}
        return sorted(distinct.values(), key=lambda grant: -grant.count)


@dataclass(frozen=True, slots=True)
class MustReconnect:
    """A connection that lacks required scopes."""

    connection: Connection
    lacks: tuple[str, ...]


def plan(
    integration: Integration, *, required: Sequence[str] | None = None, optional: Sequence[str] | None = None
) -> ScopePlan:
    """Count against the given scopes, or the integration's own.

    One grouped query, exact: what is read grows with the number of different grants, not of connections.
    """
    needed = tuple(_with_mandatory(integration, required))
    wanted = tuple(
        scope
        for scope in dict.fromkeys(integration.optional_scopes() if optional is None else optional)
        if scope not in needed
    )
    provider = provider_or_none(integration)
    tally = _Tally(provider, needed, wanted)
    for grant in _grants(integration):
        tally.add(grant)
    return tally.plan()


def who_must_reconnect(
    integration: Integration, found: ScopePlan, *, before: tuple[datetime, uuid.UUID] | None, limit: int
) -> list[MustReconnect]:
    """The newest connections that lack a required scope, made before (created_at, id)."""
    rows = _living(integration).filter(found.grants_filter())
    if before is not None:
        at, pk = before
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk))
    chosen = rows.select_related("customer", "partner").defer("access_token", "refresh_token")
    provider = provider_or_none(integration)
    return [
        MustReconnect(row, tuple(_lacks(provider, found.required, row)))
        for row in chosen.order_by("-created_at", "-pk")[:limit]
    ]


def provider_or_none(integration: Integration) -> Provider | None:
    try:
        return integration.provider
    except UnknownProvider:
        return None


def _with_mandatory(integration: Integration, required: Sequence[str] | None) -> Iterable[str]:
    if required is None:
        return integration.required_scopes()
    provider = provider_or_none(integration)
    return dict.fromkeys([*required, *(provider.oauth.scope.mandatory if provider else ())])


def _lacks(provider: Provider | None, wanted: Iterable[str], row: Connection | _Grant) -> list[str]:
    if isinstance(row, _Grant):
        granted, requested = row.granted, (*row.requested, *row.requested_optional)
    else:
        granted = tuple(row.granted_scopes)
        requested = (*row.requested_scopes, *row.requested_optional_scopes)
    return lacking(provider, wanted, granted=granted, requested=requested)


def _living(integration: Integration) -> QuerySet[Connection]:
    return Connection.objects.listed().filter(integration=integration)


def _grants(integration: Integration) -> Iterator[_Grant]:
    names = ("granted_scopes", "requested_scopes", "requested_optional_scopes")
    rows = _living(integration).order_by().values_list(*names).annotate(count=Count("pk"))
    for granted, requested, requested_optional, count in rows.iterator():
        yield _Grant(tuple(granted), tuple(requested), tuple(requested_optional), count)


class _Tally:
    """Adds up grants."""

    def __init__(
        self, provider: Provider | None, required: tuple[str, ...], optional: tuple[str, ...]
    ) -> None:
        self._provider, self._required, self._optional = provider, required, optional
        self._per_scope = dict.fromkeys((*required, *optional), 0)
        self._living = self._lacks_required = self._lacks_optional = self._untold = 0
        self._lacking_grants: list[_Grant] = []

    def add(self, grant: _Grant) -> None:
        missing = _lacks(self._provider, self._per_scope, grant)
        for scope in missing:
            self._per_scope[scope] += grant.count
        self._living += grant.count
        self._untold += 0 if grant.granted else grant.count
        if any(scope in self._required for scope in missing):
            self._lacks_required += grant.count
            self._lacking_grants.append(grant)
        elif missing:
            self._lacks_optional += grant.count

    def plan(self) -> ScopePlan:
        return ScopePlan(
            required=self._required,
            optional=self._optional,
            living=self._living,
            complete=self._living - self._lacks_required - self._lacks_optional,
            lacks_required=self._lacks_required,
            lacks_optional=self._lacks_optional,
            untold=self._untold,
            scopes=tuple(self._count(name, n) for name, n in self._per_scope.items()),
            _lacking_grants=tuple(self._lacking_grants),
        )

    def _count(self, name: str, number: int) -> ScopeCount:
        known = self._provider.scope_by_name(name) if self._provider else None
        return ScopeCount(name, known.meaning if known else "", name in self._optional, number)
