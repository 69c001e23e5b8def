"""The stage of the contract set: committed rows, emptied once, after all of this folder's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command

from integrations import catalogue
from tests.integrations.contract_set.replies import load
from tests.integrations.contract_set.stage import Stage, opened
from tests.integrations.contract_set.visit import Visit


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
