import re
import threading
import uuid

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from sealing import Secret, rotation, seal
from sealing.models import KeyCheck
from sealing.rotation import reseal, rotate_all
from tests.sealing.models import Account, Inheritor, SpecialAccount

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def values():
    return {row.name: row.token.open().reveal() for row in Account.objects.exclude(token=None)}


def test_rotation_in_three_steps_leaves_every_value_readable_at_each_step(settings, keys, rows):
    old, new = keys
    expected = values()
    settings.FERNET_KEYS = [old, new]
    assert values() == expected
    settings.FERNET_KEYS = [new, old]
    assert values() == expected
    report = reseal(Account, "token", batch_size=3)
    assert (report.scanned, report.resealed, report.unreadable, report.raced) == (7, 7, 0, 0)
    assert values() == expected
    settings.FERNET_KEYS = [new]
    assert values() == expected


def test_dropping_the_old_key_before_rotation_makes_values_unreadable_and_putting_it_back_heals(
    settings, keys, rows
):
    old, new = keys
    settings.FERNET_KEYS = [new]
    assert not any(row.token.is_readable() for row in Account.objects.all())
    report = reseal(Account, "token")
    assert (report.resealed, report.unreadable) == (0, 7)
    settings.FERNET_KEYS = [new, old]
    assert reseal(Account, "token").resealed == 7


def test_a_second_run_writes_nothing(settings, keys, rows):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    reseal(Account, "token")
    held = {row.pk: row.token for row in Account.objects.all()}
    with CaptureQueriesContext(connection) as queries:
        report = reseal(Account, "token", batch_size=3)
    assert (report.scanned, report.resealed) == (7, 0)
    assert not [query for query in queries if "UPDATE" in query["sql"]]
    assert held == {row.pk: row.token for row in Account.objects.all()}


def test_an_interrupted_run_is_simply_started_again(settings, keys, rows, monkeypatch):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    write, calls = rotation._Column.write, []

    def die_in_the_second_batch(column, swaps):
        calls.append(swaps)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return write(column, swaps)

    monkeypatch.setattr(rotation._Column, "write", die_in_the_second_batch)
    with pytest.raises(KeyboardInterrupt):
        reseal(Account, "token", batch_size=3)
    monkeypatch.undo()
    settings.FERNET_KEYS = [keys[1], keys[0]]
    report = reseal(Account, "token", batch_size=3)
    assert (report.scanned, report.resealed) == (7, 4)


@pytest.fixture
def between(monkeypatch):
    """Run something after rotation has read a batch and before it writes it."""

    def install(act, *, times=1):
        swap, left = rotation._Column.swap, [times]

        def racing(column, prepared):
            if left[0] > 0:
                left[0] -= 1
                act(prepared.old.pk)
            return swap(column, prepared)

        monkeypatch.setattr(rotation._Column, "swap", racing)

    return install


def test_a_value_stored_between_read_and_write_is_kept(settings, keys, rows, between):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    raced = []

    def store_a_newer_token(pk):
        raced.append(pk)
        Account.objects.filter(pk=pk).update(token=seal("newer", model=Account, field="token", pk=pk))

    between(store_a_newer_token)
    report = reseal(Account, "token")
    assert (report.scanned, report.resealed, report.raced) == (7, 6, 1)
    assert Account.objects.get(pk=raced[0]).token.open().reveal() == "newer"


def test_a_newer_value_under_the_old_key_is_kept_and_resealed(settings, keys, rows, between):
    """A process that has not seen the new order of keys yet writes under the old one."""
    old, new = keys
    settings.FERNET_KEYS = [new, old]
    raced = []

    def store_under_the_old_key(pk):
        raced.append(pk)
        settings.FERNET_KEYS = [old, new]
        Account.objects.filter(pk=pk).update(token=seal("newer", model=Account, field="token", pk=pk))
        settings.FERNET_KEYS = [new, old]

    between(store_under_the_old_key)
    report = reseal(Account, "token")
    assert (report.resealed, report.raced) == (7, 1)
    settings.FERNET_KEYS = [new]
    assert Account.objects.get(pk=raced[0]).token.open().reveal() == "newer"


def test_a_row_that_keeps_changing_is_left_and_one_that_went_is_no_error(settings, keys, rows, between):
    old, new = keys
    settings.FERNET_KEYS = [new, old]

    def store_under_the_old_key(pk):
        settings.FERNET_KEYS = [old, new]
        Account.objects.filter(pk=pk).update(token=seal("busy", model=Account, field="token", pk=pk))
        settings.FERNET_KEYS = [new, old]

    Account.objects.exclude(pk=rows[0].pk).delete()
    between(store_under_the_old_key, times=1 + rotation.RETRIES)
    report = reseal(Account, "token")
    assert (report.scanned, report.resealed, report.raced, report.left) == (1, 0, 1, 1)
    assert Account.objects.get().token.open().reveal() == "busy"
    between(lambda pk: Account.objects.filter(pk=pk).delete())
    report = reseal(Account, "token")
    assert (report.scanned, report.resealed, report.raced, report.left) == (1, 0, 1, 0)


