"""A folder is served whole or not at all, and every finding names its file and path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integrations.catalogue import CatalogueError, Finding, load, validate

from .entry import DELETED, ENTRY, changed, write_entry

Change = tuple[tuple[str | int, ...], Any]
WRONG_FIELD = {"name": "sub", "title": "a", "description": "b", "example": "c", "pattern": "c"}
HOST_FIELD = {**WRONG_FIELD, "name": "box", "kind": "host"}

BROKEN: dict[str, tuple[Change, str, str]] = {
    "unknown member": ((("oauth", "pkcee"), "optional"), "$.oauth", "pkcee"),
    "unknown member deep inside": ((("api", "hosts_"), []), "$.api", "hosts_"),
    "missing member": ((("oauth", "token_endpoint"), DELETED), "$.oauth", "token_endpoint"),
    "wrong type": ((("oauth", "expects_refresh_token"), "yes"), "$.oauth.expects_refresh_token", "boolean"),
    "pkce of a fourth kind": ((("oauth", "pkce"), "maybe"), "$.oauth.pkce", "maybe"),
    "verdict of another kind": (
        (("oauth", "verdicts", 0, "verdict"), "dead"),
        "$.oauth.verdicts[0].verdict",
        "dead",
    ),
    "http authorization endpoint": (
        (("oauth", "authorization_endpoint"), "http://login.acme.example/a"),
        "$.oauth.authorization_endpoint",
        "does not match",
    ),
    "http token endpoint": (
        (("oauth", "token_endpoint"), "http://a.example/t"),
        "$.oauth.token_endpoint",
        "",
    ),
    "http refresh endpoint": (
        (("oauth", "refresh_endpoint"), "http://a.example/t"),
        "$.oauth.refresh_endpoint",
        "",
    ),
    "http base url": ((("api", "base_url"), "http://api.acme.example"), "$.api.base_url", "does not match"),
    "http probe": (
        (("identity", 0, "url"), "http://api.acme.example/me"),
        "$.identity[0].url",
        "does not match",
    ),
    "http revocation": (
        (("revocation", "url"), "http://api.acme.example/r"),
        "$.revocation.url",
        "does not match",
    ),
    "user information": (
        (("oauth", "token_endpoint"), "https://a@b.example/t"),
        "$.oauth.token_endpoint",
        "",
    ),
    "fragment": ((("oauth", "token_endpoint"), "https://b.example/t#x"), "$.oauth.token_endpoint", ""),
    "port": ((("oauth", "token_endpoint"), "https://b.example:8443/t"), "$.oauth.token_endpoint", "port"),
    "wildcard host": ((("api", "hosts", 0), "*.acme.example"), "$.api.hosts[0]", "does not match"),
    "no host": ((("api", "hosts"), []), "$.api.hosts", ""),
    "base url on a host that is not listed": (
        (("api", "base_url"), "https://other.acme.example"),
        "$.api.base_url",
        "not one of api.hosts",
    ),
    "closed path on a host that is not listed": (
        (("api", "closed_paths", 0, "host"), "x.example"),
        "$.api.closed_paths[0].host",
        "not one of api.hosts",
    ),
    "closed path without a slash": (
        (("api", "closed_paths", 0, "pattern"), "oauth"),
        "$.api.closed_paths[0].pattern",
        "",
    ),
    "closed path with another placeholder": (
        (("api", "closed_paths", 0, "pattern"), "/{version}/batch"),
        "$.api.closed_paths[0].pattern",
        "does not match",
    ),
    "closed path with a star in a segment": (
        (("api", "closed_paths", 0, "pattern"), "/oauth*"),
        "$.api.closed_paths[0].pattern",
        "does not match",
    ),
    "closed path said twice": (
        (("api", "closed_paths", 0, "prefix"), "/oauth/"),
        "$.api.closed_paths[0]",
        "",
    ),
    "closed path that closes everything": (
        (("api", "closed_paths", 0, "pattern"), "/{any}/**"),
        "$.api.closed_paths[0].pattern",
        "names no segment",
    ),
    "regular expression in a credential": (
        (("credentials", "client_id", "pattern"), "[a-"),
        "$.credentials.client_id.pattern",
        "not a regular expression",
    ),
    "regular expression in a field": (
        (("connection_fields", 0, "pattern"), "(a"),
        "$.connection_fields[0].pattern",
        "not a regular expression",
    ),
    "regular expression in a verdict": (
        (("oauth", "verdicts", 0, "description_pattern"), "*"),
        "$.oauth.verdicts[0].description_pattern",
        "not a regular expression",
    ),
    "regular expression in a capture": (
        (("oauth", "token_captures", 0, "pattern"), "[z-a]"),
        "$.oauth.token_captures[0].pattern",
        "not a regular expression",
    ),
    "example that its pattern refuses": (
        (("connection_fields", 0, "example"), "My Shop"),
        "$.connection_fields[0].example",
        "does not match",
    ),
    "placeholder of no field in an endpoint": (
        (("oauth", "token_endpoint"), "https://{shopp}.shop.example/t"),
        "$.oauth.token_endpoint",
        "{shopp} has no value here",
    ),
    "placeholder of no field in a host": (
        (("api", "hosts", 1), "{subb}.shop.example"),
        "$.api.hosts[1]",
        "{subb}",
    ),
    "placeholder of no field in a header": (
        (("api", "headers", "X-T"), "{tenant}"),
        "$.api.headers.X-T",
        "{tenant}",
    ),
    "token in a header": (
        (("api", "headers", "X-T"), "{access_token}"),
        "$.api.headers.X-T",
        "{access_token}",
    ),
    "capture that is not there before consent": (
        (("oauth", "authorization_endpoint"), "https://{api_host}/a"),
        "$.oauth.authorization_endpoint",
        "{api_host} has no value here",
    ),
    "extra that its own probe needs": (
        (("identity", 0, "url"), "https://api.acme.example/{team}"),
        "$.identity[0].url",
        "{team}",
    ),
    "placeholder in a setup step": (
        (("setup_steps", 0), "Add {redirect_url}."),
        "$.setup_steps[0]",
        "{redirect_url}",
    ),
    "stray brace": ((("api", "headers", "X-T"), "{client_id"), "$.api.headers.X-T", "brace"),
    "text in a host": ((("api", "hosts", 1), "{note}.shop.example"), "$.api.hosts[1]", "no checked shape"),
    "label that chooses the whole host": ((("api", "hosts", 1), "{sub}"), "$.api.hosts[1]", "any host"),
    "extra in a host": ((("api", "hosts", 1), "{team}.shop.example"), "$.api.hosts[1]", "no checked shape"),
    "whole host inside a host": (
        (("api", "hosts", 2), "{api_host}.shop.example"),
        "$.api.hosts[2]",
        "stand alone",
    ),
    "captured host without suffixes": (
        (("oauth", "token_captures", 0, "allowed_host_suffixes"), []),
        "$.oauth.token_captures[0].allowed_host_suffixes",
        "suffixes",
    ),
    "host suffix that is a whole zone": (
        (("oauth", "token_captures", 0, "allowed_host_suffixes"), [".com"]),
        "$.oauth.token_captures[0].allowed_host_suffixes[0]",
        "does not match",
    ),
    "typed host without suffixes": (
        (("connection_fields", 2), HOST_FIELD),
        "$.connection_fields[2].allowed_host_suffixes",
        "suffixes",
    ),
    "two fields of one name": (
        (("connection_fields", 2), WRONG_FIELD),
        "$.connection_fields[2].name",
        "another value",
    ),
    "field with a name of ours": (
        (("connection_fields", 0, "name"), "client_id"),
        "$.connection_fields[0].name",
        "own",
    ),
    "account host without suffixes": (
        (("identity", 0, "account_url"), "https://{team}/home"),
        "$.identity[0].account_url",
        "account_url_host_suffixes",
    ),
    "mandatory scope that is not listed": (
        (("oauth", "scope", "mandatory"), ["write"]),
        "$.oauth.scope.mandatory[0]",
        "not one of",
    ),
    "default scope that is not listed": (
        (("oauth", "scope", "default"), ["read", "write"]),
        "$.oauth.scope.default[1]",
        "not one of",
    ),
    "mandatory scope that is not sent": (
        (("oauth", "scope", "is_sent"), False),
        "$.oauth.scope.is_sent",
        "not sent",
    ),
    "scope twice": ((("scopes", 1), ENTRY["scopes"][0]), "$.scopes[1].name", "twice"),
    "scope with a space": ((("scopes", 0, "name"), "read all"), "$.scopes[0].name", "does not match"),
    "secret that is needed": (
        (("credentials", "client_secret"), DELETED),
        "$.credentials.client_secret",
        "token_endpoint_auth_method",
    ),
    "scheme in a query": (
        (("api", "caller_credentials"), [{"kind": "query", "name": "key", "scheme": "Bearer"}]),
        "$.api.caller_credentials[0].scheme",
        "no scheme",
    ),
    "a day that does not exist": ((("last_checked",), "2026-02-30"), "$.last_checked", "day"),
    "a time-out beyond ours": (
        (("api", "response_header_timeout_seconds"), 600),
        "$.api.response_header_timeout_seconds",
        "maximum",
    ),
    "id of another file": ((("id",), "acme-two"), "$.id", "file's name"),
}


def test_the_small_entry_itself_is_right(tmp_path: Path) -> None:
    write_entry(tmp_path, ENTRY)
    assert validate(tmp_path) == []
    assert load(tmp_path)["acme"].oauth.token_captures[0].store_as == "api_host"


@pytest.mark.parametrize(("change", "path", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_entry_is_refused_with_file_and_path(
    tmp_path: Path, change: Change, path: str, words: str
) -> None:
    write_entry(tmp_path, changed(change))

    findings = validate(tmp_path)

    assert [finding for finding in findings if finding.path == path and words in finding.message], findings
    assert {finding.file for finding in findings} == {"acme.yaml"}
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path)
    assert f"acme.yaml: {path}: " in str(caught.value)


def test_all_findings_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    write_entry(tmp_path, changed((("oauth", "pkce"), "x"), (("color",), "red")))
    write_entry(tmp_path, changed((("id",), "third")), name="other.yaml")

    with pytest.raises(CatalogueError) as caught:
        load(tmp_path)

    where = [(finding.file, finding.path) for finding in caught.value.findings]
    assert where == [("acme.yaml", "$.color"), ("acme.yaml", "$.oauth.pkce"), ("other.yaml", "$.id")]


def test_one_broken_file_keeps_the_whole_folder_from_being_served(tmp_path: Path) -> None:
    write_entry(tmp_path, ENTRY)
    write_entry(tmp_path, changed((("id",), "other"), (("color",), "red")), name="other.yaml")
    with pytest.raises(CatalogueError):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id: acme\nid: acme\n", "the key 'id' is here twice"),
        ("oauth:\n  scope: {separator: ' ', separator: ','}\n", "the key 'separator' is here twice"),
        ("1: acme\n", "a key must be text"),
        ("id: [acme\n", "not valid YAML"),
        ("id: !!python/object:os.system acme\n", "not valid YAML"),
    ],
)
def test_yaml_that_would_lose_or_run_something_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "acme.yaml").write_text(text, encoding="utf-8")
    assert [f for f in validate(tmp_path) if f.path == "$" and words in f.message]


def test_bytes_that_are_not_utf_8_are_a_finding(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_bytes(b"id: \xff\xfe\n")
    assert validate(tmp_path) == [Finding("acme.yaml", "$", "cannot be read: UnicodeDecodeError")]


@pytest.mark.parametrize("word", ["no", "on", "NO", "12:30", "0777", "1_000", "2026-11-25", "1e3", "0x1f"])
def test_words_that_yaml_1_1_would_turn_into_something_else_stay_text(tmp_path: Path, word: str) -> None:
    path = write_entry(tmp_path, changed((("display_name",), "WORD")))
    path.write_text(path.read_text(encoding="utf-8").replace("WORD", word), encoding="utf-8")
    assert load(tmp_path)["acme"].display_name == word


def test_an_entry_with_the_ending_yml_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    write_entry(tmp_path, ENTRY, name="acme.yml")
    assert [finding.file for finding in validate(tmp_path)] == ["acme.yml"]


def test_a_folder_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    assert [finding.message for finding in validate(tmp_path / "none")] == ["is not a folder"]


SCOPES = "# a comment\nname\tmeaning\tgroup\ttier\tkind\tpaid\nread\tRead records\tRecords\t\tpublic\tyes\n"


@pytest.mark.parametrize(
    ("text", "file", "words"),
    [
        (None, "acme.scopes.tsv", "cannot be read"),
        ("name\tmeaning\nread\tRead\n", "acme.scopes.tsv", "the first line"),
        (SCOPES + "write\tWrite\n", "acme.scopes.tsv", "needs 6 columns"),
        (SCOPES.replace("yes", "maybe"), "acme.scopes.tsv", "yes or no"),
        (SCOPES.replace("public", "secret"), "acme.scopes.tsv", "'secret' is not one of"),
    ],
)
def test_a_broken_scopes_file_is_refused(tmp_path: Path, text: str | None, file: str, words: str) -> None:
    write_entry(tmp_path, changed((("scopes",), DELETED), (("scopes_file",), "acme.scopes.tsv")))
    if text is not None:
        (tmp_path / "acme.scopes.tsv").write_text(text, encoding="utf-8")
    assert [f for f in validate(tmp_path) if f.file == file and words in f.message]


def test_scopes_are_read_from_a_file_beside_the_entry(tmp_path: Path) -> None:
    write_entry(tmp_path, changed((("scopes",), DELETED), (("scopes_file",), "acme.scopes.tsv")))
    (tmp_path / "acme.scopes.tsv").write_text(SCOPES, encoding="utf-8")
    scope = load(tmp_path)["acme"].scope_by_name("read")
    assert scope is not None
    assert (scope.meaning, scope.paid, scope.tier) == ("Read records", True, "")


def test_a_scopes_file_cannot_lie_in_another_folder(tmp_path: Path) -> None:
    write_entry(tmp_path, changed((("scopes_file",), "../acme.scopes.tsv")))
    assert [finding.path for finding in validate(tmp_path)] == ["$.scopes_file"]


@pytest.mark.parametrize(
    ("change", "feature"),
    [
        ((("oauth", "secondary_tokens"), [{"name": "user", "paths": {}}]), "secondary_tokens"),
    ],
)
def test_an_entry_that_asks_for_what_the_code_cannot_do_is_not_connectable(
    tmp_path: Path, change: Change, feature: str
) -> None:
    write_entry(tmp_path, changed(change))
    provider = load(tmp_path)["acme"]
    assert provider.unsupported_features == (feature,)
    assert not provider.is_supported


@pytest.mark.parametrize(
    ("path", "where"),
    [
        (("documentation_url",), "$.documentation_url"),
        (("api", "base_url"), "$.api.base_url"),
        (("oauth", "token_endpoint"), "$.oauth.token_endpoint"),
        (("scopes", 0, "name"), "$.scopes[0].name"),
    ],
)
def test_a_text_that_ends_with_a_line_end_is_refused(tmp_path: Path, path: Any, where: str) -> None:
    """`$` at the end of a pattern would let it pass."""
    value: Any = changed()
    for step in path:
        value = value[step]
    write_entry(tmp_path, changed((path, f"{value}\n")))
    assert where in [finding.path for finding in validate(tmp_path)]
