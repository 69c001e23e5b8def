"""The set itself is tested: an entry with a mistake in it must not pass. All mutants are slow, a sample is not."""

from __future__ import annotations

from collections import Counter
from zlib import crc32

import pytest

from integrations import catalogue
from integrations.catalogue import Provider
from tests.integrations.contract_set.judging import Judge
from tests.integrations.contract_set.mutants import OPERATORS, Mutant, mutants
from tests.integrations.contract_set.replies import load
from tests.integrations.contract_set.stage import Stage

PROVIDERS = catalogue.all_providers()
for_each_entry = pytest.mark.parametrize("provider", PROVIDERS, ids=[provider.id for provider in PROVIDERS])
_SAMPLED = 2
#: (entry, place) of a mutant that says the same as its entry, and why
EQUIVALENT: dict[tuple[str, str], str] = {}


def survivors(stage: Stage, provider: Provider, chosen: list[Mutant]) -> list[str]:
    judge = Judge(stage, provider, load(provider.id))
    wanted = [mutant for mutant in chosen if (provider.id, mutant.where) not in EQUIVALENT]
    return [str(mutant) for mutant in wanted if judge.can_tell(mutant) and judge.noticed_by(mutant) is None]


def sample(provider: Provider) -> list[Mutant]:
    """The same ones in every run, and others for each entry."""
    every = list(mutants(provider))
    step = max(1, len(every) // _SAMPLED)
    return every[crc32(provider.id.encode()) % step :: step][:_SAMPLED]


@for_each_entry
def test_a_sample_of_an_entry_s_mutants_is_noticed(provider: Provider, stage: Stage) -> None:
    unnoticed = survivors(stage, provider, sample(provider))
    assert not unnoticed, "\n".join(unnoticed)


@pytest.mark.slow
@for_each_entry
def test_every_mutant_of_an_entry_is_noticed(provider: Provider, stage: Stage) -> None:
    Judge(stage, provider, load(provider.id)).check_the_entry()
    unnoticed = survivors(stage, provider, list(mutants(provider)))
    assert not unnoticed, "\n".join(unnoticed)


def test_every_operator_finds_something_to_change() -> None:
    found = Counter(mutant.operator for provider in PROVIDERS for mutant in mutants(provider))
    assert set(OPERATORS) - set(found) <= {"another credential"}


def test_a_mutant_differs_from_its_entry() -> None:
    for provider in PROVIDERS:
        for mutant in mutants(provider):
            assert repr(mutant.provider) != repr(provider), str(mutant)
