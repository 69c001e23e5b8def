"""`manage.py import_connections`: lines become connections, each on its own, none in half."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import AuditEntry, Customer, Event
from integrations import tokens
from integrations.models import Connection, ConnectionNumber
from integrations.models.connection import Status
from tests import factories
from tests.factories import World
from tests.integrations.moving.imports import CANARY, LINE, NANGO, STACKGO, opened, run

pytestmark = pytest.mark.db


def everything() -> list[Any]:
    return [model.objects.count() for model in (Connection, Customer, Event, AuditEntry, ConnectionNumber)]


def test_lines_become_active_connections_with_their_event_and_audit_entry(adopt: Any) -> None:
    lines = [{**LINE, "userForeignIdentifier": f"tenant-{n}"} for n in range(3)]
    result = adopt(lines)
    assert result.is_well and result.counts("adopted", "already_there", "refused") == (3, 0, 0)
    assert set(Connection.objects.values_list("status", flat=True)) == {Status.ACTIVE}
    assert Event.objects.filter(type="connection.created").count() == 3
    whole = AuditEntry.objects.get(action="connections.imported")
    assert (whole.actor_label, whole.changes["adopted"], whole.changes["format"]) == (
        "manage.py",
        3,
        "patchbay",
    )
    assert CANARY not in json.dumps(list(AuditEntry.objects.values()), default=str)


def test_running_it_again_adopts_nothing_twice(adopt: Any) -> None:
    lines = [{**LINE, "userForeignIdentifier": f"tenant-{n}"} for n in range(3)]
    adopt(lines[:2])
    before = opened_all()
    result = adopt(lines)
    assert result.is_well and result.counts("adopted", "already_there") == (1, 2)
    assert adopt(lines).counts("adopted", "already_there") == (0, 3)
    assert opened_all().items() >= before.items()


def opened_all() -> dict[Any, Any]:
    return {row.pk: tokens.open_tokens(row) for row in Connection.objects.all()}


def test_a_dry_run_writes_nothing_and_reports_the_same(adopt: Any, world: World) -> None:
    factories.connection(world, "there-already")
    lines = [
        LINE,
        {**LINE, "expiresIn": None},
        b"{not json",
        LINE,
        {**LINE, "userForeignIdentifier": "there-already"},
        {**LINE, "userForeignIdentifier": "tenant-43", "refreshToken": "", "id": 9},
        {**LINE, "userForeignIdentifier": "tenant-44", "id": 9},
        {**LINE, "userForeignIdentifier": "tenant-45", "UUID": STACKGO["UUID"]},
        {**LINE, "userForeignIdentifier": "tenant-46", "UUID": STACKGO["UUID"]},
    ]
    before = everything()
    foreseen = adopt(lines, "--dry-run")
    assert everything() == before
    real = adopt(lines)
    assert (foreseen.report, foreseen.err) == (real.report, real.err)
    assert real.counts("adopted", "already_there", "refused") == (4, 2, 3)
    assert real.counts("without_refresh_token", "numbers_not_kept") == (1, 1)


@pytest.mark.parametrize("choice", ["fail", "replace"])
def test_a_dry_run_foresees_the_other_answers_to_a_conflict_too(adopt: Any, choice: str) -> None:
    lines = [LINE, {**LINE, "accessToken": "CNew0123456789"}]
    foreseen = adopt(lines, "--dry-run", "--on-conflict", choice)
    real = adopt(lines, "--on-conflict", choice)
    assert (foreseen.report, foreseen.err) == (real.report, real.err)
    assert real.counts("adopted", "replaced", "refused") == ((1, 0, 1) if choice == "fail" else (1, 1, 0))


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.RECONNECT_REQUIRED, Status.PAUSED])
def test_replacing_brings_newer_tokens_to_the_same_connection(
    adopt: Any, world: World, status: Status
) -> None:
    """A trial run last week must not keep today's tokens out."""
    made = factories.connection(world, "tenant-42", status=status)
    assert adopt([LINE], "--on-conflict", "replace").counts("replaced") == (1,)
    row = Connection.objects.get()
    assert row.pk == made.pk and row.token_version == made.token_version + 1
    assert opened()["access_token"] == LINE["accessToken"]
    assert row.status == (Status.PAUSED if status == Status.PAUSED else Status.ACTIVE)
    expected = "recovered" if status == Status.RECONNECT_REQUIRED else "updated"
    assert Event.objects.get().type == f"connection.{expected}"


