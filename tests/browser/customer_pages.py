"""What a customer does between the partner's button and the result."""

from __future__ import annotations

from typing import Any

from tests.browser.visitor import Visitor


def go_to_hubspot(visitor: Visitor, link_url: str) -> None:
    """Open the link and press its one button; ends at HubSpot, on whatever page it shows."""
    page = visitor.page
    page.goto(link_url)
    assert page.locator("form").count() == 1
    page.get_by_role("button", name="Continue to HubSpot").click()
    page.wait_for_url(f"{visitor.sandbox_url}/oauth/**")


def allow(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Connect app").click()


def deny(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Cancel").click()


def connect(visitor: Visitor, link_url: str) -> None:
    """The whole way, to the result page."""
    go_to_hubspot(visitor, link_url)
    allow(visitor)
    visitor.page.get_by_role("heading", name="HubSpot is connected").wait_for()


def reload_until_shown(visitor: Visitor, wanted: Any, *, at_most: int = 40) -> None:
    """Calls are noted in batches, a moment after they were made."""
    for _ in range(at_most):
        if wanted.is_visible():
            return
        visitor.page.wait_for_timeout(250)
        visitor.page.reload()
    raise AssertionError("it was not shown")
