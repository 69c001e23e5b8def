"""The staff pages of the proxy."""

from proxy.admin import receipts, traffic  # noqa: F401 (registering)
