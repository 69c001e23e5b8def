"""Grants from which the customer has chosen no account: given back, with nothing of them kept."""

from __future__ import annotations

import structlog
from django.utils import timezone

from integrations.connect import completion
from integrations.connect.choice import CHOOSE_WITHIN, from_json
from integrations.models import AuthorizationAttempt
from integrations.models.link import Outcome

log = structlog.get_logger(__name__)
#: of one run; each may wait for a provider
_AT_ONCE = 50


def drop_old_choices() -> int:
    """End the attempts whose customer has chosen nothing in time; returns how many. A job's work."""
    before = timezone.now() - CHOOSE_WITHIN
    over = AuthorizationAttempt.objects.select_related(
        "link__integration", "link__connection__customer", "link__partner", "client__integration"
    ).filter(outcome=Outcome.CHOOSING, finished_at__lt=before)
    attempts = list(over.order_by("finished_at")[:_AT_ONCE])
    for attempt in attempts:
        _drop(attempt)
    return len(attempts)


def _drop(attempt: AuthorizationAttempt) -> None:
    version = from_json(attempt.choice).token_version if attempt.choice else -1
    completion.drop_choice(attempt, token_version=version, reason="not_chosen")
