"""POST /search: filters, sorting, offsets, and the limits that bite."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from sandbox.crm.basic import API_HOST, opened
from sandbox.crm.objects import PREFIXES
from sandbox.crm.records import Records, Shown
from sandbox.errors import invalid
from sandbox.routing import Route
from sandbox.state import Record
from sandbox.wire import Call, a_list, a_text, json_reply, texts
from sandbox.world import Sandbox

MAX_BODY_CHARACTERS = 3_000
MAX_GROUPS = 5
MAX_FILTERS_PER_GROUP = 6
MAX_FILTERS = 18
MAX_LIMIT = 200
MAX_OFFSET = 10_000

Facts = Mapping[str, str | None]
Key = tuple[int, float, str]


async def search(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """A page of matching records and their total. Never shows archived ones; no rate fields."""
    records = opened(sandbox, call, "read", is_search=True)
    if len(call.body.decode("utf-8", errors="replace")) > MAX_BODY_CHARACTERS:
        raise invalid(f"The request body must be at most {MAX_BODY_CHARACTERS} characters")
    data = call.json_object()
    groups = _groups(records, data)
    limit, offset = _window(data)
    query = a_text(data, "query", default="").casefold()
    found = [
        (record, facts)
        for record, facts in _indexed(sandbox, records)
        if _matches(groups, facts) and _mentions(records, query, facts)
    ]
    found = _sorted(records, data, found)
    wanted = Shown(texts(data, "properties"))
    page = found[offset : offset + limit]
    results = [_show(records, record, facts, wanted) for record, facts in page]
    payload: dict[str, Any] = {"total": len(found), "results": results}
    if offset + limit < len(found):
        after = str(offset + limit)
        payload["paging"] = {"next": {"after": after, "link": f"{API_HOST}{call.raw_path}?after={after}"}}
    return json_reply(payload)


def _indexed(sandbox: Sandbox, records: Records) -> list[tuple[Record, Facts]]:
    """What the index knows: within the lag new records are absent and changed ones show their old values."""
    horizon = sandbox.now() - sandbox.behaviour.searchLagSeconds
    rows: list[tuple[Record, Facts]] = []
    for record in records.all():
        facts = records.facts(record)
        if sandbox.behaviour.searchLagSeconds and record.updated_at > horizon:
            if record.created_at > horizon or record.previous is None:
                continue
            facts |= dict.fromkeys(record.properties) | record.previous
        rows.append((record, facts))
    return rows


def _show(records: Records, record: Record, facts: Facts, wanted: Shown) -> dict[str, Any]:
    payload = records.show(record, wanted)
    payload["properties"] = {name: facts.get(name) for name in payload["properties"]}
    return payload


def _window(data: Mapping[str, Any]) -> tuple[int, int]:
    limit, after = data.get("limit", 10), data.get("after", 0)
    if isinstance(after, str):
        after = (
            int(after) if after.isascii() and after.isdigit() and len(after) < 10 else 0 if not after else -1
        )
    if not _is_whole(limit) or not 0 <= limit <= MAX_LIMIT:
        raise invalid(f"limit must be a whole number from 0 to {MAX_LIMIT}")
    if not _is_whole(after) or after < 0:
        raise invalid("after must be the offset that the page before gave")
    if after + limit > MAX_OFFSET:
        raise invalid(f"after plus limit must be at most {MAX_OFFSET}: page by a filter instead")
    return limit, after


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _groups(records: Records, data: dict[str, Any]) -> list[list[dict[str, Any]]]:
    groups = a_list(data, "filterGroups", default=[])
    if len(groups) > MAX_GROUPS:
        raise invalid(f"At most {MAX_GROUPS} filterGroups are allowed")
    parsed = []
    for group in groups:
        if not isinstance(group, dict):
            raise invalid("a filter group must be an object")
        filters = a_list(group, "filters")
        if len(filters) > MAX_FILTERS_PER_GROUP:
            raise invalid(f"At most {MAX_FILTERS_PER_GROUP} filters are allowed in a group")
        parsed.append([_filter(records, entry) for entry in filters])
    if sum(len(group) for group in parsed) > MAX_FILTERS:
        raise invalid(f"At most {MAX_FILTERS} filters are allowed")
    return parsed


def _filter(records: Records, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise invalid("a filter must be an object")
    name, operator = a_text(entry, "propertyName"), a_text(entry, "operator")
    if not records.kind.knows(name):
        raise invalid(f"There was a problem with the request: property {name!r} does not exist")
    if operator in ("IN", "NOT_IN"):
        values = texts(entry, "values")
        if not values:
            raise invalid(f"{operator} needs values")
    elif operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        values = []
    elif operator == "BETWEEN":
        values = [_scalar(entry, "value"), _scalar(entry, "highValue")]
    elif operator in _COMPARED or operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        values = [_scalar(entry, "value")]
    else:
        raise invalid(f"Unknown filter operator {operator!r}")
    return {"name": name, "operator": operator, "values": values}


def _scalar(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value}"
    return a_text(entry, name)


def _matches(groups: list[list[dict[str, Any]]], facts: Facts) -> bool:
    """Groups are joined by OR, the filters of a group by AND; no group matches all."""
    return not groups or any(all(_holds(entry, facts) for entry in group) for group in groups)


def _holds(entry: dict[str, Any], facts: Facts) -> bool:
    value, operator, given = facts.get(entry["name"]), entry["operator"], entry["values"]
    if operator == "HAS_PROPERTY":
        return value is not None
    if operator == "NOT_HAS_PROPERTY":
        return value is None
    if value is None:
        return operator in ("NEQ", "NOT_IN", "NOT_CONTAINS_TOKEN")
    if operator in ("IN", "NOT_IN"):
        return (_key(value) in [_key(item) for item in given]) == (operator == "IN")
    if operator == "BETWEEN":
        return _key(given[0]) <= _key(value) <= _key(given[1])
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        return _contains(value, given[0]) == (operator == "CONTAINS_TOKEN")
    ours, theirs = _key(value), _key(given[0])
    return bool(_COMPARED[operator](ours, theirs))


_COMPARED = {
    "EQ": lambda ours, theirs: ours == theirs,
    "NEQ": lambda ours, theirs: ours != theirs,
    "LT": lambda ours, theirs: ours < theirs,
    "LTE": lambda ours, theirs: ours <= theirs,
    "GT": lambda ours, theirs: ours > theirs,
    "GTE": lambda ours, theirs: ours >= theirs,
}


def _key(text: str) -> Key:
    """A value to compare: numbers and times (milliseconds) as numbers, others as caseless texts."""
    try:
        return (0, float(text), "")
    except ValueError:
        pass
    try:
        return (0, datetime.fromisoformat(text).timestamp() * 1000, "")
    except (ValueError, OverflowError):
        return (1, 0.0, text.casefold())


def _contains(value: str, token: str) -> bool:
    """Whether one of the value's words is the token; * stands for any characters at either end."""
    words = [value.casefold(), *value.casefold().replace("@", " ").replace(".", " ").split()]
    wanted = token.casefold()
    inner = wanted.strip("*")
    if wanted.startswith("*") and wanted.endswith("*"):
        return any(inner in word for word in words)
    if wanted.endswith("*"):
        return any(word.startswith(inner) for word in words)
    if wanted.startswith("*"):
        return any(word.endswith(inner) for word in words)
    return wanted in words


