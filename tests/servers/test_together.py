"""Where tokens rotate, one refresh too many ends a grant: many at once, a reply that is lost, an account shared."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.egress.servers import Conversation, Server
from tests.servers.conftest import MakeScene
from tests.servers.real import RealServer

pytestmark = [pytest.mark.served, pytest.mark.slow]
AT_ONCE = 12


@pytest.mark.db
@pytest.mark.parametrize("name", ["oidc-provider", "toolkit", "glewlwyd"])
def test_many_calls_at_the_moment_of_expiry_make_one_refresh(make_scene: MakeScene, name: str) -> None:
    """A second one would be a replay to the server, which then ends the grant."""
    scene = make_scene(name)
    connection = scene.connect()
    scene.let_token_expire(connection)
    together = threading.Barrier(AT_ONCE)

    def call(_: int) -> int:
        together.wait(timeout=30)
        return scene.call().status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(call, range(AT_ONCE))) == [200] * AT_ONCE
    connection.refresh_from_db()
    assert (connection.status, connection.token_version) == ("active", 2)
    assert scene.api("POST", f"/api/v1/connections/{connection.pk}/refresh").json()["status"] == "active"


@pytest.mark.parametrize("name", ["oidc-provider", "toolkit", "glewlwyd"])
@pytest.mark.parametrize("same_browser", [True, False], ids=["same browser", "another browser"])
def test_one_customers_end_is_not_anothers(make_scene: MakeScene, name: str, same_browser: bool) -> None:
    """Two customers of a partner, one account at the server: whoever disconnects first takes nothing from the other."""
    scene = make_scene(name)
    first = scene.connect("first")
    if not same_browser:
        scene.visitor.session.cookies.clear()
    second = scene.connect("second")
    assert scene.api("DELETE", f"/api/v1/connections/{first.pk}").ok
    # oidc-provider's entry says that an account's grants end together.
    assert scene.carry_out_revocation() == ("unsupported" if name == "oidc-provider" else "confirmed")

    assert scene.call("second").status_code == 200
    assert scene.api("POST", f"/api/v1/connections/{second.pk}/refresh").json()["status"] == "active"

    held = scene.tokens_of(second)
    assert scene.api("DELETE", f"/api/v1/connections/{second.pk}").ok
    assert scene.carry_out_revocation() == "confirmed"
    replayed = scene.server.token_call(
        scene.app, grant_type="refresh_token", refresh_token=held["refresh_token"]
    )
    assert replayed.status_code == 400


@pytest.mark.parametrize("name", ["lenient", "oidc-provider", "toolkit", "glewlwyd"])
def test_ref_03_a_refresh_whose_reply_is_lost_is_asked_for_once_more(
    make_scene: MakeScene, settings: Any, name: str
) -> None:
    """The server has spent the token by then. One that takes it once more for a while (a grace) makes good for the
    loss; to the others the second is a replay, and whoever asks later or never has lost the grant just so."""
    scene = make_scene(name)
    connection = scene.connect()
    before = scene.tokens_of(connection)
    with losing_replies(scene.server, 1) as (place, lost):
        settings.UPSTREAM_MAP = settings.UPSTREAM_MAP | {scene.server.origin: place}
        told = scene.api("POST", f"/api/v1/connections/{connection.pk}/refresh").json()
    assert len(lost) == 1
    connection.refresh_from_db()
    if name == "lenient":
        assert told["status"] == "active"
        assert scene.tokens_of(connection)["refresh_token"] != before["refresh_token"]
        assert scene.server.is_alive(scene.app, scene.tokens_of(connection)["access_token"])
    elif name == "glewlwyd":
        assert told["code"] == "refresh_unavailable" and connection.status == "active"
    else:
        assert told["code"] == "reconnect_required"
        assert connection.status_reason == "revoked_at_provider"


@contextlib.contextmanager
def losing_replies(server: RealServer, number: int) -> Iterator[tuple[str, list[bytes]]]:
    """A way to the server on which the first replies to token calls are lost: (its address, what was lost)."""
    lost: list[bytes] = []

    def hand_on(conversation: Conversation) -> None:
        request = conversation.read_request().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as behind:
            behind.sendall(request)
            reply = b"".join(iter(lambda: behind.recv(65_536), b""))
        if request.startswith(f"POST {server.token_path} ".encode()) and len(lost) < number:
            lost.append(reply)
            conversation.reset()
        else:
            conversation.send(reply)

    front = Server(hand_on)
    try:
        yield f"http://127.0.0.1:{front.port}", lost
    finally:
        front.close()
