"""Asking the provider about the stored credentials, in words for staff."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages

from integrations import provider_calls
from integrations.models import ClientCredentials, Integration
from integrations.provider_calls import Trial
from integrations.tokens import client_authentication
from sealing import UnreadableSecret


@dataclass(frozen=True, slots=True)
class Result:
    """A sentence and the level of django's messages that it is shown with."""

    sentence: str
    level: int


def run(integration: Integration) -> list[Result]:
    """Try the secret and, while one is being rotated in, the next one too. Makes one call for each."""
    client = integration.clients.select_related("integration").filter(is_current=True).first()
    if client is None:
        return [Result("This integration has no credentials yet.", messages.ERROR)]
    results = [_try(integration, client, is_next=False)]
    if client.next_client_secret is not None:
        result = _try(integration, client, is_next=True)
        results.append(Result(f"Next secret: {result.sentence}", result.level))
    return results


def _try(integration: Integration, client: ClientCredentials, *, is_next: bool) -> Result:
    label = "next Client Secret" if is_next else "Client Secret"
    try:
        authentication = client_authentication(client, is_next=is_next)
    except UnreadableSecret:
        return Result(
            f"The stored {label} cannot be read with the present keys; enter it again.", messages.ERROR
        )
    trial = provider_calls.try_credentials(
        integration.provider,
        client=authentication,
        redirect_uri=integration.redirect_uri,
        values=integration.connection_config,
    )
    return _in_words(integration, trial)


def _in_words(integration: Integration, trial: Trial) -> Result:
    if trial.wrong == "redirect_uri":
        sentence = f"{trial.sentence} Register {integration.redirect_uri}"
        return Result(sentence, messages.WARNING)
    if trial.wrong is not None:
        return Result(trial.sentence, messages.ERROR)
    return Result(trial.sentence, messages.SUCCESS if trial.is_certain else messages.WARNING)
