"""Secrets at rest: the encrypted field, the key ring and the masked secret type (design rule 1).

A leaf: it imports nothing of the project.
"""

from sealing.errors import UnreadableSecret
from sealing.fields import SealedField
from sealing.sealed import Sealed, seal
from sealing.secret import Secret

__all__ = ["Sealed", "SealedField", "Secret", "UnreadableSecret", "seal"]
