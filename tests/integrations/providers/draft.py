"""Writes the first replies.yaml of an entry: `.venv/bin/python -m tests.integrations.providers.draft <id>`.

The requests are those that the platform makes with the entry as it stands, and the replies are made up to fit the
entry's paths. So a draft proves nothing yet: it agrees with the entry's mistakes. Compare every line with the
provider's documentation, correct entry or file, and then set `reviewed: true`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if __name__ == "__main__":
    import django

    from tests import environment

    environment.os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

import yaml
from django.utils import timezone

from integrations import catalogue, provider_calls
from integrations.catalogue import Provider
from integrations.connect.attempts import authorization_url
from integrations.models import AuthorizationAttempt, ClientCredentials, ConnectLink, Integration
from integrations.oauth import token_request
from integrations.oauth.pkce import code_challenge
from integrations.oauth.token_request import ClientAuthentication
from integrations.tokens import AccessToken
from proxy import credentials, retries
from proxy.closed import closed_paths
from sealing import Secret
from tests.integrations.contract_set.placeholders import timed
from tests.integrations.contract_set.replies import FILE, FOLDER, findings_in
from tests.integrations.providers import draft_replies
from tests.integrations.providers.draft_replies import TODO, Document
from tests.integrations.providers.draft_requests import Sent

if TYPE_CHECKING:
    from integrations.provider_calls import Identity

HEAD = """\
# {name}. Drafted from the entry, so it proves nothing yet: compare every request and reply with {url}
# (give such a reply `label: documented` and its `source`), correct what differs, then set reviewed to true.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Write a first replies.yaml for entries of the catalogue.")
    parser.add_argument("ids", nargs="+", metavar="id")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.add_argument("--print", action="store_true", help="show it, write nothing")
    given = parser.parse_args()
    for provider_id in given.ids:
        text = as_yaml(catalogue.get(provider_id))
        path = FOLDER / provider_id / FILE
        if given.print:
            print(text)
        elif path.exists() and not given.force:
            print(f"{provider_id}/{FILE} is there already; --force writes over it", file=sys.stderr)
            return 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            places = text.count(TODO)
            print(
                f"tests/fixtures/providers/{provider_id}/{FILE}: written"
                + (f", with {places} TODO" if places else "")
            )
    return 0


def as_yaml(provider: Provider) -> str:
    """The text of a draft; what is wrong with it is told on stderr."""
    document = Draft(provider).document()
    for finding in findings_in(document):
        print(f"{provider.id}: {finding}", file=sys.stderr)
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    return HEAD.format(name=provider.display_name, url=provider.documentation_url) + body


