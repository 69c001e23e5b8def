import io
import json
import pickle
import uuid

import pytest
from django.core import serializers
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import connection, models, transaction
from django.db.models import F, Value
from django.test.utils import CaptureQueriesContext, isolate_apps

from sealing import Sealed, SealedField, Secret, UnreadableSecret, seal
from tests.sealing.models import Account, AccountProxy, Inheritor, Invoice, SpecialAccount

CLEAR = "tok-1234567890abcdef"

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def make(**values):
    return Account.objects.create(**{"token": Secret(CLEAR), **values})


def token_of(row):
    return Account.objects.get(pk=row.pk).token.open().reveal()


def test_what_is_stored_comes_back_sealed_and_opens():
    row = make()
    loaded = Account.objects.get(pk=row.pk)
    assert isinstance(loaded.token, Sealed) and loaded.other is None
    assert loaded.token.context == f"sealing_tests_account.token:{row.pk}"
    assert loaded.token.open().reveal() == CLEAR


def test_the_column_holds_neither_the_value_nor_equal_ciphertext_for_equal_values():
    first, second = make(other=Secret(CLEAR)), make()
    with connection.cursor() as cursor:
        cursor.execute("SELECT token, other FROM sealing_tests_account")
        raw = [bytes(value) for line in cursor.fetchall() for value in line if value is not None]
    assert len(raw) == 3 and len(set(raw)) == 3
    assert not any(CLEAR.encode() in value for value in raw)
    assert first.pk != second.pk


def test_loading_rows_decrypts_nothing(monkeypatch):
    make(), make()

    def refuse(*args, **kwargs):
        raise AssertionError("decrypted")

    monkeypatch.setattr("sealing.keyring.Keyring.decrypt", refuse)
    rows = list(Account.objects.all())
    assert all(repr(row.token) and row.token.ciphertext for row in rows)
    with pytest.raises(AssertionError, match="decrypted"):
        rows[0].token.open()


def test_an_assigned_secret_reads_back_as_a_sealed_value_of_the_row():
    row = Account(token=Secret(CLEAR))
    assert row.token.open().reveal() == CLEAR and row.token.pk == row.pk
    assert CLEAR not in repr(vars(row))
    pickle.dumps(row)


@pytest.mark.parametrize("value", [CLEAR, CLEAR.encode(), 17, F("other"), Value(CLEAR)])
def test_only_a_secret_or_a_sealed_value_can_be_assigned(value):
    with pytest.raises(TypeError, match="wrap it") as caught:
        Account(token=value)
    assert CLEAR not in str(caught.value)
    row = Account()
    with pytest.raises(TypeError, match="wrap it"):
        row.token = value
    with pytest.raises(TypeError, match="wrap it"):
        Account.objects.create(token=value)


def test_a_value_of_another_row_or_column_is_refused_when_assigned():
    row, another = make(), make()
    with pytest.raises(ValueError, match="does not open in the row"):
        row.token = another.token
    with pytest.raises(ValueError, match="does not open in sealing_tests_account"):
        row.other = row.token
    row.token = seal("new", model=Account, field="token", pk=row.pk)
    row.save()
    assert token_of(row) == "new"


def test_a_row_given_another_primary_key_is_not_saved_with_the_old_value():
    row = make()
    row.pk = uuid.uuid4()
    row._state.adding = True
    with pytest.raises(ValueError, match="does not open in the row"), transaction.atomic():
        row.save()
    assert Account.objects.count() == 1


def test_ciphertext_swapped_in_the_database_does_not_open(write_raw):
    row, another = make(), make()
    write_raw(row, "token", another.token.ciphertext)
    write_raw(row, "other", row.token.ciphertext)
    loaded = Account.objects.get(pk=row.pk)
    for sealed in (loaded.token, loaded.other):
        with pytest.raises(UnreadableSecret):
            sealed.open()


def test_a_plain_value_in_the_column_loads_and_never_opens(write_raw):
    row = make()
    write_raw(row, "token", CLEAR.encode())
    loaded = Account.objects.get(pk=row.pk)
    assert not loaded.token.is_readable()
    if connection.vendor == "sqlite":
        for odd in (CLEAR, 5_000_000_000):  # SQLite keeps the type that was given
            write_raw(row, "token", odd)
            assert not Account.objects.get(pk=row.pk).token.is_readable()


def test_adm_04_one_broken_row_breaks_only_its_own_use(write_raw):
    rows = [make(name=str(number)) for number in range(10)]
    write_raw(rows[3], "token", b"broken")
    loaded = list(Account.objects.order_by("name"))
    assert [row.name for row in loaded if not row.token.is_readable()] == ["3"]
    assert len(loaded) == 10
    broken = loaded[3]
    broken.name = "renamed"
    broken.save()  # its other columns stay of use
    broken.token = Secret("again")
    broken.save(update_fields=["token"])
    assert token_of(rows[3]) == "again"
    write_raw(rows[4], "token", b"broken")
    Account.objects.get(pk=rows[4].pk).delete()


