"""The API's documentation in a browser: nothing from elsewhere, nothing inline (contract section 3)."""

from __future__ import annotations

import pytest

from tests.browser.visitor import Visitor, policy_faults

pytestmark = [pytest.mark.browser, pytest.mark.served, pytest.mark.xdist_group("browser")]


def test_the_docs_list_the_calls_with_assets_from_here(visitor: Visitor) -> None:
    page = visitor.page
    page.goto(f"{visitor.base_url}/api/docs")
    page.locator(".opblock-summary-path").first.wait_for()
    paths = page.locator(".opblock-summary-path").all_inner_texts()
    assert any("connect-links" in path.replace("\\u200b", "") for path in paths), paths
    visitor.look("api-docs", may_scroll_sideways=True)


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; script-src 'self'",
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'self' 'unsafe-inline'",
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'self'; img-src https://cdn.example",
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src data:",
    ],
)
def test_the_check_of_policies_sees_what_is_not_strict(policy: str) -> None:
    assert policy_faults(policy)
