"""A person at a browser, watched: what no page of ours may do, and how each page looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

#: what Chromium says of a document whose own status is 4xx; the tests know those statuses themselves
_STATUS_REMARK = "Failed to load resource: the server responded with a status of"
_DESKTOP, _PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


class Visitor:
    """One browser profile with one tab. `complaints` holds what went wrong on any page that it saw.

    A complaint is a message in the console, an uncaught error, a request to a foreign origin or one that
    failed, and a page of the platform without the strict Content-Security-Policy.
    """

    def __init__(self, context: Any, *, base_url: str, sandbox_url: str, album: Album) -> None:
        self.base_url, self.sandbox_url, self.album = base_url, sandbox_url, album
        self.complaints: list[str] = []
        self.seen: set[str] = set()
        self.context = context
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        context.on("request", self._on_request)
        context.on("requestfailed", self._on_failure)
        context.on("response", self._on_response)
        self.page = context.new_page()

    def open(self, path_or_url: str, *, status: int = 200) -> None:
        """Go there; the page must answer with that status."""
        address = path_or_url if "://" in path_or_url else self.base_url + path_or_url
        response = self.page.goto(address)
        assert response.status == status, f"{address}: {response.status}"

    def look(self, name: str, *, may_scroll_sideways: bool = False) -> None:
        """Take the page's picture in three ways, and see that a phone need not scroll it sideways."""
        self.album.take(self.page, name, may_scroll_sideways=may_scroll_sideways)

    def press_until_focused(self, text: str, *, key: str = "Tab", at_most: int = 12) -> None:
        """Move the focus by keyboard until it is on what reads text."""
        for _ in range(at_most):
            self.page.keyboard.press(key)
            if self.page.locator(":focus").inner_text().strip() == text:
                return
        raise AssertionError(f"{at_most} times {key} did not lead to {text!r}")

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_STATUS_REMARK):
            self.complaints.append(f"{message.type} in the console of {message.page.url}: {message.text}")

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith((f"{self.base_url}/", f"{self.sandbox_url}/", "data:")):
            self.complaints.append(f"request to another origin: {request.url}")

    def _on_failure(self, request: Any) -> None:
        # A page that is left while it still loads is no fault of that page.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.url} failed: {request.failure}")

    def _on_response(self, response: Any) -> None:
        kind = response.request.resource_type
        if kind != "document":
            if response.status >= 400:
                self.complaints.append(f"{response.url}: {response.status}")
        elif response.url.startswith(f"{self.base_url}/"):
            self.seen.add(urlsplit(response.url).path)
            for fault in policy_faults(response.headers.get("content-security-policy", "")):
                self.complaints.append(f"{response.url}: {fault}")


def policy_faults(policy: str) -> list[str]:
    """Why a Content-Security-Policy is not the strict one: nothing inline, nothing from elsewhere."""
    directives = {
        words[0]: words[1:] for part in policy.split(";") if (words := part.split()) and len(words) > 1
    }
    faults = [
        f"{name} is {directives.get(name)}, not 'none'"
        for name in ("default-src", "base-uri", "frame-ancestors")
        if directives.get(name) != ["'none'"]
    ]
    allowed = {"'none'", "'self'", "data:"}
    faults += [
        f"{name} allows {source}"
        for name, sources in directives.items()
        for source in sources
        if source not in allowed or (source == "data:" and name != "img-src")
    ]
    if directives.get("script-src") not in (["'self'"], ["'none'"]):
        faults.append(f"script-src is {directives.get('script-src')}")
    return faults


class Album:
    """Pictures of every page: desktop, phone, and dark, in one folder, numbered in the order of the walk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._number = 0

    def take(self, page: Any, name: str, *, may_scroll_sideways: bool) -> None:
        self._number += 1
        stem = f"{self._number:02d}-{name}"
        self._shoot(page, f"{stem}-desktop")
        page.emulate_media(color_scheme="dark")
        self._shoot(page, f"{stem}-dark")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(_PHONE)
        self._shoot(page, f"{stem}-phone")
        width = page.evaluate_handle("document.documentElement").evaluate("root => root.scrollWidth")
        page.set_viewport_size(_DESKTOP)
        assert may_scroll_sideways or width <= _PHONE["width"], f"{name} is {width} pixels wide on a phone"

    def _shoot(self, page: Any, stem: str) -> None:
        # caret="initial": hiding it would add an inline style, which the page's own policy refuses
        page.screenshot(
            path=self.folder / f"{stem}.png", full_page=True, caret="initial", animations="disabled"
        )
