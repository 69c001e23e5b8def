"""What is run: everything that was promised, and nothing twice."""

from __future__ import annotations

import random
from itertools import product

from benchmarks.chaos import scenarios


def test_every_database_meets_every_redis_and_every_delay() -> None:
    met = {(one.database, one.redis, one.delay) for one in scenarios.matrix()}

    assert met == set(product(("sqlite", "postgresql"), ("none", "up", "down", "killed"), (0, 2, 12)))
    assert {one.calls for one in scenarios.matrix()} == {200}


def test_the_slowest_provider_gets_calls_that_wait_for_a_minute() -> None:
    assert {one.delay: one.timeout_seconds for one in scenarios.matrix()} == {0: None, 2: None, 12: 60}


def test_both_kinds_are_killed_at_each_point_on_both_databases_with_grace_and_without() -> None:
    found = scenarios.kills(choose=random.Random(1))
    met = {
        (one.database, one.kind, "window" if one.point in scenarios.WINDOW else one.point, bool(one.grace))
        for one in found
    }

    assert met == set(
        product(
            ("sqlite", "postgresql"),
            ("web", "worker"),
            ("before_request", "window", "after_commit"),
            (True, False),
        )
    )
    assert len(found) == len(met)


def test_chance_alone_says_where_in_the_window() -> None:
    points = {one.point for seed in range(20) for one in scenarios.kills(choose=random.Random(seed))}

    assert points == set(scenarios.POINTS)
    first, again = (scenarios.kills(choose=random.Random(7)) for _ in range(2))
    assert first == again


def test_only_a_kill_in_the_window_without_grace_may_lose_a_grant() -> None:
    found = [*scenarios.matrix(), *scenarios.kills(choose=random.Random(3))]

    assert {(one.point in scenarios.WINDOW, bool(one.grace)) for one in found if one.may_lose} == {
        (True, False)
    }


def test_both_kinds_are_told_to_end_while_a_provider_without_grace_thinks() -> None:
    found = scenarios.stops()

    assert {(one.database, one.kind) for one in found} == set(
        product(("sqlite", "postgresql"), ("web", "worker"))
    )
    assert not any(one.grace or one.may_lose for one in found)
    assert all(one.delay > 3 for one in found)


def test_names_are_one_of_a_kind_and_choose() -> None:
    found = [*scenarios.matrix(), *scenarios.stops(), *scenarios.kills(choose=random.Random(3))]
    names = [one.name for one in found]

    assert len(set(names)) == len(names)
    assert scenarios.chosen(found, "postgresql-redis-killed-12s") == [
        scenarios.Scenario("postgresql", "killed", 12)
    ]
