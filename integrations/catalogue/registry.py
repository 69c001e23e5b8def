"""The entries that the platform serves: our own, and those of an operator's folder, which win by id."""

from __future__ import annotations

import threading
from pathlib import Path

from .errors import UnknownProvider
from .loading import PROVIDERS_FOLDER, load
from .provider import Provider

_lock = threading.Lock()
_loaded: dict[Path | None, dict[str, Provider]] = {}


def get(provider_id: str, *, extra_folder: Path | None = None) -> Provider:
    """The entry of that id. Raises UnknownProvider, which names the ids there are, and CatalogueError when
    the files cannot be served. The files are read once per process."""
    providers = _providers(extra_folder)
    try:
        return providers[provider_id]
    except KeyError:
        raise UnknownProvider(provider_id, providers) from None


def all_providers(*, extra_folder: Path | None = None) -> tuple[Provider, ...]:
    """Every entry, in the order of the names that people see."""
    return tuple(sorted(_providers(extra_folder).values(), key=lambda entry: entry.display_name.casefold()))


def _providers(extra_folder: Path | None) -> dict[str, Provider]:
    found = _loaded.get(extra_folder)
    if found is not None:
        return found
    with _lock:
        for folder in (None, extra_folder):
            if folder not in _loaded:
                ours = load(PROVIDERS_FOLDER) if folder is None else {**_loaded[None], **load(folder)}
                _loaded[folder] = ours
        return _loaded[extra_folder]
