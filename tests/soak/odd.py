"""Bodies with one auction that makes no sense: what was answered, found again by its digest."""

from __future__ import annotations

from hashlib import sha256
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from ironforge_cli.sandbox.faults import FAULTS, Aim
from tests.soak.weather import ODD

if TYPE_CHECKING:
    from ironforge_cli.sandbox.faults import Scene


def answered_as(body: bytes, digest: str) -> bytes:
    """The body as it was answered with that digest: with an auction that makes no sense, or as it is."""
    for name in ODD:
        rewrite = FAULTS[name].rewrite
        # Of the scene these look at their aim alone.
        scene = cast("Scene", SimpleNamespace(aim=Aim(name), struck=0))
        if rewrite is not None and sha256(changed := rewrite(body, scene)).hexdigest() == digest:
            return changed
    return body
