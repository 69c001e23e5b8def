"""What must hold for every template of the customer's pages, whatever it is rendered with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string

FOLDERS = ("connect", "manage", "patchbay")
ALL = [
    path
    for folder in FOLDERS
    for path in sorted((Path(settings.BASE_DIR) / "templates" / folder).glob("*.html"))
]
TEMPLATES = [*ALL, Path(settings.BASE_DIR) / "templates" / "accounts" / "error.html"]
_TAG = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_template_holds_what_the_policy_forbids(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<style|\sstyle\s*=|\son[a-z]+\s*=|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert "|safe" not in text and "autoescape off" not in text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_word_of_a_template_goes_through_translation(template: Path) -> None:
    text = re.sub(r"{% comment %}.*?{% endcomment %}", "", template.read_text(), flags=re.DOTALL)
    text = re.sub(r"{% blocktranslate.*?{% endblocktranslate %}", "", text, flags=re.DOTALL)
    text = re.sub(r"{% block body_class %}.*?{% endblock %}", "", text)
    text = _TAG.sub("", re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL))
    words = re.findall(r"[A-Za-z]{2,}", re.sub(r"<[^>]*>", " ", text))
    assert set(words) <= {"Patchbay", "UTC"}


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_the_error_page_renders_without_a_request(status: int) -> None:
    context = {"heading": "H<1>", "advice": "A&B", "request_id": "req-1", "status": status}
    text = render_to_string("accounts/error.html", context)
    assert "<h1>H&lt;1&gt;</h1>" in text and "A&amp;B" in text and "req-1" in text
    assert '<html lang="' in text and "<title>H&lt;1&gt;</title>" in text and "<main" in text


def test_the_style_sheet_loads_nothing_from_elsewhere() -> None:
    for name in ("pages.css", "connect.js", "connect-page.js"):
        text = (Path(settings.BASE_DIR) / "static" / "patchbay" / name).read_text()
        assert "@import" not in text and "url(" not in text
        assert not re.search(r"https?://[a-z]", text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_contrast_with_what_they_stand_on(scheme: str) -> None:
    from integrations.pages.marks import contrast

    sheet = (Path(settings.BASE_DIR) / "static" / "patchbay" / "pages.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", sheet, flags=re.DOTALL)
    block = blocks[0] if scheme == "light" else blocks[1]
    found = dict(re.findall(r"--([a-z-]+): #([0-9a-f]{3,6});", block))
    colors = {name: f"#{value * 2 if len(value) == 3 else value}" for name, value in found.items()}
    pairs = [(ink, ground) for ink in ("ink", "ink-soft", "accent", "bad") for ground in ("card", "ground")]
    pairs += [("accent", "accent-soft"), ("good", "good-soft"), ("warn", "warn-soft"), ("bad", "bad-soft")]
    pairs += [("on-accent", "accent"), ("on-accent", "accent-hover"), ("card", "bad"), ("ink", "bad-soft")]
    too_low = {pair: round(contrast(colors[pair[0]], colors[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in too_low.items() if ratio < 4.5} == {}
