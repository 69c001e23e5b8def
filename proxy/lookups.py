"""What a call needs of the database, from the cache if it is there: who calls, and with which connection."""

from __future__ import annotations

import time
from uuid import UUID

from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied

from accounts.api.authentication import Caller
from accounts.api.problems import Problem
from accounts.models import Credential
from accounts.models.partner import Permission
from proxy import routes
from proxy.api.authentication import find_caller
from proxy.cache import TTL_SECONDS
from proxy.controls import Controls
from proxy.credentials import ONLY_AUTHORIZATION, Places, Presented
from proxy.flights import Answer
from proxy.plane import DataPlane
from proxy.record import Record
from proxy.refreshing import MAX_REFRESH_WAIT_SECONDS
from proxy.routes import Route
from proxy.selectors import Selector, is_slug


async def places_of(plane: DataPlane, slug: str) -> Places:
    """Where the callers of an integration put their key."""
    if not is_slug(slug):
        return ONLY_AUTHORIZATION
    cache = plane.cache
    generation = cache.generation()
    known: Places | None = cache.places.get(slug)
    if known is not None:
        return known
    key = ("places", generation, slug)
    places, asked_at = await plane.flights.join(key, lambda: plane.reads.submit(routes.places_of_slug, slug))
    cache.put(cache.places, slug, places, generation=generation, asked_at=asked_at)
    return places


async def caller_of(plane: DataPlane, presented: Presented) -> Answer[Caller | None]:
    """Whose credential it is; remembered once remember() says that it was let in. Raises AuthenticationFailed."""
    generation, digest = plane.cache.generation(), presented.digest
    known: Caller | None = plane.cache.callers.get(digest)
    if known is not None:
        return Answer(known, 0.0)
    key = ("caller", generation, digest)
    return await plane.flights.join(key, lambda: plane.reads.submit(find_caller, presented))


def remember(
    plane: DataPlane, presented: Presented, caller: Caller, *, generation: int | None, asked_at: float
) -> None:
    """Let later calls in on the hot path: they may use the proxy as this one may."""
    if plane.cache.callers.get(digest := presented.digest) is not caller:
        ends_at = caller.credential.expires_at
        seconds = float("inf") if ends_at is None else (ends_at - timezone.now()).total_seconds()
        plane.cache.put(
            plane.cache.callers, digest, caller, generation=generation, asked_at=asked_at, seconds=seconds
        )


async def route_of(plane: DataPlane, caller: Caller, selector: Selector, asked: Controls) -> Route:
    """The route of the connection meant, with a token that may be used.

    Raises what routes.resolve and a refresh raise.
    """
    cache = plane.cache
    generation = cache.generation()
    key = (caller.credential.pk, selector)
    known: Route | None = cache.routes.get(key)
    if known is not None and not known.has_ended:
        return known
    route, asked_at = await plane.flights.join(
        ("route", generation, key),
        lambda: plane.reads.submit(routes.resolve, caller.credential, selector),
    )
    await freshen(plane, route, timeout_seconds=asked.timeout_seconds)
    if time.monotonic() - asked_at >= TTL_SECONDS:  # the refresh was slow
        await _see_unchanged(plane, route, caller.credential.pk, selector.slug)
    seconds = route.fresh_seconds(timezone.now())
    cache.put(cache.routes, key, route, generation=generation, asked_at=asked_at, seconds=seconds)
    return route


async def freshen(plane: DataPlane, route: Route, *, timeout_seconds: float | None) -> None:
    """Give a route whose token is due another one, within the time that a call asked for has. Raises what a
    refresh raises."""
    if route.fresh_seconds(now := timezone.now()) <= 0:
        route.token = await plane.refreshes.renewed(
            route.connection_id,
            route.token,
            provider_id=route.provider.id,
            wait_seconds=min(route.header_timeout(timeout_seconds), MAX_REFRESH_WAIT_SECONDS),
            now=now,
        )


async def look_again(plane: DataPlane, route: Route, record: Record) -> None:
    """Before a call that has waited is sent: see that its caller may still make it, over the same connection.

    Gives the route a later token, if there is one. Raises AuthenticationFailed, Problem, and what routes.resolve
    raises.
    """
    await _see_unchanged(plane, route, record.credential_id, record.slug)


async def _see_unchanged(plane: DataPlane, route: Route, credential_id: UUID | None, slug: str) -> None:
    connection_id = route.connection_id
    fresh, _ = await plane.flights.join(
        ("again", plane.cache.generation(), credential_id, slug, connection_id),
        lambda: plane.reads.submit(_route_again, credential_id, slug, connection_id),
    )
    # An account that was not known yet is no other one when a job has learnt it meanwhile.
    was_known = not route.account.endswith(connection_id.hex)
    is_another = was_known and (fresh.account, fresh.added_fields) != (route.account, route.added_fields)
    if is_another or fresh.destination != route.destination:
        detail = "The connection has become one with another account while this call waited. Call again."
        raise Problem("connection_not_found", detail)
    route.signer = fresh.signer
    if fresh.token.version > route.token.version:
        route.token = fresh.token


def _route_again(credential_id: UUID | None, slug: str, connection_id: UUID) -> Route:
    live = Credential.objects.live(timezone.now()).select_related("partner")
    credential = None if credential_id is None else live.filter(pk=credential_id).first()
    if credential is None:
        raise AuthenticationFailed("The credential has expired or was revoked while this call waited.")
    if Permission.PROXY not in credential.permissions:
        raise PermissionDenied("The credential has lost its permission while this call waited.")
    return routes.resolve(credential, Selector(slug, None, connection_id, None))