def test_update_fields_refresh_and_deferred_loading():
    row = make()
    row.token, row.other = Secret("one"), Secret("two")
    row.save(update_fields=["other"])
    assert token_of(row) == CLEAR
    row.refresh_from_db()
    assert [row.token.open().reveal(), row.other.open().reveal()] == [CLEAR, "two"]
    deferred = Account.objects.defer("token").get(pk=row.pk)
    deferred.name = "b"
    with CaptureQueriesContext(
        connection,
    ) as queries:
        deferred.save()
    assert "token" not in queries.captured_queries[0]["sql"]
    assert "token" in deferred.get_deferred_fields()
    assert deferred.token.open().reveal() == CLEAR


def test_saving_a_loaded_row_does_not_change_its_ciphertext():
    row = make()
    loaded = Account.objects.get(pk=row.pk)
    loaded.save()
    assert Account.objects.get(pk=row.pk).token == row.token


def test_values_reached_through_relations_open():
    row = make()
    Invoice.objects.create(account=row)
    assert Invoice.objects.select_related("account").get().account.token.open().reveal() == CLEAR
    assert Invoice.objects.prefetch_related("account").get().account.token.open().reveal() == CLEAR
    sealed = Invoice.objects.values_list("account__token", flat=True).get()
    assert sealed.bind(row.pk).open().reveal() == CLEAR


def test_inherited_fields_open_on_parent_child_and_proxy():
    child = SpecialAccount(token=Secret(CLEAR), extra=Secret("extra"))
    assert child.token.is_readable() and child.extra.is_readable()
    child.save()
    for model in (Account, SpecialAccount, AccountProxy):
        assert model.objects.get(pk=child.pk).token.open().reveal() == CLEAR
    assert SpecialAccount.objects.get().extra.open().reveal() == "extra"
    assert SpecialAccount.objects.get().extra.context == f"sealing_tests_specialaccount.extra:{child.pk}"
    heir = Inheritor.objects.create(secret=Secret("s"), required=Secret("r"))
    loaded = Inheritor.objects.get()
    assert loaded.secret.context == f"sealing_tests_inheritor.secret:{heir.pk}"
    assert loaded.required.context == f"sealing_tests_inheritor.must:{heir.pk}"
    assert loaded.required.open().reveal() == "r"


def test_adm_02_a_row_shows_no_secret_and_pickles_without_it():
    row = Account.objects.get(pk=make(other=Secret("other-secret-value")).pk)
    assert CLEAR not in repr(row) + repr(vars(row)) + str(row.token)
    raw = pickle.dumps(row)
    assert CLEAR.encode() not in raw and b"other-secret" not in raw
    assert pickle.loads(raw).token.open().reveal() == CLEAR


@pytest.mark.parametrize("format_", ["json", "jsonl", "xml"])
def test_a_dump_holds_ciphertext_and_loads_again(format_, tmp_path):
    row, empty = make(), Account.objects.create()
    out = io.StringIO()
    call_command("dumpdata", "sealing_tests.account", format=format_, stdout=out)
    assert CLEAR not in out.getvalue() and row.token.ciphertext.decode() in out.getvalue()
    fixture = tmp_path / f"dump.{format_}"
    fixture.write_text(out.getvalue())
    Account.objects.all().delete()
    call_command("loaddata", str(fixture), verbosity=0)
    assert token_of(row) == CLEAR
    assert Account.objects.get(pk=empty.pk).token is None


def test_a_fixture_with_a_plain_value_is_refused():
    text = json.dumps(
        [{"model": "sealing_tests.account", "pk": str(uuid.uuid4()), "fields": {"token": CLEAR}}]
    )
    with pytest.raises(DeserializationError):
        list(serializers.deserialize("json", text))


def test_validation_accepts_sealed_values_and_wants_required_ones():
    make().full_clean()
    Account(token=Secret(CLEAR)).full_clean()
    with pytest.raises(ValidationError) as caught:
        Inheritor().full_clean()
    assert set(caught.value.message_dict) == {"required"}


def test_the_deconstructed_field_is_stable():
    field = SealedField(null=True, verbose_name="v")
    _, path, args, kwargs = field.deconstruct()
    assert path == "sealing.fields.SealedField"
    again = SealedField(*args, **kwargs)
    assert again.deconstruct()[1:] == field.deconstruct()[1:]
    assert again.db_type(connection) == models.BinaryField().db_type(connection)


def test_the_migrations_are_complete():
    call_command("makemigrations", "sealing", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize(
    "option", [{"unique": True}, {"db_index": True}, {"primary_key": True}, {"db_default": "x"}]
)
def test_options_that_make_no_sense_for_ciphertext_are_refused(option):
    with pytest.raises(ImproperlyConfigured):
        SealedField(**option)


@isolate_apps("tests.sealing")
def test_a_model_whose_primary_key_comes_from_the_database_fails_the_check():
    class Counted(models.Model):
        token = SealedField()

        class Meta:
            app_label = "sealing_tests"

    class Child(Counted):
        more = SealedField()

        class Meta:
            app_label = "sealing_tests"

    assert [error.id for error in Counted.check()] == ["sealing.E001"]
    assert "sealing.E001" in [error.id for error in Child.check()]
    assert Account.check() == SpecialAccount.check() == []
    with pytest.raises(ValueError, match="primary key"):
        Counted(token=Secret("x")).save()
