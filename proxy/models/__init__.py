"""The rows of the proxy, one module a noun."""

from proxy.models.traffic import TrafficEntry, TrafficHour

__all__ = ["TrafficEntry", "TrafficHour"]