class Draft:
    """Runs the platform's own code with the placeholders as values, and keeps what it would send."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        fields = provider.connection_fields
        self.config = {field.name: field.example for field in fields if field.asked_of == "staff"}
        self.connection = {field.name: field.example for field in fields if field.asked_of != "staff"}
        self.secrets = {secret.name: secret.example for secret in provider.connection_secrets}
        known = [scope.name for scope in provider.scopes if scope.kind not in ("internal", "app-token")]
        mandatory = provider.oauth.scope.mandatory
        free = [name for name in known if name not in mandatory]
        self.scopes = free[:2]
        self.optional_scopes = free[2:4] if provider.oauth.scope.optional_parameter else []
        self.values = {**self.config, **self.connection}
        self.sent = Sent(provider)
        oauth = provider.oauth
        self.client = ClientAuthentication(
            client_id="CLIENT_ID",
            client_secret="CLIENT_SECRET",
            method=oauth.token_endpoint_auth_method,
            basic_encoding=oauth.basic_encoding,
        )

    @property
    def is_oauth2(self) -> bool:
        return self.provider.auth_kind in ("oauth2_code", "oauth2_client_credentials")

    def document(self) -> Document:
        found: Document = {"reviewed": False}
        given = {"connection": self.connection, "integration": self.config, "secrets": self.secrets}
        found |= {name: value for name, value in given.items() if value}
        if self.is_oauth2:
            found["scopes"] = self.scopes
            if self.optional_scopes:
                found["optional_scopes"] = self.optional_scopes
            found |= self._grant()
        probes, identity = self._identity()
        found["identity"] = probes
        account = {"id": identity.account_id, "name": identity.name, "url": identity.url or None}
        found["account"] = {**account, "extras": identity.extras}
        found["api"] = self._api(probes, identity.extras)
        found["outside"] = []
        if self.is_oauth2:
            found["errors"] = list(draft_replies.errors(self.provider))
        found["expired"] = list(draft_replies.expired(self.provider))
        found["limited"] = [
            {**reply, "wait": self._wait(reply)} for reply in draft_replies.limited(self.provider)
        ]
        if self.provider.revocation is not None and self.is_oauth2:
            found["revocation"] = self._revocation(identity.extras)
        return found

    # -- the grant -----------------------------------------------------------------------------------------

    def _grant(self) -> Document:
        oauth = self.provider.oauth
        requested = [*self.scopes, *oauth.scope.mandatory]
        found: Document = {}
        if self.provider.auth_kind == "oauth2_code":
            found |= self._authorize(requested)
            found |= self._callback()
        requested += self.optional_scopes
        body = draft_replies.token_body(oauth, scopes=requested, values=self.values)
        steps = [body] * (1 + len(oauth.exchange_chain))
        request, *further = self._token_requests(steps, requested)
        found["token"] = {"request": request, "reply": _reply(body)}
        if further:
            found["chain"] = [{"request": each, "reply": _reply(body)} for each in further]
        kept = {"refresh_token": "REFRESH_TOKEN", "access_token": "ACCESS_TOKEN"}.get(oauth.renews_with)
        if kept and (oauth.expects_refresh_token or oauth.renews_with == "access_token"):
            renewed = draft_replies.token_body(oauth, scopes=requested, values=self.values, prefix="NEW_")
            with self.sent.answered(renewed):
                provider_calls.refresh(
                    self.provider, client=self.client, refresh_token=kept, values=self.values
                )
            found["refresh"] = {"request": self.sent.last, "reply": _reply(renewed)}
        found["lifetimes"] = {"access_token": oauth.lifetimes.access_token_seconds}
        captures = (*oauth.callback_captures, *oauth.token_captures)
        if captures:
            found["captured"] = {rule.store_as: self.values[rule.store_as] for rule in captures}
        found["granted_scopes"] = requested if oauth.scope.granted_in == "token" and requested else None
        return found

    def _authorize(self, requested: list[str]) -> Document:
        integration = Integration(slug="draft", provider_id=self.provider.id, connection_config=self.config)
        attempt = AuthorizationAttempt(
            link=ConnectLink(integration=integration),
            client=ClientCredentials(integration=integration, client_id="CLIENT_ID"),
            redirect_uri="REDIRECT_URI",
            scopes=requested,
            optional_scopes=self.optional_scopes,
            connection_config=self.connection,
        )
        verifier = None if self.provider.oauth.pkce == "forbidden" else "v" * 43
        url = authorization_url(attempt, self.provider, state_value="STATE", verifier=verifier)
        parts = urlsplit(url)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        if verifier is not None:
            params |= {
                name: "CHALLENGE" for name, value in params.items() if value == code_challenge(verifier)
            }
        address = f"{parts.scheme}://{parts.netloc}{parts.path}"
        if self.provider.oauth.pushed_authorization_request_endpoint is None:
            return {"authorize": {"url": address, "params": params}}
        reference = "urn:ietf:params:oauth:request_uri:made-up"
        body = {"request_uri": reference, "expires_in": 60}
        with self.sent.answered(body, status=201):
            provider_calls.push_authorization_request(
                self.provider, client=self.client, parameters=params, values=self.values
            )
        sent = {"client_id": "CLIENT_ID", "request_uri": reference}
        pushed = {"request": self.sent.last, "reply": {**_reply(body), "status": 201}}
        return {"authorize": {"url": address, "params": sent}, "pushed": pushed}

    def _callback(self) -> Document:
        oauth = self.provider.oauth
        told: dict[str, str] = {}
        for rule in oauth.callback_captures:
            told[rule.parameter] = draft_replies.text_for(rule, self.values).removeprefix("https://")
            self._keep(rule, told[rule.parameter])
        if oauth.issuer:
            told["iss"] = oauth.issuer
        found: Document = {"callback": told} if told else {}
        if oauth.callback_hmac:
            found["callback_signature"] = oauth.callback_hmac
        refused = [
            {**told, rule.parameter: host}
            for rule in oauth.callback_captures
            if rule.takes == "host"
            for host in ("evil.example", *(f"evil{suffix}" for suffix in rule.allowed_host_suffixes))
            if rule.equals or host == "evil.example"
        ]
        if oauth.issuer:
            refused.append({**told, "iss": "https://evil.example"})
        if refused:
            found["refused_callbacks"] = refused
        return found

    def _keep(self, rule: catalogue.Capture, raw: str) -> None:
        try:
            self.values[rule.store_as] = catalogue.captured(rule, raw, values=self.values)
        except (catalogue.InvalidConnectionField, catalogue.MissingValue):
            self.values[rule.store_as] = TODO

    def _token_requests(self, replies: list[Document], requested: list[str]) -> list[Document]:
        oauth = self.provider.oauth
        before = len(self.sent.calls)
        if self.provider.auth_kind == "oauth2_code":
            with self.sent.answered(*replies):
                response = provider_calls.exchange_code(
                    self.provider,
                    client=self.client,
                    code="CODE",
                    redirect_uri="REDIRECT_URI",
                    code_verifier=None if oauth.pkce == "forbidden" else "VERIFIER",
                    values=self.values,
                )
            for rule in oauth.token_captures:
                self._keep(rule, str(response.members.at(rule.path)))
            return self.sent.calls[before:]
        made = token_request.client_credentials_request(
            catalogue.render_url(self.provider, oauth.token_endpoint, self.values),
            client=self.client,
            scopes=requested if oauth.scope.is_sent else (),
            scope_separator=oauth.scope.separator,
            body_format=oauth.token_body_format,
            extra_params=oauth.token_params,
            extra_headers=oauth.token_headers,
            method=oauth.token_method,
        )
        return [self.sent.described(made.method, made.url, made.headers, made.body)]

    def _revocation(self, extras: Mapping[str, str]) -> Document:
        rules = self.provider.revocation
        assert rules is not None
        tokens = {"access_token": "ACCESS_TOKEN"}
        if self.provider.oauth.expects_refresh_token:
            tokens["refresh_token"] = "REFRESH_TOKEN"
        status = rules.success_statuses[0]
        known = {"client_id": "CLIENT_ID", "client_secret": "CLIENT_SECRET", **extras, **self.values}
        with self.sent.answered({}, status=status):
            provider_calls.revoke(self.provider, client=self.client, tokens=tokens, values=known)
        return {"request": self.sent.last, "reply": {"status": status}}

    # -- the account and the API ---------------------------------------------------------------------------

    def _identity(self) -> tuple[list[Document], Identity]:
        bodies = [
            draft_replies.identity_body(probe, number)
            for number, probe in enumerate(self.provider.identity, start=1)
        ]
        before = len(self.sent.calls)
        with self.sent.answered(*bodies):
            identity = provider_calls.identify(
                self.provider,
                client=self.client,
                tokens={"access_token": self._credential, "refresh_token": "REFRESH_TOKEN"},
                values=self.values,
            )
        calls = self.sent.calls[before:]
        return [
            {"request": request, "reply": _reply(body)} for request, body in zip(calls, bodies, strict=True)
        ], identity

    @property
    def _credential(self) -> str:
        """What is kept as the token: given by the provider, or made of what the customer typed."""
        if not self.secrets:
            return "ACCESS_TOKEN"
        default = "{username}:{password}" if self.provider.auth_kind == "basic" else "{api_key}"
        return catalogue.render(self.provider.secret_template or default, {**self.values, **self.secrets})

    def _api(self, probes: list[Document], extras: Mapping[str, str]) -> Document:
        base = catalogue.resolve_base_url(self.provider, {**extras, **self.values})
        paths = [probe["request"]["url"] for probe in probes if probe["request"]["method"] == "GET"]
        closed = closed_paths(self.provider.api.closed_paths)
        is_open = {path: not closed.refusal(urlsplit(path).netloc, urlsplit(path).path) for path in paths}
        usable = (path for path in paths if path.startswith(f"{base}/") and is_open[path])
        url = next(usable, f"{base}/{TODO}")
        placement = self.provider.api.credential
        token = AccessToken(Secret(self._credential), "bearer", 1, None, None)
        sends: Document = {"header": placement.name, "value": self._credential}
        field = None if placement.kind == "oauth1" else credentials.credential_field(placement, token)
        if placement.kind == "oauth1":
            sends = {"oauth1": True}
        elif placement.kind == "query":
            sends = {"query": placement.name, "value": f"{placement.prefix}{self._credential}"}
        elif placement.kind == "basic":
            pair = f"{placement.prefix}{self._credential}{placement.suffix}"
            sends = {"header": "Authorization", "basic": pair}
        elif field is not None:
            name = "Authorization" if field[0] == b"authorization" else placement.name
            sends = {"header": name, "value": field[1].decode()}
        known = {"client_id": "CLIENT_ID", **extras, **self.values}
        return {
            "request": {"url": url},
            "sends": sends,
            "headers": catalogue.resolve_headers(self.provider, known),
            "hosts": sorted(catalogue.resolve_hosts(self.provider, self.values)),
            "closed": [self._closed_url(rule, base) for rule in self.provider.api.closed_paths],
        }

    def _closed_url(self, rule: catalogue.ClosedPath, base: str) -> str:
        host = rule.host or urlsplit(base).netloc
        path = (rule.pattern or f"{rule.prefix}x").replace("/**", "").replace("{any}", "x") or "/x"
        return f"https://{host}{path}"

    def _wait(self, reply: Document) -> float | str | None:
        api, now = self.provider.api, timezone.now()
        headers, body = timed(reply.get("headers", {}), now), timed(reply.get("body"), now)
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        wait = retries.told_wait(api, reply["status"], fields, body, now=now)
        return "lasting" if wait == retries.LASTING else wait if wait is None else int(wait)


def _reply(body: Any) -> Document:
    return {"label": "constructed", "status": 200, "body": body}


if __name__ == "__main__":
    raise SystemExit(main())
