"""How much goes through: bounds that keep one caller, or one slow provider, from taking the process."""

from proxy.limits.gate import Limits, Ticket

__all__ = ["Limits", "Ticket"]
