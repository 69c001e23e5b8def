"""Replies made up so that an entry's own paths find something in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.catalogue import (
    Capture,
    IdentityProbe,
    InvalidConnectionField,
    MissingValue,
    OAuth,
    Provider,
    VerdictRule,
    captured,
    placeholders,
)
from integrations.catalogue.paths import lookup
from integrations.oauth.errors import TokenEndpointError
from integrations.oauth.token_response import parse_token_response
from integrations.oauth.verdicts import Judgement, judge

Document = dict[str, Any]
#: what values of the most usual patterns look like
_CANDIDATES = (
    "acme", "Acme", "1001", "12345678", "4620816365", "acct_1AcmeLtd", "T01ACME", "TACME0001", "ACME",
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "0123456789abcdef0123456789abcdef", "https://acme.example", "us", "eu",
)  # fmt: skip
TODO = "TODO"


def put(document: Any, path: str, value: Any) -> Any:
    """The document with a value at a path; what is on the way is made, `$` is the document itself."""
    if path == "$":
        return value
    name, _, rest = path.partition(".")
    if name.isdigit():
        items = document if isinstance(document, list) else []
        items += [None] * (int(name) + 1 - len(items))
        items[int(name)] = put(items[int(name)], rest, value) if rest else value
        return items
    members = document if isinstance(document, dict) else {}
    members[name] = put(members.get(name), rest, value) if rest else value
    return members


def text_for(rule: Capture, values: Mapping[str, str]) -> str:
    """A value that a capture takes, or TODO."""
    hosts = [f"https://{suffix.removeprefix('.')}" for suffix in rule.allowed_host_suffixes]
    hosts = [f"https://acme{suffix}" for suffix in rule.allowed_host_suffixes if suffix[:1] == "."] + hosts
    wanted = re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], ""), rule.equals or "")
    for candidate in [wanted, *hosts, *_CANDIDATES]:
        try:
            captured(rule, candidate, values=values)
        except (InvalidConnectionField, MissingValue):
            continue
        return candidate
    return TODO


def token_body(oauth: OAuth, *, scopes: list[str], values: Mapping[str, str], prefix: str = "") -> Document:
    """A token reply; prefix NEW_ makes that of a refresh."""
    paths, lifetimes = oauth.token_paths, oauth.lifetimes
    body: Document = put({}, paths.access_token, f"{prefix}ACCESS_TOKEN")
    put(body, paths.token_type, "Bearer")
    seconds = lifetimes.access_token_seconds
    if seconds is not None:
        put(body, paths.expires_in, seconds * (1000 if oauth.expires_in_unit == "ms" else 1))
    if oauth.expects_refresh_token and oauth.renews_with == "refresh_token":
        if not prefix or oauth.rotates_refresh_token is not False:
            put(body, paths.refresh_token, f"{prefix}REFRESH_TOKEN")
        if paths.refresh_token_expires_in and lifetimes.refresh_token_idle_seconds:
            put(body, paths.refresh_token_expires_in, lifetimes.refresh_token_idle_seconds)
    if oauth.scope.granted_in == "token" and scopes:
        separators = oauth.scope.granted_separators
        put(body, paths.scope, ("," if "," in separators else separators[:1] or " ").join(scopes))
    for rule in oauth.success_error_rules:
        if rule.values == ("false",):
            put(body, rule.path, True)
    for capture in oauth.token_captures:
        put(body, capture.path, text_for(capture, values))
    return body


def identity_body(probe: IdentityProbe, number: int) -> Any:
    """A reply of an identity call; one account where it lists several."""
    account: Any = {}
    hosts = list(probe.account_url_host_suffixes) or [".example"]
    host = f"acme{hosts[0]}" if hosts[0][:1] == "." else hosts[0]
    authority = (probe.account_url or "").partition("://")[2].partition("/")[0]
    in_host = set(placeholders(authority)) if authority else set()
    for name, path in probe.extras.items():
        account = put(account, path, host if name in in_host else f"{name.replace('_', '-')}-{number}")
    if probe.account_url_path:
        account = put(account, probe.account_url_path, f"https://{host}/")
    if probe.name:
        account = put(account, probe.name, "Acme")
    if probe.account_id:
        account = put(account, probe.account_id, f"100{number}")
    body = account if probe.items is None else put({}, probe.items, [account])
    for path, text in probe.must.items():
        body = put(body, path, {"true": True, "false": False, "null": None}.get(text, text))
    return body


def errors(provider: Provider) -> Iterator[Document]:
    """A reply for each of the entry's rules, and those of the standard that every provider may give."""
    oauth = provider.oauth
    call = "refresh" if oauth.expects_refresh_token else "exchange"
    wanted: list[tuple[int, Any]] = [
        (400, put({}, oauth.token_paths.error, "invalid_grant")),
        (401, put({}, oauth.token_paths.error, "invalid_client")),
        (503, {"message": "try again later"}),
    ]
    wanted[:0] = [error_for(oauth, rule) for rule in oauth.verdicts]
    for status, body in (each for at, each in enumerate(wanted) if each not in wanted[:at]):
        found = judged(oauth, status, body)
        reply = {"call": call, "label": "constructed", "status": status, "body": body}
        reply["verdict"] = str(found.verdict)
        if found.reason:
            reply["reason"] = str(found.reason)
        yield reply


