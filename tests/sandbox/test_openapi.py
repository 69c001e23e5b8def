"""Every operation that the sandbox plays, requested for real and judged by HubSpot's own documents.

Where a document contradicts what is seen on the wire, the wire wins and the contradiction is a test of its own,
so that it is noticed when a newer document settles it.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from sandbox.testing import RunningSandbox
from tests.sandbox.conftest import Api
from tests.sandbox.consent import App, code_for
from tests.sandbox.openapi_judge import FOLDER, Document, Operation

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="not run: HubSpot's OpenAPI documents are not in ../shared/openapi/hubspot"
)

VERSIONS = ("v3", "2026-03", "2026-09")
KINDS = ("contacts", "companies", "deals")
NAMES = [
    *(f"{kind}.{version}" for kind in KINDS for version in VERSIONS),
    *(f"{name}.{version}" for name in ("account-info", "app-uninstalls", "oauth") for version in VERSIONS),
    "oauth.v1",
]
DOCUMENTS = {name: Document.named(name) for name in NAMES} if FOLDER.is_dir() else {}
OPERATIONS = [operation for document in DOCUMENTS.values() for operation in document.operations()]
CRM = [operation for operation in OPERATIONS if operation.document.split(".")[0] in KINDS]

# Association endpoints of the 2026-03 documents: the sandbox shows associations, it does not manage them.
NOT_PLAYED = [operation for operation in OPERATIONS if "/associations/" in operation.template]
PLAYED_CRM = [operation for operation in CRM if operation not in NOT_PLAYED]


def _tail(operation: Operation) -> tuple[str, str]:
    """The collection path and what follows it: ("/crm/v3/objects/0-3", "/batch/read")."""
    kind = operation.document.split(".")[0]
    path = operation.template.replace("{objectType}", kind)
    for name in (kind, "0-3"):
        head, found, tail = path.partition(f"/{name}")
        if found:
            return head + found, tail
    raise AssertionError(f"{operation} is no path of {kind}")


def _content(reply: requests.Response) -> Any:
    return reply.json() if reply.content else None


class Crm:
    """Makes the request of an operation, with records of its own."""

    def __init__(self, api: Api, operation: Operation) -> None:
        self.api = api
        self.kind = operation.document.split(".")[0]
        self.collection, self.tail = _tail(operation)
        self.method = operation.method

    def made(self, number: int) -> str:
        """The id of a fresh record, which a unique external_id tells from the others."""
        reply = self.api.post(self.collection, json={"properties": {"external_id": f"x{number}"}})
        return str(reply.json()["id"])

    def success(self) -> requests.Response:
        if self.tail.startswith("/{"):
            return self._single()
        if self.tail.startswith("/batch/"):
            return self._batch()
        bodies: dict[str, Any] = {
            "": {"properties": {"external_id": "x1"}, "associations": []},
            "/search": {
                "limit": 2,
                "after": "0",
                "filterGroups": [],
                "sorts": [],
                "properties": ["external_id"],
            },
        }
        if self.method == "get":
            shown = "associations=contacts,companies&propertiesWithHistory=hs_object_id"
            return self.api.get(f"{self.collection}?limit=2&{shown}")
        if self.tail == "/merge":
            return self._post({"primaryObjectId": self.made(1), "objectIdToMerge": self.made(2)})
        if self.tail == "/gdpr-delete":
            return self._post({"objectId": self.made(1)})
        return self._post(bodies[self.tail])

    def partial(self) -> requests.Response:
        """A batch of which one input fails."""
        good, name = self.made(1), self.tail.rpartition("/")[2]
        inputs: dict[str, list[dict[str, Any]]] = {
            "read": [{"id": good}, {"id": "1"}],
            "update": [{"id": good, "properties": {}}, {"id": "1", "properties": {}}],
            "create": [
                {"properties": {}, "associations": [], "objectWriteTraceId": "a"},
                {"properties": {"nonsense": "1"}, "associations": [], "objectWriteTraceId": "b"},
            ],
            "upsert": [
                {"id": "x1", "idProperty": "external_id", "properties": {}},
                {
                    "id": "x3",
                    "idProperty": "external_id",
                    "properties": {"nonsense": "1"},
                    "objectWriteTraceId": "b",
                },
            ],
        }
        return self._post({"inputs": inputs[name], "properties": []})

    def failure(self) -> requests.Response:
        """The refusal that the operation is most likely to meet, other than for a missing token."""
        if self.method in ("get", "patch") and self.tail:
            return self.api.request(self.method, f"{self.collection}/1", json={"properties": {}})
        if self.method == "delete":
            return self.api.delete(f"{self.collection.rpartition('/')[0]}/frogs/1")
        if self.method == "get":
            return self.api.get(f"{self.collection}?limit=1000")
        return self._post([])

    def _single(self) -> requests.Response:
        path = f"{self.collection}/{self.made(1)}"
        body = {"properties": {"external_id": "changed"}} if self.method == "patch" else None
        query = "?associations=contacts,companies" if self.method == "get" else ""
        return self.api.request(self.method, path + query, json=body)

    def _batch(self) -> requests.Response:
        first, name = self.made(1), self.tail.rpartition("/")[2]
        inputs: dict[str, list[dict[str, Any]]] = {
            "read": [{"id": first}],
            "archive": [{"id": first}],
            "update": [{"id": first, "properties": {"external_id": "y"}}],
            "create": [{"properties": {"external_id": "x2"}, "associations": []}],
            "upsert": [
                {"id": "x1", "idProperty": "external_id", "properties": {}},
                {"id": "x2", "idProperty": "external_id", "properties": {}},
            ],
        }
        return self._post({"inputs": inputs[name], "properties": ["external_id"]})

    def _post(self, body: Any) -> requests.Response:
        return self.api.post(self.collection + self.tail, json=body)


def _nullable(document: Document) -> Document:
    """The document with property values that may be null, see the contradiction below."""
    data = copy.deepcopy(document.data)
    for name, schema in data["components"]["schemas"].items():
        if (
            name.startswith("SimplePublic")
            and "Object" in name
            and "properties" in schema.get("properties", {})
        ):
            schema["properties"]["properties"]["additionalProperties"]["nullable"] = True
    return Document(document.name, data)


@pytest.mark.parametrize("operation", PLAYED_CRM, ids=str)
def test_crm_success_matches_the_document(api: Api, operation: Operation) -> None:
    reply = Crm(api, operation).success()
    document = _nullable(DOCUMENTS[operation.document])
    assert document.problems(operation, reply.status_code, _content(reply)) == []


@pytest.mark.parametrize("operation", PLAYED_CRM, ids=str)
def test_crm_refusals_match_the_document(sandbox: RunningSandbox, api: Api, operation: Operation) -> None:
    document = DOCUMENTS[operation.document]
    crm = Crm(api, operation)
    refused = [crm.failure()]
    sandbox.control("PATCH", "/_control/behaviour", {"rateLimit": 0, "searchRateLimit": 0})
    refused.append(
        crm.success() if not crm.tail.startswith(("/{", "/batch", "/merge", "/gdpr")) else crm.failure()
    )
    sandbox.control("PATCH", "/_control/behaviour", {"rateLimit": 110, "searchRateLimit": 5})
    sandbox.clock.advance(1800)
    refused.append(crm.failure())
    for reply in refused:
        assert 400 <= reply.status_code < 500, reply.text
        assert document.error_problems(reply.json()) == []
    assert refused[-1].status_code == 401


@pytest.mark.parametrize(
    "operation",
    [item for item in PLAYED_CRM if "/batch/" in item.template and not item.template.endswith("/archive")],
    ids=str,
)
def test_crm_multi_status_matches_the_document(api: Api, operation: Operation) -> None:
    reply = Crm(api, operation).partial()
    document = _nullable(DOCUMENTS[operation.document])
    assert reply.status_code == 207
    status = 207
    if document.response(operation, 207) is None:
        # Contradiction: the 2026-09 documents list no 207, but their success carries errors and numErrors, and
        # HubSpot's error page still describes 207 for batches.
        assert operation.document.endswith("2026-09")
        status = 201 if operation.template.endswith("/create") else 200
    assert document.problems(operation, status, reply.json()) == []
    assert reply.json()["numErrors"] == 1


def _bearer(operation: Operation) -> bool:
    return operation.document.split(".")[0] in ("account-info", "app-uninstalls")


@pytest.mark.parametrize("operation", [item for item in OPERATIONS if _bearer(item)], ids=str)
def test_account_operations_match_the_document(
    sandbox: RunningSandbox, api: Api, operation: Operation
) -> None:
    document = DOCUMENTS[operation.document]
    reply = api.request(operation.method, operation.template)
    assert document.problems(operation, reply.status_code, _content(reply)) == []
    refused = requests.request(operation.method, sandbox.url + operation.template, timeout=10)
    assert refused.status_code == 401
    assert document.error_problems(refused.json()) == []


class OAuth:
    """Makes the requests of the OAuth operations."""

    def __init__(self, sandbox: RunningSandbox, app: App, grant: dict[str, Any]) -> None:
        self.sandbox, self.app, self.grant = sandbox, app, grant

    def post(self, path: str, **fields: str) -> requests.Response:
        client = {"client_id": self.app["clientId"], "client_secret": self.app["clientSecret"]}
        return requests.post(self.sandbox.url + path, data=client | fields, timeout=10)

    def successes(self, operation: Operation) -> list[requests.Response]:
        """Every kind of success of the operation."""
        path = operation.template
        if path.endswith("/token"):
            code = code_for(self.sandbox, self.app)
            url = self.app["redirectUrls"][0]
            scope = "developer.webhooks_journal.read"
            return [
                self.post(path, grant_type="authorization_code", code=code, redirect_uri=url),
                self.post(path, grant_type="refresh_token", refresh_token=self.grant["refreshToken"]),
                self.post(path, grant_type="client_credentials", scope=scope),
            ]
        if path.endswith("/introspect"):
            return [self.post(path, token=self.grant[name]) for name in ("accessToken", "refreshToken")]
        if path.endswith("/revoke"):
            return [self.post(path, token=self.grant["refreshToken"])]
        token = self.grant["accessToken" if "access-tokens" in path else "refreshToken"]
        url = self.sandbox.url + path.replace("{token}", token)
        return [requests.request(operation.method, url, timeout=10)]

    def refusal(self, operation: Operation) -> requests.Response:
        path = operation.template.replace("{token}", "unknown")
        if operation.document == "oauth.v1" and operation.template != "/oauth/v1/token":
            return requests.request(operation.method, self.sandbox.url + path, timeout=10)
        return self.post(path, client_secret="wrong")


@pytest.fixture
def oauth(sandbox: RunningSandbox, app: App, grant: dict[str, Any]) -> OAuth:
    return OAuth(sandbox, app, grant)


def _is_oauth(operation: Operation) -> bool:
    return operation.document.startswith("oauth.")


@pytest.mark.parametrize("operation", [item for item in OPERATIONS if _is_oauth(item)], ids=str)
def test_oauth_success_matches_the_document(oauth: OAuth, operation: Operation) -> None:
    document = DOCUMENTS[operation.document]
    judged = operation
    if operation.document == "oauth.2026-09" and not operation.template.endswith("/revoke"):
        # Contradiction: this document lists no success of the token endpoint, and of introspection the member
        # `active` alone; that of 2026-03 describes the same endpoints.
        document = DOCUMENTS["oauth.2026-03"]
        judged = Operation(document.name, "post", operation.template.replace("2026-09", "2026-03"))
    for reply in oauth.successes(operation):
        if operation.template.endswith("/revoke"):
            # Contradiction: no document lists a success for revoke; 200 without content is what has been seen.
            assert document.response(operation, 200) is None
            assert (reply.status_code, reply.content) == (200, b"")
        else:
            assert document.problems(judged, reply.status_code, _content(reply)) == []


@pytest.mark.parametrize("operation", [item for item in OPERATIONS if _is_oauth(item)], ids=str)
def test_oauth_refusals_match_the_document_as_far_as_it_is_true(oauth: OAuth, operation: Operation) -> None:
    """Contradiction: Error requires category and correlationId; the token documentation shows neither."""
    reply = oauth.refusal(operation)
    document = DOCUMENTS[operation.document]
    assert 400 <= reply.status_code < 500
    assert reply.json()["message"]
    assert document.error_problems(reply.json(), required=False) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_contradiction_inactive_tokens_are_in_the_newest_document_only(oauth: OAuth, version: str) -> None:
    """Introspecting an unknown token gives 200 {"active": false}; no variant of the older schemas allows it."""
    operation = Operation(f"oauth.{version}", "post", f"/oauth/{version}/token/introspect")
    reply = oauth.post(operation.template, token="unknown")
    assert (reply.status_code, reply.json()) == (200, {"active": False})
    problems = DOCUMENTS[operation.document].problems(operation, 200, reply.json())
    assert bool(problems) == (version != "2026-09")


@pytest.mark.parametrize("version", ["v3", "2026-03"])
def test_contradiction_null_property_values_are_not_in_the_older_documents(api: Api, version: str) -> None:
    """Properties that are asked for and not set come as null; only the 2026-09 documents say nullable."""
    found = {}
    for name in (version, "2026-09"):
        document = DOCUMENTS[f"contacts.{name}"]
        operation = next(
            item
            for item in document.operations()
            if item.method == "get" and not item.template.endswith("Id}")
        )
        collection, _ = _tail(operation)
        reply = api.get(f"{collection}?properties=jobtitle&limit=1")
        found[name] = document.problems(operation, 200, reply.json())
    assert "None is not of type 'string'" in " ".join(found[version])
    assert found["2026-09"] == []


def test_every_operation_is_judged_or_listed_as_not_played() -> None:
    judged = {*PLAYED_CRM, *filter(_bearer, OPERATIONS), *filter(_is_oauth, OPERATIONS)}
    assert judged | set(NOT_PLAYED) == set(OPERATIONS)
    assert not judged & set(NOT_PLAYED)
    assert len(judged) == len(OPERATIONS) - len(NOT_PLAYED) > 120


def test_operations_listed_as_not_played_are_not_played(api: Api) -> None:
    for operation in NOT_PLAYED:
        assert api.request(operation.method, operation.template).status_code == 404


Mutation = Callable[[dict[str, Any]], Any]
LISTING = Operation("contacts.2026-09", "get", "/crm/objects/2026-09/{objectType}")
DETAILS = Operation("account-info.v3", "get", "/account-info/v3/details")
TOKEN = Operation("oauth.v3", "post", "/oauth/v3/token")
MUTATIONS: list[tuple[str, Operation, Mutation]] = [
    ("a required member is gone", LISTING, lambda body: body.pop("results")),
    ("a nested required member is gone", LISTING, lambda body: body["results"][0].pop("updatedAt")),
    ("an id is a number", LISTING, lambda body: body["results"][0].update(id=1)),
    ("a value is a number", LISTING, lambda body: body["results"][0]["properties"].update(amount=1)),
    ("a flag is a text", LISTING, lambda body: body["results"][0].update(archived="false")),
    ("a time is none", LISTING, lambda body: body["results"][0].update(createdAt="yesterday")),
    ("null where it is not nullable", LISTING, lambda body: body["results"][0].update(url=None)),
    ("a member is invented", LISTING, lambda body: body["results"][0].update(invented=1)),
    ("paging without after", LISTING, lambda body: body.update(paging={"next": {"link": "x"}})),
    ("a word outside the enum", DETAILS, lambda body: body.update(accountType="PREMIUM")),
    ("a number as text", DETAILS, lambda body: body.update(portalId="62515")),
    ("an integer beyond 32 bits", DETAILS, lambda body: body.update(portalId=2**40)),
    ("no token_use", TOKEN, lambda body: body.pop("token_use")),
    ("scopes as one text", TOKEN, lambda body: body.update(scopes="oauth forms")),
]


@pytest.mark.parametrize(
    ("operation", "mutate"), [item[1:] for item in MUTATIONS], ids=[item[0] for item in MUTATIONS]
)
def test_the_judge_catches_a_broken_reply(
    oauth: OAuth, api: Api, operation: Operation, mutate: Mutation
) -> None:
    document = DOCUMENTS[operation.document]
    if operation is TOKEN:
        reply = oauth.post(
            operation.template, grant_type="refresh_token", refresh_token=oauth.grant["refreshToken"]
        )
    else:
        reply = api.get(operation.template.replace("{objectType}", "contacts"))
    body = reply.json()
    assert document.problems(operation, 200, body) == []
    broken = json.loads(reply.text)
    mutate(broken)
    assert document.problems(operation, 200, broken) != []


def test_the_judge_catches_a_wrong_status_and_missing_or_unexpected_content(api: Api) -> None:
    document = DOCUMENTS[DETAILS.document]
    body = api.get(DETAILS.template).json()
    assert document.problems(DETAILS, 201, body)
    assert document.problems(DETAILS, 200, None)
    uninstall = Operation("app-uninstalls.v3", "delete", "/appinstalls/v3/external-install")
    assert DOCUMENTS[uninstall.document].problems(uninstall, 204, {})
    assert document.error_problems({"message": "x"})
    assert document.error_problems({"message": "x", "category": "C", "correlationId": "no uuid"})
