"""What is wrong with a body that is not the JSON it should be: where it stops making sense, and what is still whole."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Generator

# What msgspec raises for text that is no JSON: it leaves bad UTF-8 to Python, and does not count how deep it goes.
NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_BOM: Final = b"\xef\xbb\xbf"


def without_mark(body: bytes) -> bytes:
    """A body without the byte order mark that it may begin with."""
    return body.removeprefix(_BOM)


def not_json(body: bytes, text: bytes, error: Exception) -> str:
    """Say what came instead of whole JSON: `text` is `body` without its byte order mark, `error` one of `NOT_JSON`."""
    if not text.strip():
        return "Blizzard's answer is empty."
    if text.lstrip()[:1] == b"<":
        return "Blizzard's answer is a page of HTML instead of JSON."
    if isinstance(error, RecursionError):
        return "Blizzard's answer is nested deeper than any of its answers is."
    offset = _offset(body, text, error)
    kind = "not JSON" if body[offset:].strip() or "trailing" in str(error) else "cut off"
    # Its own offset counts from behind the byte order mark.
    reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).partition(" (byte ")[0]
    return f"Blizzard's answer is {kind} at byte {offset:,} of {len(body):,}: {reason}."


def _offset(body: bytes, text: bytes, error: Exception) -> int:
    """Where in the body decoding stopped: msgspec names a byte of the text, unless the text just ended."""
    before = len(body) - len(text)
    if isinstance(error, UnicodeDecodeError):
        return before + _bad_utf8(text)
    _, found, position = str(error).rpartition("(byte ")
    return before + int(position.rstrip(")")) if found else len(body)


def _bad_utf8(text: bytes) -> int:
    """The first byte that is not UTF-8: the error itself counts from the beginning of one string."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(text)


def sentence(error: Exception) -> str:
    """An error's words, ended by one full stop."""
    return f"{str(error).rstrip('.')}."


def elements(text: bytes, *, key: str) -> Generator[bytes]:
    """The elements of the list under a key, as far as they are whole; for bodies that could not be decoded.

    Slow, and indifferent to what comes after: a body can be wrong in one place and cut in another.
    """
    characters = text.decode(errors="surrogateescape")
    start = re.search(rf'"{re.escape(key)}"\s*:\s*\[', characters)
    if start is None:
        return
    read = json.JSONDecoder().raw_decode
    position = start.end()
    while True:
        try:
            _, end = read(characters, _past_space(characters, position))
        except (ValueError, RecursionError):
            return
        yield characters[_past_space(characters, position) : end].encode(errors="surrogateescape")
        position = _past_space(characters, end)
        if characters[position : position + 1] != ",":
            return
        position += 1


def _past_space(characters: str, position: int) -> int:
    while characters[position : position + 1] in {" ", "\t", "\n", "\r"}:
        position += 1
    return position
