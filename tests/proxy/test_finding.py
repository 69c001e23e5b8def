"""The prepared queries find what the functions that say what is wrong would find, and nothing else."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import credentials
from accounts.models import Credential, Partner
from integrations.models import Connection, Integration
from proxy import finding, routes
from proxy.prepared import Mark, Prepared
from proxy.selectors import Selector
from tests import factories
from tests.factories import World

pytestmark = pytest.mark.db


def selector(slug: str = "hbdev", identifier: str | None = "cust", **given: Any) -> Selector:
    return Selector(slug, identifier, given.get("connection_id"), given.get("name"))


def test_a_connection_is_found_by_its_customer_and_by_its_uuid(at: World, cust: Connection) -> None:
    for asked in (
        selector(),
        selector(name="default"),
        selector(identifier=None, connection_id=cust.pk),
        selector(connection_id=cust.pk),
    ):
        found = finding.connection_of(at.credential, asked)
        assert found == cust, asked
        assert {
            field.attname: getattr(found, field.attname) for field in Connection._meta.concrete_fields
        } == {
            field.attname: getattr(Connection.objects.get(pk=cust.pk), field.attname)
            for field in Connection._meta.concrete_fields
        }


def test_it_comes_with_what_belongs_to_it_in_one_statement(at: World, cust: Connection) -> None:
    finding.connection_of(at.credential, selector())

    with CaptureQueriesContext(database) as asked:
        found = finding.connection_of(at.credential, selector())
        assert found is not None
        names = (found.integration.slug, found.customer.foreign_identifier, found.partner.name)

    assert names == ("hbdev", "cust", "Acme")
    assert len(asked) == 1


@pytest.mark.parametrize(
    "asked",
    [
        selector(identifier="nobody"),
        selector(slug="unknown"),
        selector(slug="hb\x00dev"),
        selector(name="another"),
        selector(identifier=""),
        selector(identifier="~"),
        selector(identifier="\ud800"),
        selector(identifier=None),
        selector(identifier="nobody", connection_id="cust"),
        selector(identifier=None, connection_id="none"),
    ],
    ids=str,
)
def test_what_is_not_plain_is_left_to_the_functions_that_say_why(
    at: World, cust: Connection, asked: Selector
) -> None:
    ids = {"cust": cust.pk, "none": uuid4()}
    asked = asked._replace(connection_id=ids.get(str(asked.connection_id)))

    assert finding.connection_of(at.credential, asked) is None
    with pytest.raises(Exception, match=r".") as refused:
        routes.resolve(at.credential, asked)
    assert type(refused.value).__module__.startswith(("integrations.errors", "accounts.identifiers"))


def test_another_partner_s_connection_is_not_there(at: World, cust: Connection) -> None:
    other = factories.world("Other", of=at.integration)

    assert finding.connection_of(other.credential, selector()) is None
    assert finding.connection_of(other.credential, selector(identifier=None, connection_id=cust.pk)) is None


def test_without_the_grant_or_with_the_integration_off_nothing_is_found(at: World, cust: Connection) -> None:
    ungranted = factories.credential(at.partner).credential
    assert finding.connection_of(ungranted, selector()) is None

    Integration.objects.update(is_enabled=False)
    assert finding.connection_of(at.credential, selector()) is None


@pytest.mark.parametrize("status", ["pending", "disconnected"])
def test_what_is_not_listed_is_not_found(at: World, cust: Connection, status: str) -> None:
    Connection.objects.update(status=status)

    assert finding.connection_of(at.credential, selector()) is None


def test_of_several_only_a_named_one_is_found(at: World, cust: Connection) -> None:
    second = factories.connection(at, "cust", name="second")

    assert finding.connection_of(at.credential, selector()) is None
    assert routes.resolve(at.credential, selector()).connection_id == cust.pk  # the one called default
    assert finding.connection_of(at.credential, selector(name="second")) == second


def test_a_provider_that_left_the_catalogue_is_refused_as_before(at: World, cust: Connection) -> None:
    Integration.objects.update(provider_id="gone")

    assert finding.connection_of(at.credential, selector()) is None


def test_a_bearer_is_found_as_accounts_finds_it(at: World) -> None:
    now = timezone.now()
    token, _ = credentials.issue_token(at.credential, now=now)
    late = now + timedelta(days=400)

    for secret, moment in (
        (at.api_key, now),
        (token, now),
        (token, late),
        ("nonsense", now),
        ("\ud800", now),
    ):
        found = finding.by_bearer(secret, now=moment)
        assert found == credentials.by_bearer(secret, now=moment)
        if found is not None:
            with CaptureQueriesContext(database) as asked:
                assert found.partner.name == "Acme"
            assert not asked.captured_queries


def test_a_bearer_that_was_ended_is_not_found(at: World) -> None:
    now = timezone.now()
    assert finding.by_bearer(at.api_key, now=now)

    Credential.objects.update(expires_at=now - timedelta(seconds=1))
    assert finding.by_bearer(at.api_key, now=now) is None
    Credential.objects.update(expires_at=now + timedelta(seconds=1))
    assert finding.by_bearer(at.api_key, now=now)
    Partner.objects.update(is_active=False)
    assert finding.by_bearer(at.api_key, now=now) is None
    Partner.objects.update(is_active=True)
    Credential.objects.update(revoked_at=now)
    assert finding.by_bearer(at.api_key, now=now) is None


def test_each_thread_asks_over_its_own_connection(at: World, cust: Connection) -> None:
    finding.connection_of(at.credential, selector())
    found: list[Connection | None] = []

    def ask() -> None:
        try:
            found.append(finding.connection_of(at.credential, selector()))
        finally:
            database.close()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()

    assert found == [cust]


def test_a_mark_that_is_not_among_the_parameters_is_an_error(at: World) -> None:
    def make(*, name: str) -> Any:
        return Partner.objects.filter(name="fixed")

    with pytest.raises(ValueError, match="no parameter"):
        Prepared(make, name=Mark("mark", Partner._meta.get_field("name"))).rows(name="Acme")
