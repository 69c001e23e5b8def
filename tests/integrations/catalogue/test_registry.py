"""The entries are read once, by whoever comes first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integrations.catalogue import (
    CatalogueError,
    Provider,
    UnknownProvider,
    all_providers,
    get,
    registry,
    use_folder,
)

from .entry import ENTRY, changed, write_entry


@pytest.fixture
def nothing_loaded() -> Iterator[None]:
    before = dict(registry._loaded)
    registry._loaded.clear()
    yield
    use_folder(None)
    registry._loaded.clear()
    registry._loaded.update(before)


def test_an_unknown_provider_is_a_key_error_that_names_the_known_ones() -> None:
    with pytest.raises(UnknownProvider) as caught:
        get("hubsport")
    assert isinstance(caught.value, KeyError)
    assert "hubspot" in str(caught.value) and "'hubsport'" in str(caught.value)
    assert list(caught.value.known) == sorted(provider.id for provider in all_providers())


def test_the_same_entry_is_served_every_time() -> None:
    assert get("hubspot") is get("hubspot")
    assert get("hubspot") in all_providers()


def test_entries_come_in_the_order_of_their_names() -> None:
    names = [provider.display_name for provider in all_providers()]
    assert names == sorted(names, key=str.casefold)


@pytest.mark.usefixtures("nothing_loaded")
def test_many_threads_read_the_files_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, real = [], registry.load

    def counted(folder: Path) -> dict[str, Provider]:
        calls.append(folder)
        return real(folder)

    monkeypatch.setattr(registry, "load", counted)
    gate = threading.Barrier(8)

    def ask() -> int:
        gate.wait()
        return id(get("hubspot"))

    with ThreadPoolExecutor(8) as pool:
        answers = {future.result() for future in [pool.submit(ask) for _ in range(8)]}

    assert len(answers) == 1
    assert len(calls) == 1


def test_an_operator_s_folder_adds_and_overrides(tmp_path: Path, nothing_loaded: None) -> None:
    ours, count = get("hubspot"), len(all_providers())
    write_entry(tmp_path, ENTRY)
    write_entry(tmp_path, changed((("id",), "xero"), (("display_name",), "Our Xero")), name="xero.yaml")

    use_folder(tmp_path)

    assert get("acme").display_name == "Acme"
    assert get("xero").display_name == "Our Xero"
    assert get("hubspot") is ours
    assert len(all_providers()) == count + 1
    use_folder(None)
    assert get("xero").display_name == "Xero"


def test_a_broken_operator_s_folder_is_never_half_served(tmp_path: Path, nothing_loaded: None) -> None:
    write_entry(tmp_path, changed((("color",), "red")))
    use_folder(tmp_path)
    with pytest.raises(CatalogueError):
        get("hubspot")


def test_entries_cannot_be_changed() -> None:
    hubspot = get("hubspot")
    with pytest.raises(AttributeError):
        hubspot.display_name = "Other"  # type: ignore[misc]  # that it cannot be set is the point
    with pytest.raises(TypeError):
        hubspot.identity[1].form["token"] = "x"  # type: ignore[index]  # likewise
    assert hash(hubspot.oauth) == hash(hubspot.oauth)
