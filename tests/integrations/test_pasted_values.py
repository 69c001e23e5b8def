"""Values in the wrong field: a table of what staff paste, and the field that the message names."""

from __future__ import annotations

import pytest

from integrations import catalogue, pasted_values

HUBSPOT = catalogue.get("hubspot")
ID = "7fff1e36-2d40-4ae1-bbb1-5266d59564fb"
SECRET = "0c6b2a0e-6f3f-4b3c-9a53-6d5f2c1f9e77"
REDIRECT = "https://connect.example.com/oauth/hbdev/callback"
INSTALL = (
    f"https://app.hubspot.com/oauth/authorize?client_id={ID}"
    "&redirect_uri=https://old.example.com/cb&scope=oauth%20crm.objects.contacts.read+crm.lists.read"
    "&optional_scope=crm.objects.deals.read"
)


def judge(provider: str = "hubspot", **values: str) -> dict[str, pasted_values.Finding]:
    found = pasted_values.judge(catalogue.get(provider), values, redirect_uri=REDIRECT)
    return {finding.field: finding for finding in found}


@pytest.mark.parametrize(
    ("provider", "field", "value", "named", "may_override"),
    [
        ("hubspot", "client_id", "1160452", "looks like the App ID", True),
        ("hubspot", "client_secret", "1160452", "looks like the App ID", True),
        ("hubspot", "app_id", ID, "looks like the Client ID or the Client secret", True),
        ("hubspot", "app_id", ID.upper(), "looks like the Client ID or the Client secret", True),
        ("hubspot", "client_secret", f"pat-na1-{SECRET}", "private app", False),
        ("hubspot", "client_id", f"pat-eu1-{SECRET}", "private app", False),
        ("hubspot", "app_id", f"pat-eu1-{SECRET}", "private app", False),
        ("hubspot", "client_secret", "CIrToaiiMhIHAAEAAAAAARiO1ooBIOP0sgEokuL" * 3, "access token", False),
        ("hubspot", "client_secret", "CiRuYTEtZWQ4Zi0zMWU1LTQ5OTktODA3Yy0" * 4, "personal access key", False),
        ("hubspot", "client_secret", f"na1-{SECRET}", "refresh token", False),
        ("hubspot", "client_id", REDIRECT, "our redirect URL", False),
        ("hubspot", "client_secret", "https://app.hubspot.com/developer", "web address", False),
        ("hubspot", "client_id", "7933b042-0952-4e7d-a327dab-3dc", "does not look like a Client ID", True),
        ("hubspot", "client_id", f"{ID[:8]} {ID[9:]}", "space or a line break", True),
        ("hubspot", "client_secret", "pbs_" + "a" * 43, "Patchbay's own", False),
        ("pipedrive", "client_id", "0" * 40, "looks like the Client secret", True),
        ("pipedrive", "client_secret", "b4d083d9216986345b32", "looks like the Client ID", True),
        ("pipedrive", "client_secret", f"pat-na1-{SECRET}", "private app", False),
        ("xero", "client_secret", "0123456789ABCDEF0123456789ABCDEF", "looks like the Client id", True),
        ("quickbooks", "client_id", "0" * 40, "looks like the Client secret", True),
        ("shopify", "client_secret", "shpat_" + "0" * 32, "Shopify access token", False),
        ("procore", "client_secret", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "JWT", False),
        ("atlassian", "client_id", "ATOA-0000-1111-2222-3333", "does not look like a Client ID", True),
    ],
)
def test_a_value_in_the_wrong_field_is_named(
    provider: str, field: str, value: str, named: str, may_override: bool
) -> None:
    finding = judge(provider, **{field: value})[field]
    assert named in finding.sentence
    assert finding.may_override is may_override
    assert value not in finding.sentence


@pytest.mark.parametrize("provider", [entry.id for entry in catalogue.all_providers() if entry.is_supported])
def test_the_examples_of_every_provider_are_accepted(provider: str) -> None:
    credentials = catalogue.get(provider).credentials
    fields = {name: getattr(credentials, name) for name in pasted_values.FIELDS}
    values = {name: field.example for name, field in fields.items() if field is not None}
    assert judge(provider, **values) == {}


def test_right_values_raise_no_finding() -> None:
    assert judge(client_id=ID, client_secret=SECRET, app_id="1160452") == {}


def test_swapped_values_are_found_where_the_shapes_tell_them_apart() -> None:
    found = judge("pipedrive", client_id="0" * 40, client_secret="b4d083d9216986345b32")
    assert set(found) == {"client_id", "client_secret"}


