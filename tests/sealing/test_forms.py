import pytest
from django import forms

from sealing import Secret
from tests.sealing.models import Account, Inheritor

CLEAR = "tok-1234567890abcdef"

pytestmark = pytest.mark.django_db


class AccountForm(forms.ModelForm):
    class Meta:
        model = Account
        fields = ("name", "token")


class RequiredForm(forms.ModelForm):
    class Meta:
        model = Inheritor
        fields = ("required",)


class OtherWidgetForm(forms.ModelForm):
    class Meta:
        model = Account
        fields = ("token",)
        widgets = {"token": forms.Textarea}


@pytest.fixture
def row():
    return Account.objects.create(token=Secret(CLEAR))


@pytest.mark.parametrize("form_class", [AccountForm, OtherWidgetForm])
def test_a_form_never_renders_a_value_stored_or_posted(form_class, row):
    for form in (form_class(instance=row), form_class({"name": "", "token": "posted-secret"}, instance=row)):
        html = form.as_p() + str(form["token"].as_hidden())
        assert CLEAR not in html and "posted-secret" not in html
        assert row.token.ciphertext.decode() not in html and "Sealed" not in html


def test_the_input_is_a_password_box_that_browsers_do_not_fill(row):
    html = str(AccountForm(instance=row)["token"])
    assert 'type="password"' in html and 'autocomplete="new-password"' in html and "value=" not in html


def test_a_posted_value_is_stored(row):
    form = AccountForm({"name": "n", "token": "  posted "}, instance=row)
    assert form.is_valid() and form.has_changed() and "token" in form.changed_data
    assert isinstance(form.cleaned_data["token"], Secret)
    form.save()
    assert Account.objects.get().token.open().reveal() == "posted"


def test_an_empty_box_keeps_what_is_stored(row):
    form = AccountForm({"name": "renamed", "token": ""}, instance=row)
    assert form.is_valid() and form.changed_data == ["name"]
    form.save()
    loaded = Account.objects.get()
    assert loaded.name == "renamed" and loaded.token == row.token


def test_a_required_secret_is_asked_for_once():
    assert not RequiredForm({"required": ""}).is_valid()
    assert "required" in str(RequiredForm()["required"]).replace('name="required"', "").replace(
        "id_required", ""
    )
    form = RequiredForm({"required": "first"})
    made = form.save()
    again = RequiredForm({"required": ""}, instance=Inheritor.objects.get())
    assert again.is_valid()
    again.save()
    assert Inheritor.objects.get(pk=made.pk).required.open().reveal() == "first"
