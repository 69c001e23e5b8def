"""Connections: finding them, their states, ending them, adopting them."""

from integrations.connections.adopt import Adoption, adopt
from integrations.connections.disconnect import carry_out_revocation, disconnect
from integrations.connections.find import ensure_for_link, find, find_by_uuid, of_customer, visible_to
from integrations.connections.handout import hand_out
from integrations.connections.identity import complete_identity, due_for_identity
from integrations.connections.use import check, pause, resume

__all__ = [
    "Adoption",
    "adopt",
    "carry_out_revocation",
    "check",
    "complete_identity",
    "disconnect",
    "due_for_identity",
    "ensure_for_link",
    "find",
    "find_by_uuid",
    "hand_out",
    "of_customer",
    "pause",
    "resume",
    "visible_to",
]
