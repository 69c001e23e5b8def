"""A customer's browser at servers of others: follows their redirects, fills their forms, stops where it comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests

from tests.contract.browser import Browser
from tests.contract.outside import TIMEOUT_SECONDS

_MOST_REDIRECTS = 12


@dataclass
class Visitor(Browser):
    """home: the platform's address, where following ends. origins: https origin -> where it stands on loopback,
    as names and certificates would have it outside of a test."""

    home: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)

    def at(self, url: str) -> str:
        """The address on loopback of a URL of one of the servers."""
        for origin, place in self.origins.items():
            if url.startswith(f"{origin}/"):
                return place + url.removeprefix(origin)
        return url

    def go(self, url: str, *, method: str = "GET", **kwargs: Any) -> requests.Response:
        """Send a request and follow its redirects: the page where they end, or the redirect that leads home."""
        reply = self._send(method, url, **kwargs)
        for _ in range(_MOST_REDIRECTS):
            location = reply.headers.get("Location", "")
            if not reply.is_redirect or location.startswith(f"{self.home}/"):
                return reply
            reply = self._send("GET", urljoin(reply.url, location))
        raise AssertionError(f"redirects without an end, the last to {reply.headers.get('Location')}")

    def _send(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        headers = {"Accept": "text/html", **kwargs.pop("headers", {})}
        kwargs = {"timeout": TIMEOUT_SECONDS, "allow_redirects": False, "headers": headers, **kwargs}
        return self.session.request(method, self.at(url), **kwargs)

    def submit(self, page: requests.Response, **fields: str) -> requests.Response:
        """Send the page's first form, hidden inputs and all."""
        form = _Form()
        form.feed(page.text)
        assert form.is_found, page.text
        content = {**form.values, **fields}
        return self.go(
            urljoin(page.url, form.action), method="POST", data=content, headers={"Referer": page.url}
        )

    def back(self, reply: requests.Response) -> str:
        """The address at home to which a server has sent the browser."""
        location = reply.headers.get("Location", "")
        assert location.startswith(f"{self.home}/"), f"{reply.status_code} {location}\n{reply.text[:1000]}"
        return location


class _Form(HTMLParser):
    """The first form of a page: where it goes and what it holds unless somebody types."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.values: dict[str, str] = {}
        self.is_found = False
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.is_found:
            self.action, self.is_found, self._is_inside = given.get("action", ""), True, True
        elif tag == "input" and self._is_inside and given.get("type") == "hidden" and "name" in given:
            self.values[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
