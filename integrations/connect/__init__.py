"""The connect flow: links, attempts, the callback, reconnecting, the customer's own page."""

from integrations.connect.activity import Activity, Calls, register_activity
from integrations.connect.attempts import Started, start
from integrations.connect.browser import browser_cookie, is_browser_secret, new_browser_secret
from integrations.connect.callback import Finished, choose, finish, offered, result_url
from integrations.connect.consent import Consent, ConsentScope, describe
from integrations.connect.left_choices import drop_old_choices
from integrations.connect.links import (
    LinkRequest,
    NewLink,
    create_link,
    find_link,
    find_own_link,
    link_data,
    link_status,
    mark_opened,
    require_usable,
    revoke_link,
)
from integrations.connect.manage import (
    ManageEntry,
    create_manage_link,
    find_manage_link,
    manage_act,
    manage_entries,
    manage_reconnect,
)
from integrations.connect.reconnect import open_reconnect
from integrations.connect.typed import MAX_CHARACTERS, TooManyTries, submit

__all__ = [
    "MAX_CHARACTERS",
    "Activity",
    "Calls",
    "Consent",
    "ConsentScope",
    "Finished",
    "LinkRequest",
    "ManageEntry",
    "NewLink",
    "Started",
    "TooManyTries",
    "browser_cookie",
    "choose",
    "create_link",
    "create_manage_link",
    "describe",
    "drop_old_choices",
    "find_link",
    "find_manage_link",
    "find_own_link",
    "finish",
    "is_browser_secret",
    "link_data",
    "link_status",
    "manage_act",
    "manage_entries",
    "manage_reconnect",
    "mark_opened",
    "new_browser_secret",
    "offered",
    "open_reconnect",
    "register_activity",
    "require_usable",
    "result_url",
    "revoke_link",
    "start",
    "submit",
]
