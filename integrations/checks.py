"""Django checks of integrations: a wrong catalogue is found at start, not at the first customer."""

from __future__ import annotations

from typing import Any

from django.core import checks

from integrations import catalogue


@checks.register
def catalogue_is_right(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """Each finding in a provider file is an error with the file and the place in it."""
    folders = [catalogue.PROVIDERS_FOLDER, catalogue.operators_folder()]
    return [
        checks.Error(
            str(finding), hint=f"Run manage.py catalogue validate --folder {folder}.", id="integrations.E001"
        )
        for folder in folders
        if folder is not None
        for finding in catalogue.validate(folder)
    ]
