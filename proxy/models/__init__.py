"""The rows of the proxy, one module a noun."""

from proxy.models.receipt import Receipt, ReceiptPart
from proxy.models.traffic import TrafficEntry, TrafficHour

__all__ = ["Receipt", "ReceiptPart", "TrafficEntry", "TrafficHour"]
