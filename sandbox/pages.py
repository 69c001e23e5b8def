"""HTML of the developer pages and the consent page. Every value that is shown goes through escape()."""

from html import escape
from pathlib import Path

from aiohttp import web

STYLE = Path(__file__).with_name("style.css")
# No form-action: after consent the browser is redirected to the app's own host, and Chromium applies
# form-action to the whole redirect chain of a form.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"


def page(title: str, *content: str, status: int = 200, narrow: bool = False) -> web.Response:
    """A whole page around content that is HTML already."""
    body = (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · HubSpot sandbox</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<link rel="stylesheet" href="/developer/style.css"></head><body>'
        '<header class="bar"><strong>HubSpot sandbox</strong>'
        "<span>a stand-in for development, no real account is involved</span></header>"
        f'<main class="{"narrow" if narrow else "wide"}"><h1>{escape(title)}</h1>{"".join(content)}</main>'
        "</body></html>\n"
    )
    return web.Response(
        status=status,
        body=body.encode("utf-8", errors="replace"),
        headers={
            "Content-Type": "text/html;charset=utf-8",
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
        },
    )


def paragraph(text: str, *, kind: str = "") -> str:
    """A paragraph of plain text; kind is a class of the style sheet."""
    return f'<p class="{escape(kind)}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def code_list(label: str, values: list[str]) -> str:
    """A labelled list of literal values."""
    items = "".join(f"<li><code>{escape(value)}</code></li>" for value in values) or "<li>none</li>"
    return f"<h2>{escape(label)}</h2><ul>{items}</ul>"


def dead_end(title: str, explanation: str, *content: str, status: int = 400) -> web.Response:
    """An error that stays at HubSpot: the browser is never sent back to the app."""
    return page(title, paragraph(explanation, kind="problem"), *content, status=status, narrow=True)


def style() -> web.Response:
    """The one style sheet."""
    return web.Response(body=STYLE.read_bytes(), headers={"Content-Type": "text/css;charset=utf-8"})
