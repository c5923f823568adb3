"""What JSON may look like is learnt when a module is imported, before any thread can decode the first of its kind.

msgspec learns a class at its first use, and keeps what it has learnt so far where every thread finds it: a second
thread that decodes the same class meanwhile reads what is not there yet, which ends the process (a segmentation fault).
While a module is imported, no thread has its classes.
"""

from __future__ import annotations

from typing import Any

import msgspec


def learn(*kinds: Any) -> None:
    """Let msgspec learn classes that bodies, lines or files are decoded as; each module calls it for its own.

    >>> class Price(msgspec.Struct):
    ...     price: int
    >>> learn(Price)
    """
    for kind in kinds:
        msgspec.json.Decoder(kind)
