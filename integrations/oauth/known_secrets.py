"""Finding a known secret in text, in whatever encoding it came back."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from html.entities import codepoint2name

# Of a longer secret the beginning is looked for, and what hangs on to it goes as well.
LONGEST_PATTERN = 160
# Shorter ones are looked for as whole words only, or every third letter would go.
SHORTEST_FREE = 4
_BASE64_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-=%")


def hide_known(text: str, known: Iterable[str], *, mask: str) -> str:
    """The text with every occurrence of a known secret replaced; the longest are replaced first."""
    for secret in sorted(
        {value.strip() for value in known if value and value.strip()}, key=len, reverse=True
    ):
        if len(text) < min(len(secret), LONGEST_PATTERN):
            continue  # every form is at least as long; making the patterns costs milliseconds
        text = text.replace(secret, mask) if len(secret) >= SHORTEST_FREE else text
        text = _encoded_pattern(secret).sub(mask, text)
        for pattern in _base64_patterns(secret):
            text = _without_runs(text, pattern, mask)
    return text


def _encoded_pattern(secret: str) -> re.Pattern[str]:
    body = "".join(_character_pattern(character) for character in secret[:LONGEST_PATTERN])
    if len(secret) < SHORTEST_FREE:
        body = rf"(?<![A-Za-z0-9]){body}(?![A-Za-z0-9])"
    elif len(secret) > LONGEST_PATTERN:
        body += r"[^\s\"'<>&]*"
    return re.compile(body)


def _character_pattern(character: str) -> str:
    """The character itself, or percent-encoded (also twice), as JSON or HTML escape, with a backslash."""
    code = ord(character)
    octets = character.encode("utf-8", "surrogatepass")
    forms = [
        r"\\?" + re.escape(character),
        "".join(f"%(?:25){{0,3}}{_hex(f'{octet:02x}')}" for octet in octets),
        rf"&\#0{{0,6}}{code};",
        rf"&\#[xX]0{{0,6}}{_hex(f'{code:x}')};",
    ]
    units = character.encode("utf-16-be", "surrogatepass").hex()
    forms.append("".join(rf"\\{{1,9}}u{_hex(units[i : i + 4])}" for i in range(0, len(units), 4)))
    if character == " ":
        forms.append(r"\+")
    if character == "'":
        forms.append("&apos;")
    if code in codepoint2name:
        forms.append(f"&{codepoint2name[code]};")
    return f"(?:{'|'.join(forms)})"


def _hex(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _base64_patterns(secret: str) -> list[re.Pattern[str]]:
    """Runs of base64 that hold the secret at any of the three alignments, alone or inside a longer value."""
    octets = secret.encode("utf-8", "surrogatepass")[:LONGEST_PATTERN]
    patterns = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + octets).decode("ascii").rstrip("=")
        # The first and last characters also depend on the neighbours.
        start = (0, 2, 3)[offset]
        end = len(encoded) - (0 if (offset + len(octets)) % 3 == 0 else 1)
        core = encoded[start:end]
        if len(core) < SHORTEST_FREE:
            continue
        patterns.append(re.compile("".join(_BASE64_FORMS.get(character, character) for character in core)))
    return patterns


_BASE64_FORMS = {"+": "(?:[+-]|%2[bBdD])", "/": "(?:[/_]|%2[fF]|%5[fF])"}


def _without_runs(text: str, pattern: re.Pattern[str], mask: str) -> str:
    """The text with each run of base64 characters around a match replaced."""
    pieces: list[str] = []
    position = 0
    for match in pattern.finditer(text):
        if match.start() < position:
            continue
        start, end = match.span()
        while start > position and text[start - 1] in _BASE64_ALPHABET:
            start -= 1
        while end < len(text) and text[end] in _BASE64_ALPHABET:
            end += 1
        pieces += (text[position:start], mask)
        position = end
    return "".join(pieces) + text[position:] if pieces else text
