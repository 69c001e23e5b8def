"""What a backup or a restore refuses, as a sentence for whoever runs it."""

from __future__ import annotations


class BackupError(Exception):
    """Nothing was made, or nothing was changed, unless the sentence says otherwise. Never holds a secret."""