@pytest.mark.parametrize("twin", [ID, ID.upper()])
def test_one_value_twice_is_refused_for_good(twin: str) -> None:
    finding = judge(client_id=ID, client_secret=twin)["client_secret"]
    assert "pasted twice" in finding.sentence
    assert not finding.may_override


def test_twins_are_found_where_a_provider_gives_no_pattern() -> None:
    finding = judge("atlassian", client_id="a" * 32, client_secret="a" * 32)["client_secret"]
    assert "Client ID and Secret are the same value" in finding.sentence


@pytest.mark.parametrize(
    "pasted",
    [
        f" {ID}\n",
        f'"{ID}"',
        f"'{ID}',",
        f"“{ID}”",
        f"`{ID}`",
        f"\u200b{ID}\ufeff",
        f"{ID[:10]}\u200b{ID[10:]}",
        f"\u00a0{ID}\u00a0",
        ID.upper(),
        f'" {ID.upper()} "',
        f"<{ID}>;",
    ],
)
def test_what_clings_to_a_pasted_value_is_taken_off(pasted: str) -> None:
    assert pasted_values.tidy(HUBSPOT.credentials.client_id, pasted) == ID


def test_a_value_is_raised_to_upper_case_where_the_pattern_asks_for_it() -> None:
    xero = catalogue.get("xero").credentials.client_id
    assert pasted_values.tidy(xero, "0123456789abcdef0123456789abcdef") == "0123456789ABCDEF0123456789ABCDEF"


@pytest.mark.parametrize("value", ["Mixed-Case_Secret", "'half", "a b", "", "ends with comma,"])
def test_a_value_without_a_pattern_keeps_everything_but_its_wrapping(value: str) -> None:
    secret = catalogue.get("atlassian").credentials.client_secret
    assert pasted_values.tidy(secret, value) == value


def test_an_odd_value_keeps_its_letter_case() -> None:
    assert pasted_values.tidy(HUBSPOT.credentials.client_id, "ABC-Def") == "ABC-Def"


@pytest.mark.parametrize("wrapping", ["{}", " {}\n", '"{}"', "<{}>"])
def test_an_install_url_is_taken_apart(wrapping: str) -> None:
    found = pasted_values.take_apart(HUBSPOT, wrapping.format(INSTALL))
    assert found == pasted_values.InstallUrl(
        host="app.hubspot.com",
        is_of_provider=True,
        client_id=ID,
        redirect_uri="https://old.example.com/cb",
        scopes=("oauth", "crm.objects.contacts.read", "crm.lists.read"),
        optional_scopes=("crm.objects.deals.read",),
    )


@pytest.mark.parametrize(
    "url",
    [
        INSTALL.replace("app.hubspot.com", "app-eu1.hubspot.com"),
        INSTALL.replace("/oauth/authorize", "/oauth/62515/authorize"),
        INSTALL.replace("&", "&amp;"),
        INSTALL.replace("https://app", "HTTPS://APP"),
    ],
)
def test_other_spellings_of_the_install_url_say_the_same(url: str) -> None:
    found = pasted_values.take_apart(HUBSPOT, url)
    assert found is not None
    assert (found.client_id, found.is_of_provider) == (ID, True)
    assert found.optional_scopes == ("crm.objects.deals.read",)


def test_an_install_url_of_somebody_else_is_told_apart() -> None:
    found = pasted_values.take_apart(HUBSPOT, INSTALL.replace("app.hubspot.com", "hubspot.com.evil.example"))
    assert found is not None
    assert not found.is_of_provider


@pytest.mark.parametrize(
    "text",
    [
        "",
        ID,
        "https://app.hubspot.com/oauth/authorize",
        "https://app.hubspot.com/oauth/authorize?scope=oauth",
        "https://[broken?client_id=x",
        "javascript:alert(1)?client_id=x",
        "https:///x?client_id=x",
        "https://a.example/?" + "&".join(f"x{n}=1" for n in range(200)) + "&client_id=x",
        INSTALL + "&x=" + "a" * 9_000,
    ],
)
def test_what_is_no_install_url_is_left_alone(text: str) -> None:
    assert pasted_values.take_apart(HUBSPOT, text) is None


def test_the_install_url_is_found_in_whatever_field_it_was_pasted_into() -> None:
    found = pasted_values.find_install_url(HUBSPOT, {"client_id": ID, "app_id": INSTALL})
    assert found is not None
    assert found[0] == "app_id"
