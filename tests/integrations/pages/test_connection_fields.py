from __future__ import annotations

import pytest
from django.test import Client

from integrations.models import AuthorizationAttempt, ClientCredentials, Integration
from sealing import Secret
from tests.integrations.pages.conftest import MakeLink, press_continue, token_in


@pytest.fixture
def shop(db: None) -> Integration:
    made = Integration.objects.create(slug="shops", provider_id="shopify")
    ClientCredentials.objects.create(
        integration=made, client_id="client-2", client_secret=Secret("s3cret-value-2")
    )
    return made


def test_a_field_has_a_label_help_and_its_suffix(
    browser: Client, make_link: MakeLink, shop: Integration
) -> None:
    text = browser.get(make_link(integration=shop)[1]).content.decode()
    field = shop.provider.connection_fields[0]
    assert f'<label for="field-{field.name}">' in text
    assert f'name="{field.name}"' in text
    assert f'aria-describedby="help-{field.name}"' in text
    assert f'id="help-{field.name}"' in text
    assert text.count("<form") == 1


@pytest.mark.parametrize(
    "typed",
    ["evil.example/#", "evil.example:443/x?", "a@evil.example", "", '"><script>alert(1)</script>', "a\x00b"],
)
def test_con_19_a_host_that_is_none_is_refused_beside_its_field(
    browser: Client, make_link: MakeLink, shop: Integration, typed: str
) -> None:
    field = shop.provider.connection_fields[0]
    page = press_continue(browser, make_link(integration=shop)[1], **{field.name: typed})
    text = page.content.decode()
    assert page.status_code == 400
    assert 'aria-invalid="true"' in text and f'id="error-{field.name}"' in text
    assert text.count("<form") == 1
    assert "<script>alert" not in text
    assert not AuthorizationAttempt.objects.exists()


def test_what_was_typed_is_kept_beside_the_message(
    browser: Client, make_link: MakeLink, shop: Integration
) -> None:
    field = shop.provider.connection_fields[0]
    page = press_continue(browser, make_link(integration=shop)[1], **{field.name: "a b&c"})
    assert 'value="a b&amp;c"' in page.content.decode()


def test_a_program_gets_the_field_error_as_problem_json(
    browser: Client, make_link: MakeLink, shop: Integration
) -> None:
    path = make_link(integration=shop)[1]
    token = token_in(browser.get(path).content)
    form = {"csrfmiddlewaretoken": token, shop.provider.connection_fields[0].name: "a@b"}
    reply = browser.post(path, form, headers={"Accept": "application/json"})
    assert reply.status_code == 400
    assert reply["Content-Type"] == "application/problem+json"
    assert reply.json()["field"] == shop.provider.connection_fields[0].name


def test_a_right_value_goes_on_to_the_shop(browser: Client, make_link: MakeLink, shop: Integration) -> None:
    field = shop.provider.connection_fields[0]
    page = press_continue(browser, make_link(integration=shop)[1], **{field.name: field.example})
    assert page.status_code == 200, page.content
    assert b"Taking you to Shopify" in page.content
