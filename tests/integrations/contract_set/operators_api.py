"""Mistakes in what an entry says of the API, of failures and of a grant's end."""

from __future__ import annotations

from integrations.catalogue import Provider
from tests.integrations.contract_set.changing import GONE, Changes, changed
from tests.integrations.providers import draft_replies


def host_added(provider: Provider) -> Changes:
    yield "api.hosts", (*provider.api.hosts, "mutant.example")


def host_removed(provider: Provider) -> Changes:
    yield from ((f"api.hosts.{at}", GONE) for at in range(len(provider.api.hosts)))


def other_placement(provider: Provider) -> Changes:
    placed = provider.api.credential
    if placed.kind in ("header", "query"):
        yield "api.credential.name", "X-Mutant"
    if placed.kind != "oauth1":
        yield "api.credential.kind", "header" if placed.kind != "header" else "bearer"
    if placed.kind in ("header", "basic", "query"):
        yield "api.credential.prefix", f"{placed.prefix}mutant "
    if placed.kind == "basic":
        yield "api.credential.suffix", f"{placed.suffix}mutant"


def api_field_dropped(provider: Provider) -> Changes:
    yield from ((f"api.headers.{name}", GONE) for name in provider.api.headers)


def closed_path_removed(provider: Provider) -> Changes:
    yield from ((f"api.closed_paths.{at}", GONE) for at in range(len(provider.api.closed_paths)))


def expired_signal_changed(provider: Provider) -> Changes:
    for at, signal in enumerate(provider.api.expired_signals):
        others = [each for each in provider.api.expired_signals if each is not signal]
        if not any(each.status == signal.status and each.path is None for each in others):
            yield f"api.expired_signals.{at}", GONE
        if signal.path is not None:
            yield f"api.expired_signals.{at}.path", "mutant"
        if signal.values:
            yield f"api.expired_signals.{at}.values", ("mutant",)


def other_wait(provider: Provider) -> Changes:
    api = provider.api
    for at, rule in enumerate(api.retry_after):
        yield f"api.retry_after.{at}.name", "mutant"
        yield f"api.retry_after.{at}.unit", "s" if rule.unit == "ms" else "ms"
    if api.rate_limit is None:
        return
    for at, window in enumerate(api.rate_limit.headers):
        if window.remaining:
            yield f"api.rate_limit.headers.{at}.remaining", "mutant"
            if window.reset:
                other = "ms" if window.reset_unit != "ms" else "s"
                yield f"api.rate_limit.headers.{at}.reset_unit", other
    for at, body_rule in enumerate(api.rate_limit.body_rules):
        if not (body_rule.wait_seconds or body_rule.is_lasting or body_rule.statuses):
            continue  # it names a limit that its status tells already
        yield f"api.rate_limit.body_rules.{at}.path", "mutant"
        yield f"api.rate_limit.body_rules.{at}.values", ("mutant",)


# -- the grant's end ---------------------------------------------------------------------------------------


def verdict_changed(provider: Provider) -> Changes:
    for at, rule in enumerate(provider.oauth.verdicts):
        other = "client_wrong" if rule.verdict != "client_wrong" else "grant_gone"
        yield f"oauth.verdicts.{at}.verdict", other


def verdict_dropped(provider: Provider) -> Changes:
    """Where the words of the standard alone would not say the same."""
    for at, rule in enumerate(provider.oauth.verdicts):
        status, body = draft_replies.error_for(provider.oauth, rule)
        without = changed(provider, f"oauth.verdicts.{at}", GONE)
        judged = [draft_replies.judged(each.oauth, status, body) for each in (provider, without)]
        if judged[0].verdict != judged[1].verdict:
            yield f"oauth.verdicts.{at}", GONE


def other_credential(provider: Provider) -> Changes:
    if provider.connection_secrets:
        default = "{username}:{password}" if provider.auth_kind == "basic" else "{api_key}"
        yield "secret_template", f"{provider.secret_template or default}mutant"


def other_revocation(provider: Provider) -> Changes:
    rules = provider.revocation
    if rules is None:
        return
    yield "revocation", None
    yield "revocation.method", "POST" if rules.method != "POST" else "DELETE"
    yield "revocation.auth", "client_secret_basic" if rules.auth != "client_secret_basic" else "none"
    yield "revocation.success_statuses", (299,)
    if "{token}" not in rules.url:
        yield "revocation.token_parameter", "mutant"
        if rules.token_parameter is not None or rules.params:
            if rules.method != "GET":
                yield "revocation.body_format", "json" if rules.body_format == "form" else "form"
            yield "revocation.token_type_hint", not rules.token_type_hint
        yield from ((f"revocation.params.{name}", GONE) for name in rules.params)
    yield from ((f"revocation.headers.{name}", GONE) for name in rules.headers)
    if rules.token_parameter is not None and provider.oauth.expects_refresh_token:
        first = rules.sends[0]
        yield "revocation.sends", ("access_token",) if first == "refresh_token" else ("refresh_token",)