def error_for(oauth: OAuth, rule: VerdictRule) -> tuple[int, Document]:
    """Status and body of a failed token call that a rule is for."""
    paths = oauth.token_paths
    body: Document = {}
    if rule.errors:
        put(body, paths.error, rule.errors[0])
    for path, values in rule.fields.items():
        put(body, path, int(values[0]) if values[0].isdigit() else values[0])
    if rule.description_pattern:
        # Plain words for the commonest marks of a pattern; a person looks at it anyway.
        text = re.sub(r"\(\?:([^|)]*)[^)]*\)", r"\1", rule.description_pattern.split("|")[0])
        text = re.sub(r"[\^$?\\]", "", text).replace(".*", " ").replace("\\b", "")
        put(body, paths.error_description, text)
    return (rule.statuses or (400,))[0], body


def judged(oauth: OAuth, status: int, body: Document) -> Judgement:
    """What an entry's rules and the standard's words make of it. Raises ValueError when it is no error."""
    try:
        parse_token_response(
            status,
            "application/json",
            json.dumps(body).encode(),
            paths=oauth.token_paths,
            success_error_rules=oauth.success_error_rules,
        )
    except TokenEndpointError as error:
        return judge(error, status=status, rules=oauth.verdicts)
    raise ValueError(f"no error: {status} {body}")


def expired(provider: Provider) -> Iterator[Document]:
    """A reply for each sign of an expired token."""
    for signal in provider.api.expired_signals:
        reply: Document = {"label": "constructed", "status": signal.status}
        if signal.path is not None:
            value = signal.values[0] if signal.values else "expired"
            reply["body"] = put({}, signal.path, {"true": True, "false": False}.get(value, value))
            assert lookup(reply["body"], signal.path) is not None
        yield reply


_THIRTY = {
    "s": "30", "auto": "30", "ms": "30000", "duration": "30s",
    "epoch_s": "now+30", "epoch_ms": "now+30ms", "http_date": "now+30date", "iso8601": "now+30iso",
}  # fmt: skip


def limited(provider: Provider) -> Iterator[Document]:
    """Replies that tell of too many calls, without the wait that they ask for."""
    rules = provider.api.rate_limit
    statuses = rules.statuses if rules else (429,)
    for rule in provider.api.retry_after:
        for status in rule.statuses or statuses[:1]:
            reply: Document = {"label": "constructed", "status": status}
            if rule.source == "header":
                reply["headers"] = {rule.name: _THIRTY[rule.unit]}
            else:
                reply["body"] = put({}, rule.name, _THIRTY[rule.unit])
            yield reply
    for window in rules.headers if rules else ():
        if window.remaining:
            told = {window.remaining: "0"}
            if window.reset:
                told[window.reset] = _THIRTY[window.reset_unit]
            if window.interval:
                told[window.interval] = "30000" if window.interval_unit == "ms" else "30"
            status = rules.statuses[0] if rules and rules.statuses else 429
            yield {"label": "constructed", "status": status, "headers": told}
    for body_rule in rules.body_rules if rules else ():
        body = put({}, body_rule.path, body_rule.values[0])
        yield {"label": "constructed", "status": (body_rule.statuses or statuses)[0], "body": body}
