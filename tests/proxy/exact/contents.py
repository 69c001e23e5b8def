"""Contents of all kinds and lengths, and the ways to frame them."""

from __future__ import annotations

import gzip
from itertools import pairwise

from hypothesis import strategies as st

_PATTERN = bytes(range(256)) * 2_500
#: around what is buffered in one piece here or there
_LENGTHS = (0, 1, 16_384, 65_535, 65_536, 65_537, 131_072, 131_073, 262_143, 262_144, 262_145, 400_000)
_KINDS = (
    gzip.compress(_PATTERN[:5_000], mtime=0),
    b"\x8b\x02\x80hello\x03",  # brotli
    b'{"id": 9007199254740993, "x": 1.0, "e": 1e400, "u": "\\u00e9"}',
    b"\xef\xbb\xbf\xff\xfe\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
)


class Stretch(bytes):
    """A part of a known pattern; says which instead of what is in it."""

    def __repr__(self) -> str:
        return f"Stretch({self[:2]!r}… {len(self)})"


contents: st.SearchStrategy[bytes] = (
    st.binary(max_size=400)
    | st.sampled_from(_KINDS)
    | st.tuples(st.sampled_from(_LENGTHS), st.integers(0, 255)).map(
        lambda drawn: Stretch(_PATTERN[drawn[1] : drawn[1] + drawn[0]])
    )
)
cuts: st.SearchStrategy[list[int]] = st.lists(st.integers(0, 1 << 20), max_size=4)


def split(content: bytes, cuts: list[int]) -> list[bytes]:
    """The content in pieces that end at the cuts, none empty."""
    ends = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return [content[start:end] for start, end in pairwise(ends)]


def chunked(
    content: bytes, cuts: list[int], *, extension: bytes = b"", trailers: bytes = b"", zero: bytes = b"0"
) -> bytes:
    """The content in the chunked transfer coding (RFC 9112 section 7.1)."""
    parts = [b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in split(content, cuts)]
    return b"".join([*parts, zero, b"\r\n", trailers, b"\r\n"])


extensions = st.sampled_from([b"", b";a", b";a=1", b';name="quoted;value"'])
trailers = st.sampled_from([b"", b"X-Trailer: 1\r\n", b"Content-MD5: abc\r\nX-B: \r\n"])
