"""Prefer, as RFC 7240 writes it."""

from __future__ import annotations

import pytest

from proxy.receipts.preference import Preference, read

ASYNC = Preference(respond_async=True)


def preference(*values: str) -> Preference:
    return read([(b"host", b"x"), *((b"prefer", value.encode("latin-1")) for value in values)])


@pytest.mark.parametrize(
    "values",
    [
        ["respond-async"],
        ["Respond-Async"],
        ["RESPOND-ASYNC"],
        ["  respond-async  "],
        ["respond-async="],
        ['respond-async=""'],
        ["respond-async; foo=bar"],
        ["return=minimal, respond-async"],
        ["return=minimal", "respond-async"],
        ["handling=lenient , respond-async ;x"],
        [",, respond-async,"],
        ['note="a, b; c", respond-async'],
        ['note="a \\" respond", respond-async'],
        ["respond-async, respond-async=no"],
        ["?broken?, respond-async"],
    ],
)
def test_the_preference_is_found_wherever_it_may_stand(values: list[str]) -> None:
    assert preference(*values) == ASYNC


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["wait=10"],
        ["return=minimal"],
        ["respond-asynchronously"],
        ["respond_async"],
        ["respond async"],
        ["respond-async=no"],
        ["respond-async=no, respond-async"],
        ['note="respond-async"'],
        ['note="x, respond-async, y"'],
        ['note="open, respond-async'],
        ["foo; respond-async"],
        ["foo=bar; respond-async"],
        ["résponse, respond-asynç"],
        ['"respond-async"'],
    ],
)
def test_what_is_not_that_preference_is_ignored(values: list[str]) -> None:
    assert preference(*values) == Preference()


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (["respond-async, wait=10"], 10),
        (["wait=10, respond-async"], 10),
        (["wait=10", "respond-async"], 10),
        (["respond-async, Wait = 10"], 10),
        (['respond-async, wait="10"'], 10),
        (["respond-async, wait=10, wait=20"], 10),
        (["respond-async, wait=0"], 0),
        (["respond-async, wait=60"], 60),
        (["respond-async, wait=61"], 60),
        (["respond-async, wait=999999999"], 60),
        (["respond-async, wait=9999999999"], 0),
        (["respond-async, wait=-1"], 0),
        (["respond-async, wait=1.5"], 0),
        (["respond-async, wait=soon"], 0),
        (["respond-async, wait"], 0),
        (["respond-async; wait=10"], 0),
    ],
)
def test_wait_is_whole_seconds_up_to_a_minute(values: list[str], seconds: int) -> None:
    assert preference(*values) == Preference(True, seconds)