def test_a_value_cleared_meanwhile_stays_cleared(settings, keys, rows, between):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    between(lambda pk: Account.objects.filter(pk=pk).update(token=None))
    assert reseal(Account, "token").raced == 1
    assert Account.objects.filter(token=None).count() == 1


def test_an_unreadable_row_is_named_and_left_as_it_is(settings, keys, rows, write_raw):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    write_raw(rows[2], "token", b"broken")
    report = reseal(Account, "token", batch_size=2)
    assert (report.scanned, report.resealed, report.unreadable) == (7, 6, 1)
    assert report.unreadable_contexts == (f"sealing_tests_account.token:{rows[2].pk}",)
    assert Account.objects.get(pk=rows[2].pk).token.ciphertext == b"broken"


def test_rotation_reads_in_batches_and_writes_only_the_one_column(settings, keys, rows):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    with CaptureQueriesContext(connection) as queries:
        reseal(Account, "token", batch_size=3)
    reads = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    reads = [sql for sql in reads if "FOR UPDATE" not in sql]
    assert len(reads) == 4 and all("LIMIT 3" in sql for sql in reads)
    for sql in (query["sql"] for query in queries if query["sql"].startswith("UPDATE")):
        assert re.search(r'SET "token" = [^"]* WHERE', sql) and sql.count('"token" = ') == 2


def test_all_sealed_columns_are_rotated_the_canary_last(settings, keys):
    old, new = keys
    child = SpecialAccount.objects.create(token=Secret("t"), extra=Secret("e"))
    Inheritor.objects.create(secret=Secret("s"), required=Secret("r"))
    settings.FERNET_KEYS = [new, old]
    lines = {line.column: line.report for line in rotate_all()}
    assert list(lines)[-1] == "sealing_keycheck.canary"
    for column in (
        "sealing_tests_account.token",
        "sealing_tests_specialaccount.extra",
        "sealing_tests_inheritor.secret",
        "sealing_tests_inheritor.must",
        "sealing_keycheck.canary",
    ):
        assert lines[column].resealed == 1
    settings.FERNET_KEYS = [new]
    assert SpecialAccount.objects.get(pk=child.pk).extra.is_readable()
    assert KeyCheck.objects.get().canary.open().reveal() == "x"


def test_a_column_named_on_a_child_is_rotated_where_it_lies(settings, keys):
    child = SpecialAccount.objects.create(token=Secret("t"))
    settings.FERNET_KEYS = [keys[1], keys[0]]
    assert reseal(SpecialAccount, "token").resealed == 1
    settings.FERNET_KEYS = [keys[1]]
    assert SpecialAccount.objects.get(pk=child.pk).token.is_readable()


def test_resealing_a_missing_field_or_a_plain_one_is_refused(keys):
    Account.objects.create(id=uuid.uuid4())
    with pytest.raises(FieldDoesNotExist):
        reseal(Account, "nothing")
    with pytest.raises(TypeError, match="not a SealedField"):
        reseal(Account, "name")


@pytest.mark.django_db(transaction=True)
def test_rotation_does_not_wait_for_a_row_while_it_holds_others(settings, new_key):
    """Two that each hold what the other waits for would end one of them: a refresh, for example."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time and locks no rows.")
    old, new = new_key(), new_key()
    settings.FERNET_KEYS = [old]
    rows = Account.objects.bulk_create([Account(name=str(n), token=Secret(f"token-{n}")) for n in range(6)])
    settings.FERNET_KEYS = [new, old]
    first, last = sorted(row.pk for row in rows)[0], sorted(row.pk for row in rows)[-1]
    holds, goes_on, ended = threading.Event(), threading.Event(), []

    def hold_the_last_and_then_want_the_first():
        try:
            with transaction.atomic():
                Account.objects.select_for_update().get(pk=last)
                holds.set()
                goes_on.wait(10)
                Account.objects.filter(pk=first).update(name="wanted")
            ended.append("well")
        except Exception as error:
            ended.append(repr(error))
        finally:
            connection.close()

    other = threading.Thread(target=hold_the_last_and_then_want_the_first)
    other.start()
    assert holds.wait(10)
    goes_on.set()
    report = reseal(Account, "token")
    other.join(20)
    assert ended == ["well"] and (report.resealed, report.left) == (6, 0)
    assert not Account.objects.exclude(pk__in=[row.pk for row in rows]).exists()
    Account.objects.all().delete()
