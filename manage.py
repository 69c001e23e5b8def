#!/usr/bin/env python
"""The operator's commands. `python manage.py help` lists them."""

import os
import secrets
import sys
from base64 import urlsafe_b64encode

#: commands that read files alone, and so run where nothing is installed, such as an operator's laptop
_OF_FILES_ALONE = (["catalogue", "validate"], ["catalogue", "list"])


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:3] in _OF_FILES_ALONE:
        _need_no_environment()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def _need_no_environment() -> None:
    """Random keys, used for nothing and gone with the process, in place of what a start asks for."""
    for name, value in {
        "PATCHBAY_ENV": "development",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FERNET_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "PUBLIC_URL": "http://localhost:8000",
    }.items():
        os.environ.pop(f"{name}_FILE", None)
        os.environ[name] = value


if __name__ == "__main__":
    main()
