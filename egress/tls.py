"""The TLS settings of both clients."""

import ssl
from functools import cache
from pathlib import Path

import certifi


@cache
def client_context() -> ssl.SSLContext:
    """A verifying context: the system's certificate store, or certifi's where the system has none.

    SSL_CERT_FILE and SSL_CERT_DIR name another store, as OpenSSL reads them.
    """
    context = ssl.create_default_context(cafile=None if _has_system_store() else certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _has_system_store() -> bool:
    paths = ssl.get_default_verify_paths()
    return paths.cafile is not None or (paths.capath is not None and any(Path(paths.capath).iterdir()))
