"""One record at a time: list, create, read, change, archive, merge, erase."""

from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from sandbox.access import admit, bearer
from sandbox.crm.objects import CONTACTS, PREFIXES, object_type
from sandbox.crm.records import MAX_HISTORY_LIMIT, Records, Shown
from sandbox.errors import invalid, not_found
from sandbox.routing import Route
from sandbox.wire import Call, a_text, empty_reply, json_reply
from sandbox.world import Sandbox

API_HOST = "https://api.hubapi.com"
DEFAULT_LIMIT = 10
MAX_LIMIT = 100


def opened(sandbox: Sandbox, call: Call, verb: str, *, is_search: bool = False) -> Records:
    """The records that the call's token may "read" or "write". Raises SandboxError: 400, 401, 403, 429."""
    bearer(sandbox, call)
    kind = object_type(call.params["type"])
    account = admit(sandbox, call, [kind.scope(verb)], is_search=is_search)
    return Records(sandbox, account, kind)


def shown(call: Call) -> Shown:
    """What the query asks to see."""
    return Shown(call.listed("properties"), call.listed("propertiesWithHistory"), call.listed("associations"))


def wants_archived(call: Call) -> bool:
    """The query field `archived`. Raises SandboxError (400)."""
    text = (call.first("archived") or "false").lower()
    if text not in ("true", "false"):
        raise invalid("archived must be true or false")
    return text == "true"


async def listing(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /: a page of records, oldest first; `after` is the id of the last one seen."""
    records = opened(sandbox, call, "read")
    most = MAX_HISTORY_LIMIT if call.first("propertiesWithHistory") else MAX_LIMIT
    limit = call.whole_number("limit", DEFAULT_LIMIT, least=1, most=most)
    after = call.whole_number("after", 0, least=0, most=999_999_999)
    rows = [row for row in records.all(archived=wants_archived(call)) if int(row.id) > after]
    wanted = shown(call)
    payload: dict[str, object] = {"results": [records.show(row, wanted) for row in rows[:limit]]}
    if len(rows) > limit:
        last = rows[limit - 1].id
        payload["paging"] = {"next": {"after": last, "link": _link(call, last)}}
    return json_reply(payload)


def _link(call: Call, after: str) -> str:
    """The absolute URL of the next page, on HubSpot's own host whoever asked."""
    kept = [(name, value) for name, value in parse_qsl(call.raw_query, True) if name != "after"]
    return f"{API_HOST}{call.raw_path}?{urlencode([*kept, ('after', after)])}"


async def create(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /: 201."""
    records = opened(sandbox, call, "write")
    data = call.json_object()
    stored = records.checked(data.get("properties", {}))
    record = records.make(stored, records.associated(data.get("associations")))
    return json_reply(records.show(record, Shown(list(stored))), status=201)


async def read(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /{id}."""
    records = opened(sandbox, call, "read")
    archived = wants_archived(call)
    record = records.get(call.params["id"], id_property=call.first("idProperty"), archived=archived)
    return json_reply(records.show(record, shown(call)))


async def change(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """PATCH /{id}."""
    records = opened(sandbox, call, "write")
    record = records.get(call.params["id"], id_property=call.first("idProperty"))
    stored = records.checked(call.json_object().get("properties", {}), own=record)
    records.change(record, stored)
    return json_reply(records.show(record, Shown(list(stored))))


async def archive(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """DELETE /{id}: 204, also when it is gone already."""
    opened(sandbox, call, "write").archive(call.params["id"])
    return empty_reply()


async def merge(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /merge."""
    records = opened(sandbox, call, "write")
    data = call.json_object()
    primary = records.get(a_text(data, "primaryObjectId"))
    other = records.get(a_text(data, "objectIdToMerge"))
    return json_reply(records.show(records.merge(primary, other), Shown()))


async def erase(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /gdpr-delete: 204; contacts only."""
    records = opened(sandbox, call, "write")
    if records.kind is not CONTACTS:
        raise not_found()
    data = call.json_object()
    id_property = a_text(data, "idProperty", default="hs_object_id")
    for archived in (False, True):
        record = records.find(a_text(data, "objectId"), id_property=id_property, archived=archived)
        if record is not None:
            records.forget(record)
    return empty_reply()


ROUTES = [
    route
    for prefix in PREFIXES
    for route in (
        Route("GET", f"{prefix}/{{type}}", listing),
        Route("POST", f"{prefix}/{{type}}", create),
        Route("POST", f"{prefix}/{{type}}/merge", merge),
        Route("POST", f"{prefix}/{{type}}/gdpr-delete", erase),
        Route("GET", f"{prefix}/{{type}}/{{id}}", read),
        Route("PATCH", f"{prefix}/{{type}}/{{id}}", change),
        Route("DELETE", f"{prefix}/{{type}}/{{id}}", archive),
    )
]
