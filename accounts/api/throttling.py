"""A partner's `requests_per_minute` at the API's door; the count itself is quotas', shared with the proxy."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from accounts.api.authentication import Caller
from accounts.api.problems import Problem
from accounts.api.quotas import quotas, seconds_left
from accounts.models import Partner


def over_limit(partner: Partner) -> Problem:
    """The refusal of a request beyond the limit, with the draft's RateLimit fields."""
    wait = seconds_left()
    detail = f"{partner.requests_per_minute} requests a minute are allowed. Try again in {wait} seconds."
    return Problem("rate_limited", detail, {"retryAfter": wait}, quotas.fields(partner.pk))


class PartnerThrottle(BaseThrottle):
    """Counts a request of an authenticated caller, and refuses it by Problem."""

    def allow_request(self, request: Request, view: Any) -> bool:
        caller = request.user
        if isinstance(caller, Caller) and (limit := caller.partner.requests_per_minute) is not None:
            request.counted_for = caller.partner.pk  # ours, read by tell_limits
            if not quotas.take(caller.partner.pk, limit):
                raise over_limit(caller.partner)
        return True

    def wait(self) -> float | None:
        return None


def tell_limits(request: Request, response: Response) -> None:
    """Put RateLimit and RateLimit-Policy on a reply of ours to a request that was counted."""
    partner_id = getattr(request, "counted_for", None)
    if partner_id is not None:
        for name, value in quotas.fields(partner_id).items():
            response.headers[name] = value
