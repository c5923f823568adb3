"""What a stream that knows few characters gets in their place: bars as plain signs, names as Python escapes them."""

from __future__ import annotations

import codecs
from typing import IO, Final

PLAIN_CHARACTERS: Final = "ironforge_plain_characters"
"""The name of what stands in for a character that an encoding lacks: an `errors` of a text stream."""

# What this program itself writes; names of items come as they are.
_PLAIN: Final = {
    **dict(zip("▁▂▃▄▅▆▇█", "..:-=+*#", strict=True)),
    "…": "...",
    "━": "#",
    "╸": "#",
    "╺": ".",
}


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or _escaped(sign) for sign in lacking), error.end


def _escaped(sign: str) -> str:
    return sign.encode("ascii", errors="backslashreplace").decode("ascii")


codecs.register_error(PLAIN_CHARACTERS, _replaced)


def can_write(text: str, stream: IO[str]) -> bool:
    """Whether a stream's encoding has every character of a text; a stream without one has."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
