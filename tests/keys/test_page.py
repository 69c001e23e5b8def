"""What the staff are told about the keys: the page, the banner, `doctor`, `readyz`."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from accounts import health, health_checks
from accounts.health import Health
from integrations.models import ClientCredentials, Connection
from sealing import health as key_health
from sealing import noticed, watch
from sealing.keyring import fingerprint
from tests import factories
from tests.factories import World
from tests.integrations.admin.conftest import StaffClient, boss, staff

__all__ = ["boss", "staff"]
pytestmark = [pytest.mark.django_db, pytest.mark.db]


@pytest.fixture(autouse=True)
def _nothing_known(db: Any) -> Iterator[None]:
    def forget() -> None:
        watch.forget()
        for place in noticed.places():
            noticed.remove(*place)

    forget()
    key_health.note_key("default")
    yield
    forget()


@pytest.fixture
def other(settings: Any) -> Iterator[str]:
    """Take the key away; the fixture is the one that is left."""
    made = Fernet.generate_key().decode()
    settings.FERNET_KEYS = [made]
    return made


def words(response: Any) -> str:
    assert response.status_code == 200, response.status_code
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def page(client: Client) -> str:
    return words(client.get(reverse("admin:keys")))


def spoil(row: Any, name: str) -> None:
    table = row._meta.db_table
    with database.cursor() as cursor:
        pk = row._meta.pk.get_db_prep_value(row.pk, database)
        cursor.execute(f'UPDATE "{table}" SET "{name}" = %s WHERE id = %s', [b"broken", pk])


# --- the page and the banner --------------------------------------------------------------------------------
def test_with_the_right_key_there_is_no_banner_and_the_page_says_so(boss: Client, world: World) -> None:
    factories.connection(world)
    overview = words(boss.get(reverse("admin:index")))
    assert "FERNET_KEYS does not open" not in overview and "whether the stored secrets open" in overview
    assert "Every stored value opens." in page(boss)


def test_a_lost_key_is_named_with_what_to_do_step_by_step(boss: Client, world: World, settings: Any) -> None:
    held, made = settings.FERNET_KEYS[0], factories.connection(world, "the-customer")
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    shown = page(boss)
    assert f"{fingerprint(held)} missing" in shown and fingerprint(settings.FERNET_KEYS[0]) in shown
    assert "Put it last in FERNET_KEYS" in shown and "Restart web, worker and beat" in shown
    assert "Access tokens of connections: 1" in shown and "Refresh tokens of connections: 1" in shown
    assert "canary: " not in shown.partition("What was looked at")[0], "nobody has to give that anew"
    assert "Client secrets: 1" in shown and "accept_lost_keys" in shown
    assert held not in shown and settings.FERNET_KEYS[0] not in shown
    source = boss.get(reverse("admin:keys")).content.decode()
    assert reverse("admin:integrations_connection_change", args=[made.pk]) in source
    assert reverse("admin:integrations_integration_change", args=[world.integration.pk]) in source
    assert "workers do not start" in words(boss.get(reverse("admin:index")))


def test_a_few_values_that_do_not_open_are_told_on_every_page(boss: Client, world: World) -> None:
    made = factories.connection(world, "the-customer")
    factories.connection(world, "another")
    spoil(made, "refresh_token")
    for name in ("index", "integrations_connection_changelist", "accounts_partner_changelist"):
        assert "Some stored secrets cannot be read" in words(boss.get(reverse(f"admin:{name}")))
    shown = page(boss)
    assert "1 stored value is opened by no key" in shown and "Refresh tokens of connections: 1" in shown
    assert "Access tokens of connections" not in shown


def test_a_rotation_that_has_not_ended_and_one_that_has_are_told_apart(
    boss: Client, world: World, settings: Any
) -> None:
    old, new = settings.FERNET_KEYS[0], Fernet.generate_key().decode()
    factories.connection(world)
    settings.FERNET_KEYS = [new, old]
    assert "Do not remove a key now" in page(boss)
    call_command("rotate_keys", stdout=StringIO())
    assert "The older keys may be removed from FERNET_KEYS" in page(boss)
    settings.FERNET_KEYS = [new]
    watch.forget()
    assert "Every stored value opens." in page(boss)


def test_staff_without_rights_to_the_rows_get_numbers_and_no_names(
    staff: StaffClient, world: World, other: str
) -> None:
    factories.connection(world, "the-customer")
    shown = page(staff())
    assert "the-customer" not in shown and "What to do" in shown


def test_whoever_is_not_signed_in_sees_neither_page_nor_banner(world: World, other: str) -> None:
    assert Client().get(reverse("admin:keys")).status_code == 302
    assert "FERNET_KEYS" not in words(Client().get(reverse("admin:login")))


def test_a_page_costs_no_query_more_within_half_a_minute(boss: Client, world: World) -> None:
    from django.test.utils import CaptureQueriesContext

    boss.get(reverse("admin:accounts_partner_changelist"))
    with CaptureQueriesContext(database) as queries:
        boss.get(reverse("admin:accounts_partner_changelist"))
    assert not [query for query in queries if "sealing_keycheck" in query["sql"]]


# --- doctor and readyz --------------------------------------------------------------------------------------
@pytest.fixture
def _keys_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_checks", {"keys": health_checks.keys, "more": lambda: Health(True)})


def doctor() -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("doctor", stdout=out, no_color=True)
    except SystemExit as leaving:
        return int(leaving.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.usefixtures("_keys_alone")
def test_doctor_is_content_with_the_right_key(world: World) -> None:
    factories.connection(world)
    code, text = doctor()
    assert code == 0 and text.startswith("ok      keys\n")


@pytest.mark.usefixtures("_keys_alone")
def test_doctor_names_the_setting_when_the_key_is_lost(world: World, other: str) -> None:
    code, text = doctor()
    assert code == 1 and "BAD     keys: No key in FERNET_KEYS opens the secrets" in text


@pytest.mark.usefixtures("_keys_alone")
def test_doctor_finds_the_few_values_that_readyz_does_not_look_for(world: World, client: Client) -> None:
    spoil(factories.connection(world), "access_token")
    code, text = doctor()
    assert code == 1 and "BAD     keys: 1 stored value is opened by no key in FERNET_KEYS" in text
    assert "integrations_connection.access_token: 1" in text and "rotate_keys --check" in text
    assert client.get("/readyz").status_code == 200, "one row must not take the whole installation down"


@pytest.mark.usefixtures("_keys_alone")
def test_doctor_says_what_is_under_an_older_key_and_when_that_may_go(world: World, settings: Any) -> None:
    old, new = settings.FERNET_KEYS[0], Fernet.generate_key().decode()
    factories.connection(world)
    settings.FERNET_KEYS = [new, old]
    code, text = doctor()
    assert code == 0 and "are under an older key. Run `python manage.py rotate_keys`" in text
    call_command("rotate_keys", stdout=StringIO())
    code, text = doctor()
    assert code == 0 and f"Every value is under the newest key: {fingerprint(old)} may be removed" in text


@pytest.mark.usefixtures("_keys_alone")
def test_doctor_does_not_promise_what_it_had_no_time_to_look_at(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sealing import survey

    settings.FERNET_KEYS = [*settings.FERNET_KEYS, Fernet.generate_key().decode()]
    for number in range(3):
        factories.connection(world, f"customer-{number}")
    monkeypatch.setattr(survey, "BATCH_SIZE", 1)
    monkeypatch.setattr(health_checks, "SURVEY_SECONDS", 0.0)
    code, text = doctor()
    assert code == 0 and "may be removed" not in text.replace("whether the older keys may be removed", "")
    assert "rotate_keys --check` looks at all" in text


@pytest.mark.usefixtures("_keys_alone")
def test_readyz_names_the_keys(client: Client, other: str) -> None:
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert "FERNET_KEYS" in reply.json()["checks"]["keys"]["detail"]


def test_readyz_costs_a_handful_of_queries(world: World, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(1):
        assert health_checks.keys().is_well


def test_what_was_unreadable_is_repaired_row_by_row(boss: Client, world: World) -> None:
    """ADM-04: found, told, replaced, and then no longer told."""
    made = factories.connection(world)
    spoil(made, "refresh_token")
    spoil(world.client, "client_secret")
    assert "2 stored values are opened by no key" in page(boss)
    Connection.objects.filter(pk=made.pk).update(refresh_token=None)
    ClientCredentials.objects.update(client_secret=None)
    assert "Every stored value opens." in page(boss)
    assert "cannot be read" not in words(boss.get(reverse("admin:index")))


def test_staff_without_the_right_to_integrations_do_not_read_their_client_ids(
    boss: Client, staff: StaffClient, world: World
) -> None:
    spoil(world.client, "client_secret")
    assert world.client.client_id in page(boss)
    shown = page(staff("view_partner"))
    assert world.client.client_id not in shown and str(world.client.pk) in shown
