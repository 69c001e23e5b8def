"""The partner's own names for customers: what is taken as it is, and what is refused with a sentence."""

from __future__ import annotations

import pytest

from accounts import customers, identifiers
from accounts.models import Customer
from tests import factories


@pytest.mark.parametrize(
    "value",
    [
        "a",
        "a b",
        " padded ",
        "a/b",
        "a%2Fb",
        "100%",
        "…",
        "日本",
        "🙂",
        "x" * 1_024,
        "🙂" * 1_024,
        "...",
        "~a",
        "a@b.c",
        "\u200b",
    ],
)
def test_any_text_of_1_to_1024_characters_is_taken_as_it_is(value: str) -> None:
    assert identifiers.check_identifier(value) == value


@pytest.mark.parametrize(
    "value", ["", "x" * 1_025, ".", "..", "~", "a\x00b", "a\nb", "\x7f", "\x85", "\ud800", None, 7, ["a"]]
)
def test_what_a_url_or_a_row_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(identifiers.InvalidIdentifier):
        identifiers.check_identifier(value)  # type: ignore[arg-type]  # callers send anything


@pytest.mark.django_db
@pytest.mark.db
def test_1024_characters_of_four_bytes_each_fit_the_database_and_are_found_again() -> None:
    partner = factories.partner()
    made = customers.ensure(partner, "🙂" * 1_024)
    assert customers.find(partner, "🙂" * 1_024) == made
    assert customers.find(partner, "🙂" * 1_023) is None


@pytest.mark.django_db
def test_identifiers_differ_by_case_and_by_every_space() -> None:
    partner = factories.partner()
    for identifier in ("Tenant", "tenant", "tenant ", "tenant"):
        customers.ensure(partner, identifier)
    assert Customer.objects.count() == 3


@pytest.mark.django_db
def test_adm_06_the_same_identifier_at_two_partners_is_two_customers() -> None:
    one, two = factories.partner("One"), factories.partner("Two")
    assert customers.ensure(one, "42").pk != customers.ensure(two, "42").pk


@pytest.mark.django_db
def test_given_names_replace_stored_ones_and_missing_ones_do_not() -> None:
    partner = factories.partner()
    customers.ensure(partner, "42", display_name="Ada", email="ada@example.com")
    customers.ensure(partner, "42")
    made = customers.ensure(partner, "42", display_name="Ada L.")
    made.refresh_from_db()
    assert (made.display_name, made.email) == ("Ada L.", "ada@example.com")
