from __future__ import annotations

from django.test import Client


def test_any_site_may_load_the_script_which_is_small_and_asks_for_nothing() -> None:
    reply = Client().get("/connect.js")
    assert reply.status_code == 200
    assert reply["Content-Type"].startswith("application/javascript")
    assert reply["Access-Control-Allow-Origin"] == "*"
    assert reply["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert len(reply.content) < 6_000
    assert b"import " not in reply.content and b"require(" not in reply.content
    assert not reply.cookies


def test_the_script_is_kept_by_version() -> None:
    reply = Client().get("/connect.js")
    version = reply["ETag"].strip('"')
    assert "immutable" not in reply["Cache-Control"]
    assert "immutable" in Client().get(f"/connect.js?v={version}")["Cache-Control"]
    assert "immutable" not in Client().get("/connect.js?v=older")["Cache-Control"]
    unchanged = Client().get("/connect.js", headers={"If-None-Match": reply["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
