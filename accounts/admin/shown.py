"""Small pieces of markup that several admin pages show."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

TONES: dict[str, str] = {
    "active": "good",
    "connected": "good",
    "completed": "good",
    "refresh_failing": "warn",
    "paused": "warn",
    "started": "warn",
    "exchanging": "warn",
    "opened": "warn",
    "denied": "bad",
    "failed": "bad",
    "reconnect_required": "bad",
}


def badge(text: str, tone: str = "") -> SafeString:
    """A coloured label; tone is good, warn, bad or "" (grey)."""
    return format_html('<span class="pb-badge pb-badge--{}">{}</span>', tone or "off", text)


def status_badge(value: str, label: str = "") -> SafeString:
    return badge(label or value.replace("_", " "), TONES.get(value, ""))


def code(text: str) -> SafeString:
    return format_html('<code class="pb-code">{}</code>', text)


def pretty_json(value: Any) -> SafeString:
    """A JSON value, indented; for rows that hold no secret."""
    return format_html(
        '<pre class="pb-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    )


def word_list(words: list[str]) -> SafeString | str:
    """Scopes and the like, one label each."""
    return format_html_join(" ", "{}", ((badge(word),) for word in words)) or "–"
