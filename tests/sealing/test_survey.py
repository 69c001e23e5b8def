"""What a look at everything, and a glance, tell of the keys."""

import pytest

from sealing import Secret, noticed, survey, watch
from sealing.models import KeyCheck
from tests.sealing.models import Account, SpecialAccount

pytestmark = [pytest.mark.django_db, pytest.mark.db]


@pytest.fixture(autouse=True)
def _nothing_known():
    def forget():
        watch.forget()
        for place in noticed.places():
            noticed.remove(*place)

    forget()
    yield
    forget()


@pytest.fixture
def rows():
    return Account.objects.bulk_create([Account(name=str(n), token=Secret(f"t-{n}")) for n in range(9)])


def column(found, name="sealing_tests_account.token"):
    return next(one for one in found.columns if one.column == name)


def test_every_value_is_counted_by_the_key_that_it_is_under(settings, rows, new_key, write_raw, monkeypatch):
    monkeypatch.setattr(survey, "BATCH_SIZE", 2)
    settings.FERNET_KEYS = [new_key(), *settings.FERNET_KEYS]
    for row in rows[:3]:
        row.token = Secret("newer")
        row.save()
    write_raw(rows[4], "token", b"broken")
    Account.objects.create(token=None)
    found = survey.take()
    one = column(found)
    assert (one.looked_at, one.newest, one.older, one.unreadable) == (9, 3, 5, 1)
    assert found.is_complete and one.unreadable_pks == [rows[4].pk]
    assert found.total("older") == 6  # the canary too


def test_what_is_unreadable_tells_when_it_was_sealed(settings, rows, new_key):
    settings.FERNET_KEYS = [new_key()]
    one = column(survey.take())
    assert one.unreadable == 9 and one.sealed_from <= one.sealed_to
    assert abs((rows[0].token.claimed_time - one.sealed_from).total_seconds()) < 60


def test_a_look_that_runs_out_of_time_says_so_and_has_seen_some_of_each_column(rows):
    found = survey.take(seconds=0.0)
    assert column(found).looked_at > 0
    assert not found.is_complete


def test_values_of_tables_that_inherit_are_counted_once(rows):
    SpecialAccount.objects.create(token=Secret("t"), extra=Secret("e"))
    found = survey.take()
    assert column(found).looked_at == 10
    assert column(found, "sealing_tests_specialaccount.extra").looked_at == 1


def test_a_glance_is_well_when_all_is_well(rows):
    assert watch.glance().is_well


def test_a_glance_sees_a_lost_key_and_names_the_setting(settings, rows, new_key):
    settings.FERNET_KEYS = [new_key()]
    seen = watch.glance()
    assert seen.is_lost and "FERNET_KEYS" in seen.message


def test_a_glance_sees_a_few_values_that_do_not_open_and_forgets_them_when_they_do(rows, write_raw):
    held = Account.objects.get(pk=rows[2].pk).token
    write_raw(rows[2], "token", b"broken")
    assert watch.glance().unreadable == (f"sealing_tests_account.token:{rows[2].pk}",)
    Account.objects.filter(pk=rows[2].pk).update(token=held)
    assert not watch.glance().is_well, "a glance is kept for a while"
    watch.forget()
    assert watch.glance().is_well


def test_a_glance_shows_what_the_process_met_elsewhere_until_the_row_goes(rows, write_raw, monkeypatch):
    monkeypatch.setattr(watch, "ROWS", 0)  # nothing is found by chance
    write_raw(rows[2], "token", b"broken")
    assert watch.glance().is_well
    watch.forget()
    assert not Account.objects.get(pk=rows[2].pk).token.is_readable()
    assert watch.glance().unreadable == (f"sealing_tests_account.token:{rows[2].pk}",)
    rows[2].delete()
    watch.forget()
    assert watch.glance().is_well and not noticed.places()


def test_a_glance_is_cheap(rows, django_assert_max_num_queries):
    places = len(survey.take().columns)
    with django_assert_max_num_queries(1 + 4 * places):  # a savepoint around the two reads of each
        watch.glance()
    with django_assert_max_num_queries(0):
        watch.glance()


def test_no_more_places_are_remembered_than_are_shown():
    for number in range(noticed.MOST + 7):
        noticed.add("t.c", number)
    assert len(noticed.places()) == noticed.MOST and noticed.places()[-1] == ("t.c", noticed.MOST + 6)


def test_the_canary_is_among_what_is_looked_at(rows):
    assert column(survey.take(), "sealing_keycheck.canary").looked_at == KeyCheck.objects.count() == 1
