"""Whether the set notices what is wrong with a mutant."""

from __future__ import annotations

from integrations.catalogue import Provider
from tests.integrations.contract_set.checks import CHECKS, defect
from tests.integrations.contract_set.mutants import Mutant
from tests.integrations.contract_set.replies import Replies
from tests.integrations.contract_set.stage import Stage
from tests.integrations.contract_set.visit import Visit

#: they leave a connection as it was, so that one may serve for many mutants
_LOOKING = frozenset({"hosts", "closed", "placement", "limits", "errors"})
_OF_LIFETIMES = frozenset({"oauth.token_paths.expires_in", "oauth.expires_in_unit"})


class Judge:
    """For one entry, whose own checks all have to pass."""

    def __init__(self, stage: Stage, provider: Provider, replies: Replies) -> None:
        self._stage = stage
        self._provider = provider
        self._replies = replies
        self._base = Visit(stage, provider, replies)

    def can_tell(self, mutant: Mutant) -> bool:
        """Neither a check that a defect of the platform keeps from passing tells anything of what it is for, nor a
        reply without a lifetime where one would be."""
        if mutant.where in _OF_LIFETIMES and not self._replies.tells_lifetime:
            return False
        return all(defect(self._provider, name) is None for name in mutant.first)

    def noticed_by(self, mutant: Mutant) -> str | None:
        """The name of the check that fails for the mutant, None when none does."""
        names = [name for name in mutant.first if name in self._checks()]
        if set(names) <= _LOOKING:
            self._base.connected()
            found = self._failing(self._base.playing(mutant.provider), names)
            if found is not None:
                return found
        names += [name for name in self._checks() if name not in names]
        return self._failing(Visit(self._stage, mutant.provider, self._replies), names)

    def check_the_entry(self) -> None:
        """Raises what the check raises that the entry itself does not pass: of its mutants nothing is known then."""
        visit = Visit(self._stage, self._provider, self._replies)
        for name in self._checks():
            CHECKS[name].run(visit)

    def _checks(self) -> list[str]:
        """Those that the entry has to pass; a defect of the platform keeps one from telling anything."""
        provider = self._provider
        return [
            name
            for name, check in CHECKS.items()
            if provider.auth_kind in check.kinds and defect(provider, name) is None
        ]

    def _failing(self, visit: Visit, names: list[str]) -> str | None:
        for name in names:
            try:
                CHECKS[name].run(visit)
            except Exception:  # whatever a mistake leads to, a test of it fails
                return name
        return None
