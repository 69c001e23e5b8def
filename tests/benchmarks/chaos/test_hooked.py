"""The wrapper: one process dies at the point that was asked for, and the product runs as ever otherwise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from django.db import connection as database
from django.utils import timezone

from benchmarks.chaos import hooked
from integrations import provider_calls
from integrations.models import Connection
from integrations.oauth.token_response import parse_token_response
from integrations.tokens import outcomes
from tests import factories
from tests.suite import ROOT

REACH = """
import sys, pathlib
from benchmarks.chaos.hooked import Executioner
Executioner(pathlib.Path(sys.argv[1]), sys.argv[2]).reach("after_reply")
print("lives")
"""


def reach(folder: Path, kind: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", REACH, str(folder), kind]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_the_process_that_was_asked_for_dies_and_the_next_one_lives(tmp_path: Path) -> None:
    (tmp_path / "armed-after_reply-web").touch()
    (tmp_path / "die").touch()
    first = reach(tmp_path, "web")
    assert first.communicate(timeout=30)[0] == ""
    assert first.returncode == -signal.SIGKILL
    assert (tmp_path / f"held-{first.pid}").exists()
    second = reach(tmp_path, "web")
    assert second.communicate(timeout=30)[0] == "lives\n"


def test_a_process_of_the_other_kind_or_at_another_point_lives(tmp_path: Path) -> None:
    (tmp_path / "armed-after_reply-worker").touch()
    (tmp_path / "armed-after_commit-web").touch()
    (tmp_path / "die").touch()
    hooked.Executioner(tmp_path, "web").reach("after_reply")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "armed-after_commit-web",
        "armed-after_reply-worker",
        "die",
    ]


def test_a_process_stays_at_the_point_until_it_is_told_to_die(tmp_path: Path) -> None:
    (tmp_path / "armed-after_reply-web").touch()
    process = reach(tmp_path, "web")
    held = tmp_path / f"held-{process.pid}"
    while not held.exists():
        assert process.poll() is None
    assert process.poll() is None
    (tmp_path / "die").touch()
    assert process.wait(timeout=30) == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()


def test_a_process_that_is_let_go_lives(tmp_path: Path) -> None:
    (tmp_path / "armed-after_reply-web").touch()
    (tmp_path / "go").touch()
    hooked.Executioner(tmp_path, "web").reach("after_reply")
    assert (tmp_path / f"held-{os.getpid()}").exists()


@pytest.fixture
def _unwrapped() -> Iterator[None]:
    yield
    mock.patch.stopall()


REPLY = b'{"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 1800}'


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_unwrapped")
def test_a_store_passes_its_three_points_and_is_not_seen_before_the_last() -> None:
    made = factories.connection(factories.world(), "cust")
    points: list[tuple[str, int]] = []

    def look(point: str) -> None:
        def read() -> None:
            points.append((point, Connection.objects.get(pk=made.pk).token_version))
            database.close()

        thread = threading.Thread(target=read)
        thread.start()
        thread.join()

    hooked.wrap(look)
    response = parse_token_response(200, "application/json", REPLY)
    assert outcomes.store(made, response, now=timezone.now())
    assert points == [("after_reply", 1), ("before_update", 1), ("after_commit", 2)]
    factories.customer(made.partner, "another")  # whatever else is committed is no point
    assert len(points) == 3


@pytest.mark.usefixtures("_unwrapped")
def test_the_first_point_comes_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(provider_calls, "refresh", lambda **_: order.append("sent"))
    hooked.wrap(order.append)
    provider_calls.refresh(provider=None)
    assert order == ["before_request", "sent"]


def test_notes_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    hooked.Executioner(tmp_path, "worker").note("tasks", "a.task")
    hooked.Executioner(tmp_path, "worker").note("tasks", "b.task")
    assert (tmp_path / "tasks").read_text().splitlines() == [f"{os.getpid()} a.task", f"{os.getpid()} b.task"]
