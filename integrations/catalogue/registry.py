"""The entries that the platform serves: our own, and those of an operator's folder, which win by id."""

from __future__ import annotations

import threading
from pathlib import Path

from .errors import UnknownProvider
from .loading import PROVIDERS_FOLDER, load
from .provider import Provider

_lock = threading.Lock()
_loaded: dict[Path | None, dict[str, Provider]] = {}
_operators_folder: Path | None = None


def use_folder(folder: Path | None) -> None:
    """From now on serve the entries of an operator's folder too; called once, when a process begins."""
    global _operators_folder
    _operators_folder = folder


def operators_folder() -> Path | None:
    """The folder whose entries are served beside our own, if there is one."""
    return _operators_folder


def get(provider_id: str) -> Provider:
    """The entry of that id. Raises UnknownProvider, which names the ids there are, and CatalogueError when
    the files cannot be served. The files are read once per process."""
    providers = _providers(_operators_folder)
    try:
        return providers[provider_id]
    except KeyError:
        raise UnknownProvider(provider_id, providers) from None


def all_providers() -> tuple[Provider, ...]:
    """Every entry, in the order of the names that people see."""
    providers = _providers(_operators_folder).values()
    return tuple(sorted(providers, key=lambda entry: entry.display_name.casefold()))


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
