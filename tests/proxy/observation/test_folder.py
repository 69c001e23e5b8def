"""Several processes, one sum: no number goes back, none is counted twice, whoever dies when."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.observation import calls
from proxy.observation.calls import LENGTH, Key
from proxy.observation.folder import Folder
from proxy.observation.snapshot import Snapshot
from tests.suite import ROOT

Enter = Callable[[], Folder]
KEY: Key = ("hbdev", "hubspot", "passthrough", "GET", "2xx", "completed", "", "provider")


def counted(requests: int, *, in_flight: int = 0) -> Snapshot:
    numbers = [0.0] * LENGTH
    numbers[calls.REQUESTS] = requests
    return Snapshot(
        {KEY: numbers},
        counters={"patchbay_web_cpu_seconds": requests},
        gauges={"patchbay_proxy_in_flight": in_flight},
    )


def entered(path: Path) -> Folder:
    folder = Folder(path)
    folder.enter()
    return folder


@pytest.fixture
def enter(tmp_path: Path) -> Iterator[Callable[[], Folder]]:
    """Take another place in the folder, as another process would."""
    taken: list[Folder] = []

    def one_more() -> Folder:
        taken.append(entered(tmp_path))
        return taken[-1]

    yield one_more
    for folder in taken:
        folder.leave()


def told(folder: Folder) -> tuple[float, float, float]:
    """(requests, processor time, in flight) of all."""
    found = folder.together()
    requests = sum(numbers[calls.REQUESTS] for numbers in found.cells.values())
    gauges, counters = found.gauges, found.counters
    return (
        requests,
        counters.get("patchbay_web_cpu_seconds", 0),
        gauges.get("patchbay_proxy_in_flight", 0),
    )


def test_each_finds_the_sum_of_all(enter: Enter) -> None:
    one, other = enter(), enter()
    one.publish(counted(3, in_flight=1))
    other.publish(counted(4, in_flight=5))
    assert told(one) == told(other) == (7, 7, 6)


def test_one_that_has_published_nothing_counts_for_nothing(enter: Enter) -> None:
    one, other = enter(), enter()
    one.publish(counted(3))
    assert told(other) == (3, 3, 0)


def test_what_one_has_counted_stays_when_it_ends_but_for_its_gauges(tmp_path: Path, enter: Enter) -> None:
    one, other = enter(), enter()
    one.publish(counted(3, in_flight=1))
    other.publish(counted(4, in_flight=5))
    one.leave()
    assert told(other) == told(other) == (7, 7, 5)
    late = enter()
    late.publish(counted(1))
    assert told(late) == (8, 8, 5)
    assert len(list(tmp_path.glob("*.lock"))) == 2


def test_a_process_that_is_killed_leaves_its_numbers(tmp_path: Path, enter: Enter) -> None:
    mine = enter()
    mine.publish(counted(4))
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tests.proxy.observation.test_folder import counted, entered\n"
        "entered(Path(sys.argv[1])).publish(counted(3, in_flight=9))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", f"import django; django.setup()\n{program}", str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == -9
    assert told(mine) == (7, 7, 0)


def test_a_fold_that_was_interrupted_counts_nobody_twice(tmp_path: Path, enter: Enter) -> None:
    """Killed after the sum was written and before the files of the dead were deleted."""
    one, other = enter(), enter()
    one.publish(counted(3))
    other.publish(counted(4))
    one.leave()
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.stem == one._name}
    assert told(other) == (7, 7, 0)
    for name, content in kept.items():
        (tmp_path / name).write_bytes(content)
    assert told(other) == (7, 7, 0)
    assert told(other) == (7, 7, 0)


def test_the_first_of_a_new_run_begins_at_nothing(tmp_path: Path, enter: Enter) -> None:
    one = enter()
    one.publish(counted(3))
    one.leave()
    other = enter()
    assert told(other) == (0, 0, 0)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == ["", ".lock"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"version": 0}',
        json.dumps(json.loads(next(counted(1).lines())) | {"lag": [0]}),
        '{"version": 1}',
    ],
)
def test_a_file_of_another_version_or_none_of_ours_is_left_out(
    tmp_path: Path, enter: Enter, content: str
) -> None:
    one, other = enter(), enter()
    one.publish(counted(3))
    (tmp_path / f"{other._name}.numbers").write_text(content)
    (tmp_path / "ended.numbers").write_text(content)
    assert told(one) == (3, 3, 0)


def test_hosts_that_are_long_gone_are_forgotten_and_nothing_else(tmp_path: Path) -> None:
    for name in ("gone", "here"):
        folder = entered(tmp_path / name)
        folder.publish(counted(1))
        folder.leave()
    (tmp_path / "of somebody else").mkdir()
    for name in ("gone", "of somebody else"):
        os.utime(tmp_path / name, (1_000_000_000, 1_000_000_000))
    entered(tmp_path / "new").leave()
    assert {path.name for path in tmp_path.iterdir()} == {"here", "new", "of somebody else"}


def test_a_folder_that_another_host_forgets_first_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.glob

    def late(self: Path, pattern: str) -> Any:
        return [tmp_path / "gone" / "folding"] if pattern.startswith("*/") else real(self, pattern)

    monkeypatch.setattr(Path, "glob", late)
    entered(tmp_path / "new").leave()


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_folder_that_is_forgotten_while_its_host_comes_back_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_made_again: bool
) -> None:
    path, real, times = tmp_path / "here", fcntl.flock, iter(range(100))

    def slow(file: Any, operation: int) -> None:
        if next(times) == 0:
            shutil.rmtree(path)
            if is_made_again:
                path.mkdir()
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    folder = entered(path)
    folder.publish(counted(3))
    assert told(folder) == (3, 3, 0)
    folder.leave()


def test_a_folder_in_which_somebody_takes_a_place_is_not_forgotten(tmp_path: Path) -> None:
    folder = entered(tmp_path / "back")
    with (tmp_path / "back" / "folding").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.utime(tmp_path / "back", (1_000_000_000, 1_000_000_000))
        entered(tmp_path / "new").leave()
    folder.publish(counted(3))
    assert told(folder) == (3, 3, 0)
    folder.leave()


def test_a_folder_that_cannot_be_kept_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    with pytest.raises(FileNotFoundError):
        Folder(tmp_path / "never").enter()


def test_what_a_killed_process_was_writing_goes_with_it(tmp_path: Path, enter: Enter) -> None:
    one, other = enter(), enter()
    one.publish(counted(3))
    (tmp_path / f"{one._name}.writing").write_text("half of i")
    one.leave()
    assert told(other) == (3, 3, 0)
    assert [path.name for path in tmp_path.iterdir() if path.stem == one._name] == []


def test_what_is_written_is_read_as_it_was_however_much_it_is() -> None:
    cells = {(f"app-{number}", *KEY[1:]): [float(number)] * LENGTH for number in range(250)}
    written = Snapshot(cells, gauges={"patchbay_web_processes": 1}, ended=["a", "b"])
    lines = list(written.lines())
    assert len(lines) == 4
    assert Snapshot.of_lines(lines) == written


def test_only_the_owner_of_the_files_may_look_at_them(tmp_path: Path) -> None:
    folder = entered(tmp_path / "metrics" / "host")
    folder.leave()
    assert (tmp_path / "metrics" / "host").stat().st_mode & 0o077 == 0
