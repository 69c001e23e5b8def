"""FERNET_KEYS is rotated while partners call and customers connect: nobody notices (design rule 1).

Access tokens that live four seconds and refresh tokens that work once make every process store new secrets all the
time: one value lost, or replaced by an older one, and a grant is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet
from django.utils import timezone

from integrations.models import Connection
from sealing import survey
from sealing.models import KeyCheck
from tests import factories
from tests.factories import World
from tests.keys.rolling import CONTACTS, Fleet, Load

pytestmark = [pytest.mark.served, pytest.mark.db]
EXPIRES_IN = 4
GRANTS = 24
ENOUGH = {"calls": 50, "refreshes": GRANTS}


@pytest.fixture
def fleet(transactional_db: Any, sandbox: Any, settings: Any, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(settings.UPSTREAM_MAP, tmp_path)
    yield made
    made.close()


@pytest.fixture
def load(fleet: Fleet, sandbox: Any) -> Load:
    """Ready to begin, with customers whose grants the sandbox knows."""
    at = factories.world()
    at.register_at(sandbox)
    changes = {"expiresIn": EXPIRES_IN, "rotateRefreshTokens": True, "rateLimit": None}
    sandbox.control("PATCH", "/_control/behaviour", changes)
    return Load(fleet, at, sandbox, customers=[granted(at, sandbox, number) for number in range(GRANTS)])


def granted(at: World, sandbox: Any, number: int) -> str:
    sandbox.control("POST", "/_control/accounts", {"hubId": 6_000_000 + number})
    wanted = {"clientId": at.client.client_id, "hubId": 6_000_000 + number}
    pair = sandbox.control("POST", "/_control/grants", wanted)
    factories.connection(
        at,
        f"cust-{number}",
        access_token=pair["accessToken"],
        refresh_token=pair["refreshToken"],
        expires_in=EXPIRES_IN,
    )
    return f"cust-{number}"


def rotate(fleet: Fleet, keys: list[str]) -> str:
    command = fleet.manage(keys, "rotate_keys", "--batch-size", "5")
    out, _ = command.communicate(timeout=120)
    assert command.returncode == 0, out
    return out


def no_harm_was_done(load: Load, fleet: Fleet) -> None:
    assert load.failures == []
    assert "Traceback" not in fleet.log.read_text()
    assert set(Connection.objects.exclude(status="pending").values_list("status", flat=True)) == {"active"}


def everything_is_under(settings: Any, key: str) -> None:
    """With that key alone."""
    settings.FERNET_KEYS = [key]
    found = survey.take()
    assert found.is_complete
    assert (found.total("older"), found.total("unreadable")) == (0, 0)
    assert found.total("newest") >= 2 * GRANTS + KeyCheck.objects.count() + 1


def test_two_processes_at_different_steps_serve_what_the_other_sealed(
    fleet: Fleet, load: Load, settings: Any
) -> None:
    old, new = settings.FERNET_KEYS[0], Fernet.generate_key().decode()
    fleet.exchange(a=[new, old], b=[old, new])
    with load:
        load.hold(calls=20, refreshes=6, connected=1)
        fleet.exchange(b=[new, old])
        out = rotate(fleet, [new, old])
        load.hold(calls=10, refreshes=2)
    no_harm_was_done(load, fleet)
    assert "may be removed from FERNET_KEYS" in out
    everything_is_under(settings, new)


def test_steps_in_the_wrong_order_are_told_change_nothing_and_heal(
    fleet: Fleet, load: Load, settings: Any
) -> None:
    """One process writes with a key that another has not got: step 2 before step 1 was everywhere."""
    old, new = settings.FERNET_KEYS[0], Fernet.generate_key().decode()
    fleet.exchange(ahead=[new, old], behind=[old])
    who = "cust-0"
    mine = Connection.objects.filter(customer__foreign_identifier=who)
    assert (
        mine.update(access_token_expires_at=timezone.now()) == 1
    )  # due, so that it is stored under the new key
    assert ask(fleet, load, "ahead", who).status_code == 200
    row = mine.values("status", "token_version", "access_token", "refresh_token").get()
    assert row["token_version"] == 2
    told = ask(fleet, load, "behind", who)
    assert told.status_code == 503 and told.json()["reason"] == "unreadable_secret"
    assert "FERNET_KEYS" in told.json()["detail"]
    assert mine.values("status", "token_version", "access_token", "refresh_token").get() == row
    rotate(fleet, [new, old])
    with fleet.one("behind") as base:
        ready = requests.get(f"{base}/readyz", timeout=60)
    assert "FERNET_KEYS" in ready.json()["checks"]["keys"]["detail"], "all is under a key that it has not got"
    fleet.exchange(behind=[old, new])
    assert ask(fleet, load, "behind", who).status_code == 200
    no_harm_was_done(load, fleet)


def ask(fleet: Fleet, load: Load, name: str, who: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {load.at.api_key}"}
    with fleet.one(name) as base:
        return requests.get(f"{base}/proxy/hbdev/{who}{CONTACTS}", headers=headers, timeout=60)


@pytest.mark.slow
def test_three_steps_one_process_after_the_other_cost_no_call_and_no_value(
    fleet: Fleet, load: Load, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = settings.FERNET_KEYS[0], Fernet.generate_key().decode()
    fleet.exchange(a=[old], b=[old])
    phases: dict[str, tuple[int, int]] = {}
    with load:
        phases["before"] = load.hold(**ENOUGH)
        fleet.exchange(a=[old, new])
        phases["1: new key last in one"] = load.hold(**ENOUGH)
        fleet.exchange(b=[old, new])
        fleet.exchange(a=[new, old])
        phases["2: promoted in one"] = load.hold(**ENOUGH)
        fleet.exchange(b=[new, old])
        check = fleet.manage([new, old], "rotate_keys", "--check")
        assert "under an older key" in check.communicate(timeout=120)[0] and check.returncode == 1
        rotate(fleet, [new, old])
        check = fleet.manage([new, old], "rotate_keys", "--check")
        assert "may be removed" in check.communicate(timeout=120)[0] and check.returncode == 0
        fleet.exchange(a=[new])
        phases["3: old key dropped in one"] = load.hold(**ENOUGH)
        fleet.exchange(b=[new])
        phases["after"] = load.hold(**ENOUGH)
    no_harm_was_done(load, fleet)
    everything_is_under(settings, new)
    with capsys.disabled():
        total = f"{load.calls.total()} calls, {load.connected.total()} customers connected, 0 failures"
        print(f"\nrotation under load: {total}; (calls, refreshes) {phases}")
