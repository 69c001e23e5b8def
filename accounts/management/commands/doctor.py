"""`manage.py doctor`: is this installation well? Exits 0 when it is, and 1 with the findings otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from accounts import health
from accounts.health import Health


class Command(BaseCommand):
    help = (
        "Run the registered health checks (database, broker, worker, keys, …), look at the stored secrets for some "
        "seconds whether the keys open them, look for migrations that are missing, "
        "and run Django's checks, in production with those of --deploy. Exit code 0: all well; 1: see the findings. "
        "Warnings of Django's checks are shown and do not count."
    )
    requires_system_checks: Any = []  # they are part of what is told

    def handle(self, *args: Any, **options: Any) -> None:
        is_well = True
        for name, result in _health():
            is_well = is_well and result.is_well
            self._tell("ok" if result.is_well else "BAD", name, result.detail)
        for message in checks.run_checks(include_deployment_checks=settings.IS_PRODUCTION):
            if message.is_silenced():
                continue
            is_serious = message.is_serious()
            is_well = is_well and not is_serious
            text = message.msg if message.hint is None else f"{message.msg} Hint: {message.hint}"
            self._tell("BAD" if is_serious else "warning", message.id or "check", text)
        self.stdout.write("All is well." if is_well else "Something is wrong; see above.")
        if not is_well:
            sys.exit(1)

    def _tell(self, word: str, name: str, detail: str) -> None:
        style = {"ok": self.style.SUCCESS, "BAD": self.style.ERROR}.get(word, self.style.WARNING)
        self.stdout.write(f"{style(f'{word:<7}')} {name}{': ' if detail else ''}{detail}")


def _health() -> Iterator[tuple[str, Health]]:
    yield from health.run(thorough=True).items()
    yield "migrations", _migrations()


def _migrations() -> Health:
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return Health(False, f"The database cannot be asked ({type(error).__name__}).")
    if plan:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan[:5])
        return Health(False, f"{len(plan)} not applied: {names}. Run `python manage.py migrate`.")
    return Health(True)