def test_replacing_does_not_cut_into_a_refresh(adopt: Any, world: World) -> None:
    made = factories.connection(world, "tenant-42")
    Connection.objects.filter(pk=made.pk).update(
        lease_owner=made.pk, lease_expires_at=timezone.now() + timedelta(seconds=30)
    )
    result = adopt([LINE], "--on-conflict", "replace")
    assert not result.is_well and "being refreshed" in result.err
    assert opened()["access_token"] != LINE["accessToken"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"expiresIn": None}, "expiresIn"),
        ({"expiresIn": "1800"}, "expiresIn"),
        ({"expiresIn": -1}, "expiresIn"),
        ({"expiresIn": True}, "expiresIn"),
        ({"expiresAt": "2026-11-25 08:00", "expiresIn": None}, "expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59Z", "expiresIn": None}, "expiresAt"),
        ({"neverExpires": True}, "expiresIn"),
        ({"accessToken": ""}, "accessToken"),
        ({"accessToken": "to\r\nX-Evil: 1"}, "accessToken"),
        ({"accessToken": ["x"]}, "accessToken"),
        ({"refreshToken": "a\x00b"}, "refreshToken"),
        ({"refreshToken": "a\ud800b"}, "refreshToken"),
        ({"userForeignIdentifier": ""}, "userForeignIdentifier"),
        ({"userForeignIdentifier": "."}, "userForeignIdentifier"),
        ({"userForeignIdentifier": 42}, "userForeignIdentifier"),
        ({"connectionName": " x "}, "connectionName"),
        ({"scopes": "oauth"}, "scopes"),
        ({"scopes": ["a" * 201]}, "scopes"),
        ({"customer": {"email": "nobody"}}, "customer.email"),
        ({"customer": "Ada"}, "customer"),
        ({"providerData": {CANARY: "1"}}, "providerData"),
        ({"providerData": {"hub_id": CANARY}}, "providerData.hub_id"),
        ({"connectionConfig": {CANARY: "1"}}, "connectionConfig"),
        ({"clientId": CANARY}, "clientId"),
        ({"clientId": "a\x00b"}, "clientId"),
        ({"appSlug": CANARY}, "appSlug"),
        ({"UUID": CANARY}, "UUID"),
        ({"id": 0}, "id"),
        ({"id": 10**30}, "id"),
        ({"id": 1.5}, "id"),
        ({"connectedAt": CANARY}, "connectedAt"),
    ],
)
def test_a_line_that_cannot_be_used_names_line_and_field_and_leaves_nothing(
    adopt: Any, change: dict[str, Any], field: str
) -> None:
    result = adopt([{**LINE, **change}, {**LINE, "userForeignIdentifier": "good"}])
    assert not result.is_well and result.counts("adopted", "refused") == (1, 1)
    assert result.err.startswith(f"line 1: {field}: "), result.err
    assert "X-Evil" not in result.err
    assert Customer.objects.get().foreign_identifier == "good"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"accessToken" "' + CANARY.encode(), "not JSON (column 16)"),
        (CANARY.encode(), "not JSON"),
        (b'{"accessToken": "' + CANARY.encode() + b'\xff"}', "not UTF-8 (byte 28)"),
        (b"[" * 100_000, "depth"),
        (b'{"id": ' + b"9" * 5_000 + b"}", "number"),
        (b'{"id": NaN}', "number"),
        (b'"' + CANARY.encode() + b'"', "no JSON object"),
        (b'{"id": 1, "id": 2}', "same name twice"),
        (b'[{"accessToken": "' + CANARY.encode() + b'"}]', "jq"),
        (b'{"connections": []}', "jq"),
        (b'{"accesToken": "x"}', "Was accessToken meant?"),
        (b'{"' + CANARY.encode() + b'": "x"}', "Used are"),
        (b"x" * (1024 * 1024 + 1), "1,048,576 bytes"),
    ],
)
def test_a_malformed_line_is_told_without_being_repeated(adopt: Any, line: bytes, said: str) -> None:
    result = adopt([line, LINE])
    assert result.counts("adopted", "refused") == (1, 1)
    assert result.err.startswith("line 1: ") and said in result.err