def _mentions(records: Records, query: str, facts: Facts) -> bool:
    return not query or any(query in (facts.get(name) or "").casefold() for name in records.kind.searched)


def _sorted(
    records: Records, data: dict[str, Any], found: list[tuple[Record, Facts]]
) -> list[tuple[Record, Facts]]:
    """By the one allowed sort, or oldest first."""
    sorts = a_list(data, "sorts", default=[])
    if len(sorts) > 1:
        raise invalid("At most one sort is allowed")
    if not sorts:
        return found
    name, is_descending = _sort(sorts[0])
    if not records.kind.knows(name):
        raise invalid(f"There was a problem with the request: property {name!r} does not exist")
    present = [row for row in found if row[1].get(name) is not None]
    absent = [row for row in found if row[1].get(name) is None]
    return sorted(present, key=lambda row: _key(row[1][name] or ""), reverse=is_descending) + absent


def _sort(entry: Any) -> tuple[str, bool]:
    if isinstance(entry, str):
        return entry.lstrip("-"), entry.startswith("-")
    if isinstance(entry, dict):
        direction = a_text(entry, "direction", default="ASCENDING")
        if direction not in ("ASCENDING", "DESCENDING"):
            raise invalid("direction must be ASCENDING or DESCENDING")
        return a_text(entry, "propertyName"), direction == "DESCENDING"
    raise invalid("a sort is a property name or an object")


ROUTES = [Route("POST", f"{prefix}/{{type}}/search", search) for prefix in PREFIXES]
