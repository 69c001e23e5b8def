"""One scenario, carried out on a running installation: what was done, and what came of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.chaos.callers import Answer, Callers
from benchmarks.chaos.scenarios import STOPPED, Scenario
from benchmarks.chaos.stack import Process, Stack, wait_until

#: after a kill the lease runs on; until then workers are handed the work again and again
_WORK_EVERY_SECONDS = 3.0
#: every call has been written to its process, and has got as far as it gets
_SETTLE_SECONDS = 0.5
_HELD_SECONDS = 20.0
_IDLE_SECONDS = 8.0
_RECONNECT_SECONDS = 60.0
#: a process that is told to end has a lease's time for it
_END_SECONDS = 60.0


@dataclass(slots=True)
class Outcome:
    """statuses: HTTP status (with the problem's code) -> how many calls. The counts are of this run alone.

    good: 200, and the provider received the access token that it issued last. broken: tries that the kill cut
    off; broken_elsewhere: those at other processes. tasks: refresh work that the workers finished. back_after:
    seconds until a worker did work again after Redis had come back from the last run. ended: processes that had
    ended by themselves before this run, and were started anew as their supervisor does.
    """

    statuses: dict[str, int]
    good: int
    token_requests: int
    broken: int
    broken_elsewhere: int
    killed: str
    tasks: int
    publish: dict[str, Any]
    status: str
    reason: str
    version: int
    lost: bool
    slowest: float
    seconds: float
    back_after: float | None = None
    ended: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def carry_out(stack: Stack, scenario: Scenario, *, number: int) -> Outcome:
    """Run it. Raises RuntimeError when it cannot be done, a kill that did not happen included."""
    back_after = None
    if stack.redis is not None and scenario.redis == "killed":
        stack.redis.start()
        back_after, ended = _worker_back(stack)
    else:
        ended = stack.start()
    _prepare_provider(stack, scenario)
    identifier = f"customer-{number}"
    connection_id = stack.inside("connect", identifier)["id"]
    callers = Callers(
        stack.ports,
        api_key=stack.inside.greeting["apiKey"],
        path=f"/proxy/{stack.inside.greeting['slug']}/{identifier}/_echo/chaos",
        timeout_seconds=scenario.timeout_seconds,
    )
    tasks_before, started = stack.tasks_done(), time.monotonic()
    with _Work(stack, connection_id, starts=scenario.point == "") as work:
        answers, victim = asyncio.run(_meet(stack, scenario, callers, work))
    seconds = time.monotonic() - started
    _wait_for_workers(stack, tasks_before + work.sent)
    outcome = _outcome(stack, answers, victim=victim, found=stack.inside("look", connection_id))
    outcome.tasks, outcome.publish = stack.tasks_done() - tasks_before, work.report()
    outcome.seconds, outcome.back_after, outcome.ended = round(seconds, 1), back_after, ended
    return outcome


def _prepare_provider(stack: Stack, scenario: Scenario) -> None:
    """An empty sandbox that lets each refresh token be used once, or for a while."""
    stack.control("POST", "/_control/reset")
    behaviour = {"rotateRefreshTokens": True, "tokenDelaySeconds": scenario.delay}
    stack.control("PATCH", "/_control/behaviour", {**behaviour, "refreshGraceSeconds": scenario.grace})


class _Work:
    """Hands refresh work to the broker again and again, beside the calls."""

    def __init__(self, stack: Stack, connection_id: str, *, starts: bool) -> None:
        self._stack = stack
        self._connection_id = connection_id
        self._go = threading.Event()
        self._end = threading.Event()
        self._answers: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._run, name="work")
        if starts:
            self.begin()

    def begin(self) -> None:
        self._go.set()

    def _run(self) -> None:
        self._go.wait()
        while not self._end.is_set():
            self._answers.append(self._stack.inside("enqueue", self._connection_id))
            self._end.wait(_WORK_EVERY_SECONDS)

    def __enter__(self) -> _Work:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._go.set()
        self._thread.join()

    @property
    def sent(self) -> int:
        return sum(answer["sent"] for answer in self._answers)

    def report(self) -> dict[str, Any]:
        """{"sent", "failed", "seconds"}: messages, what the broker raised, and the longest time one took."""
        failed = sorted({answer["failed"] for answer in self._answers if answer["failed"]})
        slowest = max((answer["seconds"] for answer in self._answers), default=0.0)
        return {"sent": self.sent, "failed": ", ".join(failed), "seconds": slowest}


async def _meet(
    stack: Stack, scenario: Scenario, callers: Callers, work: _Work
) -> tuple[list[Answer], Process | None]:
    """Let the calls and the work meet the refresh, and kill what is to be killed: (answers, victim)."""
    if not scenario.point:
        return await _calls(stack, scenario, callers), None
    is_stop = scenario.point == STOPPED
    stack.arm("before_request" if is_stop else scenario.point, scenario.kind)
    victim = None
    if scenario.kind == "worker":  # it has to be the first to come
        work.begin()
        victim = await asyncio.to_thread(_held, stack)
    calls = asyncio.create_task(_calls(stack, scenario, callers))
    try:
        while callers.sent < scenario.calls:
            await asyncio.sleep(0.02)
        if victim is None:
            victim = await asyncio.to_thread(_held, stack)
            work.begin()
        await asyncio.sleep(_SETTLE_SECONDS)
        await asyncio.to_thread(stack.stop if is_stop else stack.kill, victim)
        answers = await calls
        await asyncio.to_thread(victim.popen.wait, _END_SECONDS)
        return answers, victim
    finally:
        calls.cancel()


def _held(stack: Stack) -> Process:
    found: list[Process] = []

    def look() -> bool:
        found.extend(one for one in [stack.held()] if one is not None)
        return bool(found)

    wait_until(look, "No process reached the point", seconds=_HELD_SECONDS)
    return found[0]


async def _calls(stack: Stack, scenario: Scenario, callers: Callers) -> list[Answer]:
    half = scenario.calls // 2
    tasks = [asyncio.create_task(callers.call(number)) for number in range(half)]
    if scenario.redis == "killed" and stack.redis is not None:
        while callers.sent < half:
            await asyncio.sleep(0)
        await asyncio.to_thread(stack.redis.kill)
    tasks += [asyncio.create_task(callers.call(number)) for number in range(half, scenario.calls)]
    return list(await asyncio.gather(*tasks))


def _worker_back(stack: Stack) -> tuple[float, list[str]]:
    """Wait until a worker has found Redis again and does work: (seconds that took, those that had to be started)."""
    started, before = time.monotonic(), stack.tasks_done()
    ended: list[str] = []

    def is_back() -> bool:
        ended.extend(stack.start())
        return stack.tasks_done() > before

    with _beating(stack):
        wait_until(is_back, "No worker came back after Redis had", seconds=_RECONNECT_SECONDS)
    return round(time.monotonic() - started, 1), ended


@contextmanager
def _beating(stack: Stack) -> Iterator[None]:
    """The worker's heartbeat, every second."""
    end = threading.Event()

    def run() -> None:
        while not end.is_set():
            stack.inside("beat")
            end.wait(1.0)

    thread = threading.Thread(target=run, name="beat")
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _wait_for_workers(stack: Stack, expected: int) -> None:
    """Until they have done all that was sent, or do nothing more: a broker that is gone keeps its messages."""
    give_up_at = time.monotonic() + _IDLE_SECONDS
    while stack.tasks_done() < expected and time.monotonic() < give_up_at:
        time.sleep(0.1)


def _outcome(
    stack: Stack, answers: list[Answer], *, victim: Process | None, found: dict[str, Any]
) -> Outcome:
    tokens = stack.control("GET", "/_control/state")["accessTokens"]
    newest = tokens[-1]["token"]
    statuses = Counter(f"{one.status} {one.code}".strip() for one in answers)
    broken = [port for one in answers for port in one.broken]
    port = victim.port if victim is not None else 0
    return Outcome(
        statuses=dict(statuses),
        good=sum(one.status == 200 and one.token == newest for one in answers),
        token_requests=len(stack.token_requests()),
        broken=len(broken),
        broken_elsewhere=sum(one != port for one in broken),
        killed="" if victim is None else victim.name,
        tasks=0,
        publish={},
        slowest=round(max(one.seconds for one in answers), 1),
        seconds=0.0,
        **found,
    )
