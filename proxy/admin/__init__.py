"""The staff pages of the proxy."""

from proxy.admin import traffic  # noqa: F401 (registering)
