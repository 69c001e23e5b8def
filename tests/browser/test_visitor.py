"""The watch over pages can fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.visitor import Album, Visitor, policy_faults

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

BASE = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
PAGE = """<!doctype html><title>Page</title><body style="color: red"><img src="https://elsewhere.example/a.png">
<img src="/missing.png"><script>throw new Error("never runs")</script><script src="/own.js"></script>"""


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; script-src 'self'",
        BASE + "script-src 'self' 'unsafe-inline'",
        BASE + "script-src 'self'; img-src https://cdn.example",
        BASE + "script-src data:",
        BASE + "style-src 'self'",
    ],
)
def test_a_policy_that_is_not_the_strict_one_is_found(policy: str) -> None:
    assert policy_faults(policy)


def test_the_strict_policy_has_no_fault() -> None:
    assert policy_faults(BASE + "script-src 'self'; img-src 'self' data:; style-src 'self'") == []


def test_inline_style_foreign_requests_missing_files_and_errors_are_complaints(
    browser: Any, album: Album
) -> None:
    """A page that does all that no page may do, and what the visitor says of it."""
    with browser.new_context() as context:
        base_url = "http://ours.example"

        def answer(route: Any) -> None:
            if route.request.url.endswith("own.js"):
                route.fulfill(content_type="text/javascript", body="document.body.nothing.here")
            elif route.request.url == f"{base_url}/":
                policy = {"Content-Security-Policy": f"{BASE}script-src 'self'; img-src *; style-src 'self'"}
                route.fulfill(content_type="text/html", body=PAGE, headers=policy)
            else:
                route.fulfill(status=404)

        context.route("**", answer)
        visitor = Visitor(context, base_url=base_url, sandbox_url="http://theirs.example", album=album)
        visitor.page.goto(f"{base_url}/")
        told = "\n".join(visitor.complaints)
    assert "img-src allows *" in told
    assert "request to another origin: https://elsewhere.example/a.png" in told
    assert f"{base_url}/missing.png: 404" in told
    assert "inline style" in told and "inline script" in told
    assert "uncaught: Cannot read properties of undefined" in told
