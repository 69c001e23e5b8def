"""Workers' runs as tests need them, and a provider that answers when it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection as database

from proxy import tasks
from proxy.models import Receipt
from proxy.receipts import execution
from proxy.receipts.claims import Claim
from tests.egress.servers import Conversation
from tests.proxy.calls import reply

OK = reply(body=b"ok")


def now_of(made: Receipt) -> Receipt:
    return Receipt.objects.get(pk=made.pk)


def failing(real: Callable[..., Any], failures: list[Any]) -> Callable[..., Any]:
    """As real, once all of these have been raised."""

    def function(*args: Any, **kwargs: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*args, **kwargs)

    return function


def working() -> threading.Thread:
    """A worker's thread that makes what is due."""

    def work() -> None:
        try:
            tasks.run_receipts()
        finally:
            database.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_for(condition: Callable[[], Any]) -> None:
    give_up_at = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


class Slow:
    """A provider that answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Semaphore(0), threading.Event()

    def __call__(self, conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            self.asked.release()
            self.may_answer.wait(20)
            conversation.send(OK)

    def wait_until_asked(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.asked.acquire(timeout=20)


class Held:
    """Stands for what prepares calls, and keeps that of one receipt back until it may go on."""

    def __init__(self, receipt: Receipt) -> None:
        self.is_held, self.may_go_on = threading.Event(), threading.Event()
        self._receipt, self._real = receipt, execution._prepared

    def __call__(self, claimed: Claim) -> Any:
        if claimed.receipt.pk == self._receipt.pk:
            self.is_held.set()
            self.may_go_on.wait(20)
        return self._real(claimed)
