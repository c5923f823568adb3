"""Progress can't hinder the work: where it can't be shown, that is said once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import InterruptedRunError
from ironforge_cli.jobs.evidence.runs import Shown
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Sequence


class Screen:
    """Shows what it is told, and raises whatever it is given instead."""

    def __init__(self, errors: Sequence[Exception | None]) -> None:
        self._errors = list(errors)
        self.shown: list[str] = []

    def step(self, region: Region | None, name: str) -> None:
        del region
        self.shown.append(name)
        error = self._errors.pop(0)
        if error is not None:
            raise error


def test_where_nobody_watches_nothing_is_shown_and_nothing_said(caplog: pytest.LogCaptureFixture) -> None:
    Shown(None).step(Region.EU, "download")
    assert caplog.records == []


def test_a_screen_that_breaks_is_told_once_and_shown_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    screen = Screen([None, OSError("it is gone")])
    shown = Shown(screen)
    for name in ("download", "decode", "store"):
        shown.step(Region.EU, name)
    assert screen.shown == ["download", "decode"]
    assert [record.message for record in caplog.records] == ["Progress can't be shown any more"]


def test_whoever_asks_the_program_to_end_is_heard() -> None:
    with pytest.raises(InterruptedRunError):
        Shown(Screen([InterruptedRunError("SIGTERM")])).step(Region.EU, "download")
