"""Up to 100 records at a time, and the rules of 207."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox.crm.basic import opened, wants_archived
from sandbox.crm.objects import PREFIXES
from sandbox.crm.records import Records, Shown, describe
from sandbox.errors import SandboxError, invalid, not_found, refuse
from sandbox.routing import Route
from sandbox.wire import Call, a_text, empty_reply, json_reply, texts
from sandbox.world import Sandbox, timestamp

MAX_INPUTS = 100

Work = Callable[[dict[str, Any]], dict[str, Any]]


def inputs_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The `inputs` of a batch body, at most 100 objects. Raises SandboxError (400)."""
    inputs = data.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(item, dict) for item in inputs):
        raise invalid("inputs must be a list of objects")
    if len(inputs) > MAX_INPUTS:
        raise invalid(f"The maximum number of inputs in a batch is {MAX_INPUTS}")
    return inputs


async def read(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /batch/read: 200, or 207 when some were not found."""
    records = opened(sandbox, call, "read")
    data = call.json_object()
    shown = Shown(texts(data, "properties"), texts(data, "propertiesWithHistory"))
    id_property = data.get("idProperty")
    id_property = a_text(data, "idProperty") if id_property is not None else None
    archived = wants_archived(call)
    results, missing = [], []
    for text in (_id(item) for item in inputs_of(data)):
        record = records.find(text, id_property=id_property, archived=archived)
        if record is None:
            missing.append(text)
        else:
            results.append(records.show(record, shown))
    errors = []
    if missing:
        message = (
            f"Could not get some {records.kind.singular.upper()} objects, they may be deleted or not exist. "
            "Check that ids are valid."
        )
        errors = [describe(refuse(404, message, category="OBJECT_NOT_FOUND"), {"ids": missing})]
    return _result(sandbox, results, errors)


async def create(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /batch/create: 201 for all or a refusal for all; 207 only for inputs with objectWriteTraceId."""
    records = opened(sandbox, call, "write")
    inputs = inputs_of(call.json_object())
    taken: set[tuple[str, str]] = set()

    def check(item: dict[str, Any]) -> None:
        stored = records.checked(item.get("properties", {}))
        records.associated(item.get("associations"))
        _claim(records, stored, taken)

    def work(item: dict[str, Any]) -> dict[str, Any]:
        stored = records.checked(item.get("properties", {}))
        record = records.make(stored, records.associated(item.get("associations")))
        return records.show(record, Shown(list(stored)))

    return _all(sandbox, inputs, check, work, status=201)


async def update(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /batch/update: 200, or 207 when some do not exist."""
    records = opened(sandbox, call, "write")

    def check(item: dict[str, Any]) -> None:
        record = records.get(_id(item), id_property=_id_property(item))
        records.checked(item.get("properties", {}), own=record)

    def work(item: dict[str, Any]) -> dict[str, Any]:
        record = records.get(_id(item), id_property=_id_property(item))
        stored = records.checked(item.get("properties", {}), own=record)
        return records.show(records.change(record, stored), Shown(list(stored)))

    return _all(sandbox, inputs_of(call.json_object()), check, work, status=200)


async def upsert(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /batch/upsert: each result says whether it is `new`. A body without inputs does nothing."""
    records = opened(sandbox, call, "write")
    data = call.json_object()
    inputs = inputs_of(data) if "inputs" in data else []
    ids = [(_id_property(item), _id(item)) for item in inputs]
    if len(set(ids)) < len(ids):
        raise invalid("Duplicate IDs found in batch input")

    def check(item: dict[str, Any]) -> None:
        record = records.find(_id(item), id_property=_id_property(item))
        if record is None and _id_property(item) in (None, "hs_object_id"):
            raise not_found()
        records.checked(_named(item), own=record)

    def work(item: dict[str, Any]) -> dict[str, Any]:
        record = records.find(_id(item), id_property=_id_property(item))
        stored = records.checked(_named(item), own=record)
        is_new = record is None
        record = records.make(stored) if record is None else records.change(record, stored)
        return records.show(record, Shown(list(stored))) | {"new": is_new}

    return _all(sandbox, inputs, check, work, status=200)


async def archive(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /batch/archive: 204."""
    records = opened(sandbox, call, "write")
    for text in [_id(item) for item in inputs_of(call.json_object())]:
        records.archive(text)
    return empty_reply()


def _all(
    sandbox: Sandbox,
    inputs: list[dict[str, Any]],
    check: Callable[[dict[str, Any]], None],
    work: Work,
    *,
    status: int,
) -> web.Response:
    """Check every input, then write those that are fit. A bad one without a trace id refuses the batch."""
    fit: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for item in inputs:
        trace_id = item.get("objectWriteTraceId")
        try:
            check(item)
        except SandboxError as error:
            if isinstance(trace_id, str):
                errors.append(describe(error, {"objectWriteTraceId": [trace_id]}))
            elif error.status == 404:
                errors.append(describe(error, {"ids": [_id(item)]}))
            else:
                raise
        else:
            fit.append(item)
    results = []
    for item in fit:
        result = work(item)
        if isinstance(item.get("objectWriteTraceId"), str):
            result["objectWriteTraceId"] = item["objectWriteTraceId"]
        results.append(result)
    return _result(sandbox, results, errors, status=status)


def _result(
    sandbox: Sandbox, results: list[dict[str, Any]], errors: list[dict[str, Any]], *, status: int = 200
) -> web.Response:
    moment = timestamp(sandbox.now())
    payload: dict[str, Any] = {"status": "COMPLETE", "results": results}
    payload |= {"requestedAt": moment, "startedAt": moment, "completedAt": moment}
    if errors:
        payload |= {"numErrors": len(errors), "errors": errors}
    return json_reply(payload, status=207 if errors else status)


def _id(item: dict[str, Any]) -> str:
    value = item.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return a_text(item, "id")


def _id_property(item: dict[str, Any]) -> str | None:
    return a_text(item, "idProperty") if item.get("idProperty") is not None else None


def _named(item: dict[str, Any]) -> dict[str, Any]:
    """The properties of an upsert, the identifying one included."""
    properties = item.get("properties", {})
    if not isinstance(properties, dict):
        raise invalid("properties must be an object")
    id_property = _id_property(item)
    if id_property in (None, "hs_object_id"):
        return properties
    return {str(id_property): _id(item)} | properties


def _claim(records: Records, stored: dict[str, str | None], taken: set[tuple[str, str]]) -> None:
    """Refuse a unique value that an earlier input of the same batch has."""
    for name in records.kind.unique:
        value = stored.get(name)
        if value and (name, value) in taken:
            raise refuse(409, f"Duplicate {name} found in batch input", category="CONFLICT")
        if value:
            taken.add((name, value))


ROUTES = [
    Route("POST", f"{prefix}/{{type}}/batch/{name}", handler)
    for prefix in PREFIXES
    for name, handler in (
        ("read", read),
        ("create", create),
        ("update", update),
        ("upsert", upsert),
        ("archive", archive),
    )
]
