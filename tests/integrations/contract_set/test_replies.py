"""A file of replies that is missing or wrong is told with its place, before any check runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from integrations import catalogue
from tests.integrations.contract_set.placeholders import filled, filled_url, timed
from tests.integrations.contract_set.replies import FOLDER, RepliesError, findings_in, load

SMALLEST: dict[str, Any] = {
    "api": {
        "request": {"url": "https://api.example/me"},
        "sends": {"header": "Authorization", "value": "Bearer ACCESS_TOKEN"},
        "hosts": ["api.example"],
    }
}


def test_an_entry_without_a_file_is_told_how_to_draft_one(tmp_path: Path) -> None:
    with pytest.raises(RepliesError, match=r"tests\.integrations\.providers\.draft newcomer`"):
        load("newcomer", folder=tmp_path)


def test_the_smallest_file_is_the_api_alone() -> None:
    assert findings_in(SMALLEST) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"apis": {}}, "$: Additional properties are not allowed ('apis' was unexpected)"),
        ({"granted_scopes": "read"}, "$.granted_scopes: 'read' is not of type 'array', 'null'"),
        ({"authorize": {"url": "https://a.example"}}, "$.authorize: 'params' is a required property"),
        (
            {"expired": [{"label": "documented", "status": 401}]},
            "$.expired[0]: 'source' is a required property",
        ),
        (
            {"limited": [{"label": "constructed", "status": 429, "wait": "soon"}]},
            "$.limited[0].wait: 'soon' does not match '^lasting$'",
        ),
        (
            {"errors": [{"call": "refresh", "label": "seen", "status": 400, "verdict": "unknown"}]},
            "$.errors[0].label: 'seen' is not one of ['documented', 'constructed']",
        ),
    ],
)
def test_a_wrong_member_is_told_with_its_path(change: dict[str, Any], finding: str) -> None:
    assert findings_in({**SMALLEST, **change}) == [finding]


def call(body: Any) -> dict[str, Any]:
    request = {"method": "POST", "url": "https://a.example/token"}
    return {"request": request, "reply": {"label": "constructed", "status": 200, "body": body}}


def test_a_refresh_whose_reply_holds_the_old_token_is_refused() -> None:
    found = findings_in({**SMALLEST, "refresh": call({"access_token": "ACCESS_TOKEN"})})
    assert found == [
        "$.refresh.reply.body: holds ACCESS_TOKEN; the token that is new is NEW_ACCESS_TOKEN",
        "$.refresh.reply.body: holds no NEW_ACCESS_TOKEN",
    ]


def test_a_call_that_tells_the_account_says_how_it_is_authorized() -> None:
    found = findings_in({**SMALLEST, "identity": [call({"id": "1"})]})
    assert found == ["$.identity[0].request: needs a credential or an authorization"]


def test_what_is_wrong_in_a_file_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "newcomer").mkdir()
    path = tmp_path / "newcomer" / "replies.yaml"
    path.write_text(yaml.safe_dump({}), encoding="utf-8")
    with pytest.raises(RepliesError, match=r"newcomer/replies\.yaml: \$: 'api' is a required property"):
        load("newcomer", folder=tmp_path)


def test_a_file_that_holds_a_key_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "newcomer").mkdir()
    (tmp_path / "newcomer" / "replies.yaml").write_text("api: {}\napi: {}\n", encoding="utf-8")
    with pytest.raises(RepliesError, match=r"newcomer/replies\.yaml: not valid YAML, line 2"):
        load("newcomer", folder=tmp_path)


def test_every_file_of_replies_belongs_to_an_entry() -> None:
    known = {path.stem for path in catalogue.PROVIDERS_FOLDER.glob("*.yaml")}
    assert {path.parent.name for path in FOLDER.glob("*/replies.yaml")} - known == set()


def test_placeholders_are_whole_words() -> None:
    values = {"CODE": "c", "ACCESS_TOKEN": "a/1", "NEW_ACCESS_TOKEN": "n"}
    document = {"a": ["Bearer ACCESS_TOKEN", "NEW_ACCESS_TOKEN", "ERROR_CODE", 1, None], "CODE": "CODE"}
    assert filled(document, values) == {"a": ["Bearer a/1", "n", "ERROR_CODE", 1, None], "CODE": "c"}
    assert filled_url("https://a.example/ACCESS_TOKEN", values) == "https://a.example/a%2F1"


def test_moments_are_told_from_now_in_the_provider_s_own_way() -> None:
    now = datetime(2026, 11, 25, 12, 0, 0, 500_000, tzinfo=UTC)
    told = {"X": ["now+30", "now+30ms", "now+30iso", "now+30date", "now", "later now+30"]}
    assert timed(told, now) == {
        "X": [
            "1795608030",
            "1795608030500",
            "2026-11-25T12:00:30.500000+00:00",
            "Wed, 25 Nov 2026 12:00:30 GMT",
            "now",
            "later now+30",
        ]
    }
