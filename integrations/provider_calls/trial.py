"""Trying a client id and a client secret at the provider, with a code that cannot be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.catalogue import Provider
from integrations.errors import ProviderError, ProviderRefused, ProviderUnavailable
from integrations.oauth.errors import TokenEndpointError
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.verdicts import Verdict
from integrations.provider_calls.grants import exchange_code, fetch_client_token
from integrations.provider_calls.oauth1 import fetch_request_token

#: not a code of any provider: the answer tells which of the other values it looked at first
_NO_CODE = "patchbay-credential-check"


@dataclass(frozen=True, slots=True)
class Trial:
    """What the provider said. wrong names the field: client_id, client_secret, redirect_uri, or nothing.

    is_certain False: the provider could not be asked, or answered in a way that tells nothing.
    """

    is_certain: bool
    wrong: str | None
    sentence: str


def try_credentials(
    provider: Provider, *, client: ClientAuthentication, redirect_uri: str, values: Mapping[str, str]
) -> Trial:
    """Ask the token endpoint. Providers look at the client before the code, so a refused code is good news."""
    try:
        if provider.auth_kind == "oauth1":
            fetch_request_token(provider, client=client, callback=redirect_uri, values=values)
            return _accepted(provider)
        if provider.auth_kind == "oauth2_client_credentials":
            fetch_client_token(provider, client=client, scopes=provider.oauth.scope.mandatory, values=values)
            return _accepted(provider)
        exchange_code(
            provider,
            client=client,
            code=_NO_CODE,
            redirect_uri=redirect_uri,
            code_verifier=None,
            values=values,
        )
    except ProviderRefused as error:
        return _judge(provider, error)
    except ProviderUnavailable as error:
        return Trial(False, None, f"{provider.display_name} could not be asked: {error.evidence}")
    except ProviderError as error:
        return Trial(
            False, None, f"{provider.display_name} gave an answer that tells nothing: {error.evidence}"
        )
    return Trial(False, None, f"{provider.display_name} accepted a code that cannot exist.")


def _accepted(provider: Provider) -> Trial:
    name = provider.display_name
    return Trial(True, None, f"{name} accepts the Client ID and the Client Secret.")


def _judge(provider: Provider, error: ProviderRefused) -> Trial:
    name = provider.display_name
    words = _words(error)
    if "redirect" in words:
        return Trial(
            True, "redirect_uri", f"The credentials are right; the redirect URL is not registered at {name}."
        )
    if error.verdict == Verdict.CLIENT_WRONG:
        if "client_id" in words or "client id" in words:
            return Trial(True, "client_id", f"{name} does not know this Client ID.")
        if "secret" in words:
            return Trial(
                True, "client_secret", f"{name} knows the Client ID, and the Client Secret is wrong."
            )
        return Trial(True, "client_secret", f"{name} refuses the Client ID or the Client Secret.")
    if provider.auth_kind == "oauth1" and error.status == 401:
        return Trial(True, "client_secret", f"{name} refuses the Client ID or the Client Secret.")
    if error.error == "invalid_grant" or "code" in words:
        return _accepted(provider)
    return Trial(False, None, f"{name} gave an answer that tells nothing: {error.evidence}")


def _words(error: ProviderRefused) -> str:
    cause = error.__cause__
    fields = " ".join(cause.fields.values()) if isinstance(cause, TokenEndpointError) else ""
    description = getattr(cause, "error_description", "") or ""
    return f"{fields} {description} {error.error}".lower().replace("bad_client_", "client_")
