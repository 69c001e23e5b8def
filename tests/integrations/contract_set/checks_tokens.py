"""Checks of a grant's life: refreshes, what failed token calls mean, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations import connections, provider_calls, tokens
from integrations.errors import ProviderError, ProviderRefused
from integrations.oauth.verdicts import Verdict
from tests.factories import ACTOR
from tests.integrations.contract_set.sent import check_request
from tests.integrations.contract_set.visit import Visit
from tests.integrations.contract_set.ways import CODE


def check_refresh(visit: Visit) -> None:
    """The refresh request, and the pair that is stored then; a reply without a refresh token keeps the old one."""
    expected = visit.replies.call("refresh")
    made = visit.connection()
    if expected is None:
        assert made.refresh_token is None, "the file has no refresh, yet there is a refresh token"
        return
    with visit.world():
        visit.script(expected)
        renewed = tokens.refresh_now(made.pk)
    (call,) = visit.requests()
    check_request(call, expected["request"], visit.values)
    visit.rotate()
    assert tokens.open_tokens(renewed) == visit.stored_pair()


def check_errors(visit: Visit) -> None:
    """Each reply of the file is judged as it says, through the call that meets it."""
    for number, error in enumerate(visit.replies.items("errors")):
        refused = _refused(visit, error)
        verdict = refused.verdict if isinstance(refused, ProviderRefused) else Verdict.TEMPORARY
        assert (number, verdict) == (number, error["verdict"]), refused.evidence
        if "reason" in error:
            assert (number, refused.reason) == (number, error["reason"])


def _refused(visit: Visit, error: Mapping[str, Any]) -> ProviderError:
    name = "token" if error["call"] == "exchange" else "refresh"
    values = visit.connection().config_values()
    with visit.world():
        visit.script({"request": visit.replies[name]["request"], "reply": error})
        try:
            if error["call"] == "exchange":
                provider_calls.exchange_code(
                    visit.provider,
                    client=visit.client(),
                    code=CODE,
                    redirect_uri=visit.values["REDIRECT_URI"],
                    code_verifier="v" * 43,
                    values=values,
                )
            else:
                provider_calls.refresh(
                    visit.provider,
                    client=visit.client(),
                    refresh_token=visit.stored_pair()["refresh_token"],
                    values=values,
                )
        except ProviderError as refused:
            assert len(visit.requests()) == 1
            return refused
    raise AssertionError(f"a reply with status {error['status']} was taken for tokens")


def check_revocation(visit: Visit) -> None:
    """The call that ends the grant when a customer's connection is disconnected."""
    expected = visit.replies.call("revocation")
    made = visit.connection()
    with visit.world():
        visit.script(*([expected] if expected else []))
        revocation = connections.disconnect(made, actor=ACTOR)
        outcome = None if revocation is None else str(connections.carry_out_revocation(revocation))
    calls = visit.requests()
    visit.forget()
    if expected is None:
        assert calls == []
        assert revocation is None
        return
    (call,) = calls
    check_request(call, expected["request"], visit.values)
    assert outcome == "confirmed"
