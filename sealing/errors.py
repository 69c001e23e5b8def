"""What can go wrong with a sealed value.

UnreadableSecret: the stored value does not open. Restore the key, or replace the value. An operator's matter:
it never changes the status of the row that holds it.
"""

from __future__ import annotations


class UnreadableSecret(Exception):
    """A stored value that no key of the ring opens in its place. Carries the place and never the value."""

    def __init__(self, context: str) -> None:
        super().__init__(context)
        self.context = context

    def __str__(self) -> str:
        return (
            f"The sealed value at {self.context} does not open: no key in FERNET_KEYS sealed it "
            "for this row and column, or it was altered."
        )
