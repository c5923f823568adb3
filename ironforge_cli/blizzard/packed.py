"""Bodies as a person keeps them: as Blizzard sent them, or packed by gzip or Zstandard, known by how they begin."""

from __future__ import annotations

import io
import zlib
from gzip import GzipFile
from typing import Final

import zstandard

from ironforge_cli.errors import RefusedAnswerError

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
LARGEST_BODY: Final = 1 << 30
"""Bytes: many times what Blizzard sends. A file that unpacks to more is none of its bodies, and would fill memory."""


def unpacked(content: bytes, *, name: str, at_most: int = LARGEST_BODY) -> bytes:
    """A body without what it was packed by, whatever its file is called.

    Raises `RefusedAnswerError`, which names the file, for one that is damaged, cut off, or unpacks to too much.

    >>> import gzip
    >>> unpacked(gzip.compress(b"{}"), name="a.json"), unpacked(b"{}", name="b.gz")
    (b'{}', b'{}')
    """
    if not content.startswith((_GZIP, _ZSTD)):
        return content
    kind = "gzip" if content.startswith(_GZIP) else "Zstandard"
    try:
        source = io.BytesIO(content)
        # Both go on over files that were joined.
        opened = (
            GzipFile(fileobj=source)
            if kind == "gzip"
            else zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        )
        with opened as stream:
            body = stream.read(at_most + 1)
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise RefusedAnswerError(
            f"{name} is packed by {kind} and can't be unpacked: it is cut off or damaged ({reason})."
        ) from error
    if len(body) > at_most:
        raise RefusedAnswerError(f"{name} unpacks to more than {at_most:,} bytes: it is none of Blizzard's bodies.")
    if kind == "Zstandard" and not _is_whole(content):
        raise RefusedAnswerError(f"{name} is packed by {kind} and can't be unpacked: it is cut off.")
    return body


def _is_whole(content: bytes) -> bool:
    """Whether the last frame ends: reading a stream that is cut off looks like its end."""
    while content:
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        decompressor.decompress(content)
        if not decompressor.eof:
            return False
        content = decompressor.unused_data
    return True
