"""The lettered tile that stands for a provider or a partner; drawn as SVG, since the CSP allows no style attribute."""

from __future__ import annotations

import re
from dataclasses import dataclass

from integrations.catalogue import Provider

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_NEUTRAL = "#4a4f4d"
_LIGHT_INK, _DARK_INK = "#ffffff", "#10211e"


@dataclass(frozen=True, slots=True)
class Mark:
    """fill and ink are `#rrggbb`; ink is the one of white and near-black that contrasts more with fill."""

    letters: str
    fill: str
    ink: str


def of_provider(provider: Provider) -> Mark:
    """The provider's monogram on its color; neutral where the entry's color is no `#rrggbb`."""
    fill = provider.color if _COLOR.fullmatch(provider.color) else _NEUTRAL
    return Mark(provider.monogram[:3], fill, _ink_on(fill))


def of_name(name: str) -> Mark:
    """The initials of a partner's name: of its first two words, or its first letter."""
    words = [word for word in re.split(r"[\W_]+", name) if word]
    letters = "".join(word[0] for word in words[:2]).upper() or "•"
    return Mark(letters, _NEUTRAL, _ink_on(_NEUTRAL))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two `#rrggbb` colors, 1 to 21 (WCAG 2.2, 1.4.3)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _ink_on(fill: str) -> str:
    return max((_LIGHT_INK, _DARK_INK), key=lambda ink: contrast(fill, ink))


def _luminance(color: str) -> float:
    channels = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
