"""The stage of the contract set: committed rows, emptied once, after all of this folder's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command

from integrations import catalogue
from tests.integrations.contract_set.replies import FILE, FOLDER, RepliesError, load
from tests.integrations.contract_set.stage import Stage, opened
from tests.integrations.contract_set.visit import Visit
from tests.integrations.contract_set.ways import WAYS


@pytest.fixture(scope="package")
def transactional_db(django_db_setup: Any, django_db_blocker: Any) -> Iterator[None]:
    """In place of the fixture of that name: committed rows, emptied once."""
    with django_db_blocker.unblock():
        yield
        call_command("flush", verbosity=0, interactive=False)


@pytest.fixture(scope="package")
def stage(transactional_db: None) -> Iterator[Stage]:
    with opened() as made:
        yield made


@pytest.fixture(scope="module")
def visit(request: pytest.FixtureRequest, stage: Stage) -> Visit:
    """One for all checks of an entry: the customer connects once."""
    provider = catalogue.get(request.param)
    return Visit(stage, provider, load(provider.id))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the set does not do yet, in every run's words: kinds without a way to connect, and drafts."""
    providers = catalogue.all_providers()
    by_hand = [f"{entry.id} ({entry.auth_kind})" for entry in providers if entry.auth_kind not in WAYS]
    drafts = [
        entry.id for entry in providers if (FOLDER / entry.id / FILE).exists() and not _is_reviewed(entry.id)
    ]
    terminalreporter.section("contract set of the catalogue")
    terminalreporter.line(f"{len(providers)} entries")
    terminalreporter.line(
        f"{len(by_hand)} connected by hand, as the platform cannot: {', '.join(by_hand) or 'none'}"
    )
    terminalreporter.line(
        f"{len(drafts)} with drafted replies that nobody has reviewed: {', '.join(drafts) or 'none'}"
    )


def _is_reviewed(provider_id: str) -> bool:
    try:
        return load(provider_id).is_reviewed
    except RepliesError:
        return True  # its own tests say what is wrong
