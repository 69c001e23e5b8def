import pytest
from django.core.exceptions import FieldError
from django.db import models, transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Cast, Coalesce

from sealing import Secret, seal
from tests.sealing.models import Account

CLEAR = "tok-1234567890abcdef"

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def make(**values):
    return Account.objects.create(**{"token": Secret(CLEAR), **values})


def token_of(row):
    return Account.objects.get(pk=row.pk).token.open().reveal()


def test_values_yield_a_sealed_value_that_is_bound_by_hand():
    row = make()
    [(pk, sealed)] = Account.objects.values_list("pk", "token")
    assert not sealed.is_bound and "?" in repr(sealed)
    assert sealed.bind(pk).open().reveal() == CLEAR
    assert Account.objects.values("token").get()["token"] == row.token


def test_an_unbound_value_is_not_assigned_by_mistake():
    row, another = make(), make()
    sealed = Account.objects.values_list("token", flat=True).get(pk=another.pk)
    with pytest.raises(ValueError, match="bind"):
        row.token = sealed
    with pytest.raises(ValueError, match="bind"), transaction.atomic():
        Account.objects.create(token=sealed)
    row.token = Account.objects.values_list("token", flat=True).get(pk=row.pk).bind(row.pk)
    row.save()
    assert token_of(row) == CLEAR


def test_bulk_create_seals_each_row_for_itself():
    Account.objects.bulk_create([Account(token=Secret(f"t{n}")) for n in range(3)])
    assert sorted(row.token.open().reveal() for row in Account.objects.all()) == ["t0", "t1", "t2"]


def test_bulk_update_stores_the_values_and_not_the_expression():
    rows = [make(), make(), make()]
    rows[0].token, rows[1].token, rows[1].other = Secret("zero"), None, Secret("one")
    Account.objects.bulk_update(rows, ["token", "other"])
    assert [token_of(rows[0]), token_of(rows[2])] == ["zero", CLEAR]
    loaded = Account.objects.get(pk=rows[1].pk)
    assert loaded.token is None and loaded.other.open().reveal() == "one"


def test_a_conditional_update_takes_a_sealed_value():
    row, untouched = make(), make()
    sealed = seal("fresh", model=Account, field="token", pk=row.pk)
    assert Account.objects.filter(pk=row.pk, name="a").update(token=sealed, name="b") == 1
    assert [token_of(row), token_of(untouched)] == ["fresh", CLEAR]
    assert Account.objects.filter(pk=row.pk).update(token=None) == 1
    row.refresh_from_db()
    assert row.token is None


@pytest.mark.parametrize("value", ["plain", b"plain", Secret("plain"), 5])
def test_update_refuses_what_is_not_sealed(value):
    row = make()
    with pytest.raises(TypeError, match=r"seal\("), transaction.atomic():
        Account.objects.update(token=value)
    assert token_of(row) == CLEAR


def test_update_refuses_a_value_of_another_column():
    row = make()
    with pytest.raises(ValueError, match="does not open"), transaction.atomic():
        Account.objects.update(other=row.token)
    assert Account.objects.get().other is None


def _field():
    return Account._meta.get_field("token")


@pytest.mark.parametrize(
    "expression",
    [
        lambda row: Value("x"),
        lambda row: Value("x", output_field=_field()),
        lambda row: Value("x", output_field=models.BinaryField()),
        lambda row: F("other"),
        lambda row: F("name"),
        lambda row: Cast(Value("x"), output_field=_field()),
        lambda row: Case(When(pk=row.pk, then=Value("x")), output_field=_field()),
        lambda row: Case(When(pk=row.pk, then=F("other")), output_field=_field()),
        lambda row: Case(default=Value("x"), output_field=_field()),
        lambda row: Case(When(pk=row.pk, then=Value(row.token)), output_field=_field()),
        lambda row: Coalesce(F("token"), Value("x"), output_field=_field()),
    ],
)
def test_update_refuses_expressions_that_could_store_something_plain(expression):
    row = make()
    with pytest.raises(FieldError), transaction.atomic():
        Account.objects.update(token=expression(row))
    assert token_of(row) == CLEAR


def test_update_takes_a_case_of_sealed_values():
    row, another = make(), make()
    new = Value(seal("new", model=Account, field="token", pk=row.pk), output_field=_field())
    Account.objects.filter(pk=row.pk).update(
        token=Case(When(pk=row.pk, then=new), default=Value(None), output_field=_field())
    )
    assert [token_of(row), token_of(another)] == ["new", CLEAR]


@pytest.mark.parametrize(
    "lookup", ["exact", "iexact", "in", "contains", "startswith", "gt", "lte", "range", "regex", "nonsense"]
)
def test_every_lookup_but_isnull_is_refused(lookup):
    with pytest.raises(FieldError) as caught:
        Account.objects.filter(**{f"token__{lookup}": [CLEAR, CLEAR]}).exists()
    assert CLEAR not in str(caught.value)


def test_equality_is_refused_as_a_lookup_and_null_can_be_asked_for():
    row, empty = make(), Account.objects.create()
    with pytest.raises(FieldError), transaction.atomic():
        Account.objects.filter(token=CLEAR).exists()
    with pytest.raises(FieldError), transaction.atomic():
        Account.objects.exclude(token=row.token).exists()
    assert Account.objects.filter(token__isnull=False).get() == row
    assert Account.objects.filter(token=None).get() == empty


def test_stored_as_finds_the_row_that_still_holds_a_ciphertext():
    row = make()
    held = Account.objects.get(pk=row.pk).token
    assert Account.objects.filter(token__stored_as=held).get() == row
    row.token = Secret(CLEAR)
    row.save()
    assert not Account.objects.filter(token__stored_as=held).exists()
    with pytest.raises(FieldError), transaction.atomic():
        Account.objects.filter(token__stored_as=CLEAR).exists()
