"""The process environment of the test suite, set before Django's settings are read.

Loaded by `-p tests.environment` (pyproject.toml), which comes earlier than any conftest. Values that the
caller has set win, so that the `db`-marked tests can be pointed at PostgreSQL and Redis.
"""

import atexit
import os
import secrets
import shutil
import tempfile

from cryptography.fernet import Fernet

_DEFAULTS = {
    "PATCHBAY_ENV": "development",
    "SECRET_KEY": secrets.token_urlsafe(50),
    "FERNET_KEYS": Fernet.generate_key().decode(),
    "PUBLIC_URL": "http://localhost:8000",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
}

# Always a folder of its own: a suite must never write into an installation's.
_folder = tempfile.mkdtemp(prefix="patchbay-test-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["PATCHBAY_DATA_DIR"] = _folder
for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)

_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if _worker.startswith("gw") and os.environ.get("CACHE_URL", "").startswith("redis"):
    # Each parallel worker empties its cache before each test: never another worker's.
    _server = os.environ["CACHE_URL"].rpartition("/")[0]
    os.environ["CACHE_URL"] = f"{_server}/{2 + int(_worker.removeprefix('gw'))}"
