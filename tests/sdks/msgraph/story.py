"""What a partner's program does with msgraph-sdk: prints what came of it as one line of JSON."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.contact import Contact
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder
from msgraph_core.tasks.page_iterator import PageIterator

names: dict[str, Any] = {"PROXY_URL": os.environ["PROXY_URL"], "KEY": os.environ["KEY"]}
exec(compile(os.environ["LINES"], "docs/sdks.md: msgraph-sdk", "exec"), names)
client = names["client"]


async def me() -> Any:
    return (await client.me.get()).display_name


async def write() -> Any:
    made = await client.me.contacts.post(Contact(given_name="Zoë & 9007199254740993"))
    changed = await client.me.contacts.by_contact_id(made.id).patch(Contact(surname="Ä"))
    await client.me.contacts.by_contact_id(made.id).delete()
    return [made.id, changed.surname]


async def page() -> Any:
    query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(top=1, select=["subject"])
    first = await client.me.messages.get(request_configuration=RequestConfiguration(query_parameters=query))
    found: list[str] = []

    def take(message: Any) -> bool:
        found.append(message.subject)
        return True

    await PageIterator(first, client.request_adapter).iterate(take)
    return found


async def content() -> Any:
    item = client.drives.by_drive_id("d1").items.by_drive_item_id("f1")
    sent = await item.content.put(bytes(range(256)) * 1_000)
    return [sent.id, (await item.content.get()).hex()]


async def refused() -> Any:
    try:
        await client.me.messages.by_message_id("none").get()
    except ODataError as error:
        return [error.response_status_code, error.error.code, error.error.message]


STORIES: dict[str, Callable[[], Awaitable[Any]]] = {
    "me": me, "write": write, "page": page, "content": content, "refused": refused,
}  # fmt: skip
print(json.dumps(asyncio.run(STORIES[sys.argv[1]]())))  # type: ignore[arg-type]  # each is a coroutine
