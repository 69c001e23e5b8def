"""Marketing forms: the list, and the submission host api.hsforms.com."""

from typing import Any

from aiohttp import web

from sandbox.access import admit
from sandbox.errors import invalid, not_found
from sandbox.routing import Route
from sandbox.state import Account
from sandbox.wire import Call, a_list, json_reply
from sandbox.world import Sandbox, timestamp

SUBMISSION_HOSTS = ("api.hsforms.com", "api-eu1.hsforms.com")
MAX_FIELDS = 1_000
LIST_PATHS = ("/marketing/v3/forms", "/marketing/forms/2026-03", "/marketing/forms/2026-09")
_NAMES = ("Contact us", "Newsletter", "Demo request")


def forms_of(account: Account) -> list[dict[str, Any]]:
    """The forms of an account; their ids follow from the account's number."""
    created = timestamp(1_700_000_000)
    return [
        {
            "id": f"{account.hub_id:08x}-0000-4000-8000-{number:012d}",
            "name": name,
            "formType": "hubspot",
            "archived": False,
            "createdAt": created,
            "updatedAt": created,
            "fieldGroups": [
                {
                    "groupType": "default_group",
                    "richTextType": "text",
                    "fields": [
                        {"objectTypeId": "0-1", "name": "email", "label": "E-mail", "required": True,
                         "hidden": False, "fieldType": "email"},
                    ],
                }
            ],
        }
        for number, name in enumerate(_NAMES, start=1)
    ]  # fmt: skip


async def listing(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET: a page of forms; `after` is an offset."""
    account = admit(sandbox, call, ["forms"])
    limit = call.whole_number("limit", 20, least=1, most=100)
    offset = call.whole_number("after", 0, least=0, most=999_999_999)
    rows = forms_of(account)
    payload: dict[str, Any] = {"results": rows[offset : offset + limit]}
    if offset + limit < len(rows):
        after = str(offset + limit)
        link = f"https://api.hubapi.com{call.raw_path}?limit={limit}&after={after}"
        payload["paging"] = {"next": {"after": after, "link": link}}
    return json_reply(payload)


async def read(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /{formId}."""
    account = admit(sandbox, call, ["forms"])
    form = next((row for row in forms_of(account) if row["id"] == call.params["formId"]), None)
    if form is None:
        raise not_found()
    return json_reply(form)


async def submit(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST …/integration/submit/{portalId}/{formGuid}: open to everybody."""
    _check_host(sandbox, call)
    return _submitted(sandbox, call)


async def submit_secure(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST …/integration/secure/submit/{portalId}/{formGuid}: with an access token of that account."""
    _check_host(sandbox, call)
    account = admit(sandbox, call, ["forms"])
    if call.params["portalId"] != str(account.hub_id):
        raise not_found("the form does not exist")
    return _submitted(sandbox, call)


def _check_host(sandbox: Sandbox, call: Call) -> None:
    """Submissions are answered on the forms host alone, and under the sandbox's own name."""
    host = call.host.partition(":")[0]
    if host not in (*SUBMISSION_HOSTS, "127.0.0.1", "localhost"):
        raise not_found()


def _submitted(sandbox: Sandbox, call: Call) -> web.Response:
    text = call.params["portalId"]
    is_number = text.isascii() and text.isdigit() and len(text) <= 12
    account = sandbox.state.accounts.get(int(text)) if is_number else None
    ids = [form["id"] for form in forms_of(account)] if account else []
    if call.params["formGuid"] not in ids:
        raise not_found("the form does not exist")
    fields = a_list(call.json_object(), "fields")
    if len(fields) > MAX_FIELDS:
        raise invalid(f"at most {MAX_FIELDS} fields are allowed")
    for entry in fields:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or "value" not in entry:
            raise invalid("each field needs a name and a value")
    return json_reply({"inlineMessage": "Thanks for submitting the form."})


ROUTES = [
    *(Route("GET", path, listing) for path in LIST_PATHS),
    *(Route("GET", f"{path}/{{formId}}", read) for path in LIST_PATHS),
    Route("POST", "/submissions/v3/integration/submit/{portalId}/{formGuid}", submit),
    Route("POST", "/submissions/v3/integration/secure/submit/{portalId}/{formGuid}", submit_secure),
]