def test_empty_lines_a_byte_order_mark_and_a_missing_last_newline_are_no_matter(adopt: Any) -> None:
    content = b"\xef\xbb\xbf" + json.dumps(LINE).encode() + b"\r\n\r\n\n"
    content += json.dumps({**LINE, "userForeignIdentifier": "b"}).encode()
    assert adopt(content).counts("adopted", "refused") == (2, 0)


def test_the_database_of_one_partner_is_not_that_of_another(
    adopt: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ADM-06: the same outside id at two partners."""
    factories.partner("Umbrella")
    assert adopt([LINE]).counts("adopted") == (1,)
    again = adopt([LINE], "--partner", "Umbrella")
    assert again.counts("adopted", "already_there") == (1, 0)
    assert Connection.objects.count() == 2


def test_adm_06_a_uuid_of_another_partners_connection_is_refused(adopt: Any, world: World) -> None:
    made = factories.connection(factories.world("Umbrella", of=world.integration), "tenant-42")
    result = adopt([{**LINE, "UUID": str(made.pk)}])
    assert result.err.startswith("line 1: UUID: ")
    assert Connection.objects.get().partner.name == "Umbrella"


def test_a_disconnected_connection_does_not_come_back_under_its_uuid(adopt: Any, world: World) -> None:
    made = factories.connection(world, "tenant-42", status=Status.DISCONNECTED)
    assert not adopt([{**LINE, "UUID": str(made.pk)}]).is_well
    assert Connection.objects.get().status == Status.DISCONNECTED


# --- the command -----------------------------------------------------------------------------------------


def test_a_file_that_others_may_read_is_warned_of(world: World, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text(json.dumps({**LINE, "appSlug": "hbdev"}))
    warnings = []
    for mode in (0o644, 0o600):
        path.chmod(mode)
        err = StringIO()
        call_command(
            "import_connections", str(path), "--partner", str(world.partner.pk), stderr=err, stdout=StringIO()
        )
        warnings.append("chmod 600" in err.getvalue())
    assert warnings == [True, False]
    assert Connection.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--partner", "Nobody"), "There are: Acme"),
        (("--integration", "nothing"), "There are: hbdev"),
        (("--map", "hubspot"), "KEY=SLUG"),
        (("--dry-run", "--check"), "leave one out"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(world: World, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("import_connections", "/nowhere", "--partner", "Acme", *arguments)


def test_a_file_that_is_not_there_is_named(world: World, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_connections", str(tmp_path / "none"), "--partner", "Acme")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def _spoiled(draw: st.DrawFn) -> tuple[str, bytes]:
    """A line of some format with some members replaced by anything, or any bytes at all."""
    name, base = draw(st.sampled_from([("patchbay", LINE), ("nango", NANGO), ("stackgo", STACKGO)]))
    if draw(st.booleans()):
        return name, draw(st.binary(max_size=200)).replace(b"\n", b"")
    line: dict[str, Any] = json.loads(json.dumps(base))
    nested = [member for member in line.values() if isinstance(member, dict)]
    for holder in draw(st.lists(st.sampled_from([line, *nested]), min_size=1, max_size=3)):
        names = st.sampled_from(sorted(holder)) if holder else st.just("x")
        holder[draw(names | st.text(max_size=8))] = draw(_JSON)
    return name, json.dumps(line).encode()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(spoiled=_spoiled())
def test_any_line_gives_a_clean_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, spoiled: tuple[str, bytes]
) -> None:
    """Adopted, already there, or refused with the line named: never a traceback, never a secret."""
    format_name, line = spoiled
    arguments = ("--integration", "hbdev", "--format", format_name)
    foreseen = run([line], *arguments, "--dry-run", monkeypatch=monkeypatch)
    result = run([line], *arguments, monkeypatch=monkeypatch)
    assert foreseen.report == result.report
    assert sum(result.counts("adopted", "already_there", "refused")) == bool(
        line.removeprefix(b"\xef\xbb\xbf").strip()
    )
    assert all(said.startswith("line 1: ") for said in result.err.splitlines())
