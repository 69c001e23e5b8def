"""What stops an export or a restore: slips in its options, a database that goes away, another export at work."""

from __future__ import annotations

import fcntl
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import InterfaceError, OperationalError

from accounts.models import Partner
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.moving import records
from tests import factories
from tests.factories import World
from tests.integrations.moving.bundles import Mover, forget_everything

pytestmark = pytest.mark.db


@pytest.mark.parametrize(
    ("option", "pair", "told"),
    [
        ("--map-partner", "Acmee=Umbrella", "no partner Acmee in the bundle"),
        ("--map", "hbdve=other", "no integration hbdve in the bundle"),
    ],
)
def test_a_mapped_name_that_the_bundle_has_not_is_refused_before_anything_is_written(
    world: World, mover: Mover, option: str, pair: str, told: str
) -> None:
    factories.connection(world, "a")
    mover.export("--with-integrations", "--with-api-keys")
    forget_everything()
    with pytest.raises(CommandError, match=told):
        mover.restore(option, pair)
    assert not Partner.objects.exists() and not Connection.objects.exists()


@pytest.mark.parametrize(
    "option", [("--partner", "Acme"), ("--integration", "hbdev")], ids=["partner", "app"]
)
def test_a_bundle_is_not_restored_as_if_a_choice_had_been_heard(
    world: World, mover: Mover, option: tuple[str, str]
) -> None:
    factories.connection(world, "a")
    mover.export("--with-integrations", "--with-api-keys")
    forget_everything()
    with pytest.raises(CommandError, match="restored as a whole"):
        mover.restore(*option)
    assert not Connection.objects.exists()


@pytest.mark.parametrize("away", [OperationalError, InterfaceError])
def test_a_database_that_goes_away_is_told_in_a_sentence_and_leaves_no_file(
    world: World, mover: Mover, monkeypatch: pytest.MonkeyPatch, away: type[Exception]
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise away("connection to server at 10.0.0.7 lost")

    factories.connection(world, "a")
    mover.export(name="before")
    with monkeypatch.context() as patched:
        patched.setattr(records, "connection_record", lost)
        with pytest.raises(CommandError, match="the database is away") as told:
            mover.export()
    assert "10.0.0.7" not in str(told.value)
    assert not mover.path("bundle").exists() and not mover.path("bundle.part").exists()
    Connection.objects.all().delete()
    monkeypatch.setattr("integrations.moving.restoring.keep_number", lost)
    with pytest.raises(CommandError, match="The database is away"):
        mover.restore(name="before")


def test_an_export_does_not_take_the_file_of_another_that_still_runs(world: World, mover: Mover) -> None:
    factories.connection(world, "a")
    with mover.path("bundle.part").open("wb") as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        with pytest.raises(CommandError, match="Another export is writing"):
            mover.export("--hand-over")
        assert mover.path("bundle.part").exists() and not mover.path("bundle").exists()
    assert Connection.objects.get().status == Status.ACTIVE
    assert mover.export()["connections"] == 1  # what a killed one has left is in nobody's way
    assert not mover.path("bundle.part").exists()


def test_an_export_does_not_follow_a_link_that_lies_in_place_of_its_file(world: World, mover: Mover) -> None:
    factories.connection(world, "a")
    mover.path("victim").write_text("kept")
    mover.path("bundle.part").symlink_to(mover.path("victim"))
    assert mover.export()["connections"] == 1
    assert mover.path("victim").read_text() == "kept"
    assert not mover.path("bundle").is_symlink()
