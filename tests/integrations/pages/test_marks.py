import pytest

from integrations import catalogue
from integrations.pages import marks


@pytest.mark.parametrize("provider", catalogue.all_providers(), ids=lambda provider: provider.id)
def test_every_providers_letters_can_be_read_on_its_color(provider: catalogue.Provider) -> None:
    mark = marks.of_provider(provider)
    assert mark.fill == provider.color
    assert marks.contrast(mark.fill, mark.ink) >= 4.5


def test_contrast_gives_the_values_of_wcag() -> None:
    assert marks.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert marks.contrast("#ffffff", "#767676") == pytest.approx(
        4.54, abs=0.01
    )  # WCAG's smallest passing grey


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Northwind CRM", "NC"),
        ("acme", "A"),
        ("  -- ", "•"),
        ("", "•"),
        ("日本 商事", "日商"),
        ("a_b c", "AB"),
    ],
)
def test_a_partners_tile_has_its_initials(name: str, letters: str) -> None:
    assert marks.of_name(name).letters == letters
