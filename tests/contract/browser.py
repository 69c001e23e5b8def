"""A customer's browser without JavaScript: cookies, forms, links; one step at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urljoin

import requests

from tests.contract.outside import TIMEOUT_SECONDS

HUB_ID = "62515"


@dataclass
class Browser:
    """Redirects are shown, not followed, so that each step can be looked at."""

    session: requests.Session = field(default_factory=requests.Session)
    language: str = "en"

    def open(self, url: str, **headers: str) -> requests.Response:
        headers = {"Accept": "text/html", "Accept-Language": self.language, **headers}
        return self.session.get(url, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False)

    def press(
        self, page: requests.Response, *, accept: str = "text/html", **fields: str
    ) -> requests.Response:
        """Send the page's one form."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token is not None, page.text
        action = re.search(r'<form[^>]*\baction="([^"]*)"', page.text)
        place = urljoin(page.url, unescape(action[1])) if action else page.url
        return self.session.post(
            place,
            data={"csrfmiddlewaretoken": token[1], **fields},
            headers={"Referer": page.url, "Accept": accept, "Accept-Language": self.language},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )

    def leave(self, url: str) -> str:
        """Open a link and press its button; returns the provider's authorize URL."""
        return refresh_target(self.press(self.open(url)))

    def decide(self, authorize_url: str, decision: str = "allow", *, hub_id: str = HUB_ID) -> str:
        """Consent at the provider; returns the callback URL that it sends the browser to."""
        reply = requests.post(
            authorize_url,
            data={"hubId": hub_id, "decision": decision},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )
        assert reply.status_code == 302, reply.text
        return reply.headers["Location"]

    def walk(self, url: str, decision: str = "allow", *, accept: str = "text/html", **kwargs: Any) -> Any:
        """A whole link: confirm, consent, callback. Returns the last reply."""
        return self.open(self.decide(self.leave(url), decision, **kwargs), Accept=accept)


def refresh_target(page: requests.Response) -> str:
    """Where the page's meta refresh leads."""
    assert page.status_code == 200, page.text
    found = re.search(r'<meta http-equiv="refresh" content="\d+; ?url=([^"]+)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])
