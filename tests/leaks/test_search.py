"""The search can fail: a secret that is planted is found in each form and place."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.leaks import search

SECRET = "na1-5f3c/ab+c=7e2d-4e1b-9d11-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    "planted",
    [
        SECRET,
        f"refresh_token={quote(SECRET, safe='')}&x=1",
        SECRET.encode().hex(),
        base64.b64encode(f"client:{SECRET}".encode()).decode(),
        base64.b64encode(f"ab{SECRET}".encode()).decode(),
        base64.urlsafe_b64encode(f"x{SECRET}y".encode()).decode(),
    ],
)
def test_a_planted_secret_is_found_in_every_form(tmp_path: Path, planted: str) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "web.log").write_text(f"something {planted} else")
    assert search.in_folder(tmp_path, {"refresh token": SECRET}) == [
        search.Hit("refresh token", "log/web.log")
    ]


def test_a_planted_secret_is_found_in_a_table_and_in_a_page(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "db.sqlite3") as connection:
        connection.execute("CREATE TABLE planted (a, b)")
        connection.execute("INSERT INTO planted VALUES (1, ?)", (f"x {SECRET}".encode(),))
    assert search.in_tables(tmp_path / "db.sqlite3", {"s": SECRET}) == [search.Hit("s", "table planted")]
    assert search.in_pages([("/admin/", f"<b>{SECRET}</b>".encode())], {"s": SECRET})


def test_what_holds_no_secret_gives_no_hit(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("nothing of that kind 5f3c")
    (tmp_path / "demo.json").write_text(SECRET)
    assert search.in_folder(tmp_path, {"s": SECRET}) == []
