"""Grants from which the customer has chosen no account: given back, with nothing of them kept."""

from __future__ import annotations

import structlog
from django.db import transaction
from django.utils import timezone

from integrations import tokens
from integrations.connect import completion
from integrations.connect.choice import CHOOSE_WITHIN, from_json
from integrations.models import AuthorizationAttempt, Connection
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
    with transaction.atomic():
        row = Connection.objects.select_for_update(no_key=True).get(pk=attempt.link.connection_id)
        choosing = AuthorizationAttempt.objects.filter(pk=attempt.pk, outcome=Outcome.CHOOSING)
        if not choosing.exists() or attempt.choice is None:
            return
        opened: dict[str, str] = {}
        # Another attempt may have brought other tokens meanwhile, which are not this one's to end.
        if row.token_version == from_json(attempt.choice).token_version:
            opened = tokens.open_tokens(row)
            Connection.objects.filter(pk=row.pk).update(
                access_token=None, refresh_token=None, next_refresh_at=None, refresh_token_alert_at=None
            )
        completion.end(attempt, Outcome.FAILED, reason="not_chosen")
        choosing_over = AuthorizationAttempt.objects.filter(pk=attempt.pk)
        choosing_over.update(choice=None)
    if opened:
        completion.give_back(attempt, opened, captured=row.captured)
