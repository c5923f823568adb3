"""What else cron and people start on a machine, under lists and clocks that are wrong: seeding and maintenance."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ironforge_cli.db.engine import Database
from tests.soak.kept import Kept
from tests.soak.lists import lacking
from tests.soak.weather import HOUR
from tests.soak.window import one_maintain, one_seed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ironforge_cli.sandbox.stand_in import Sandbox

AHEAD = 500 * 24 * HOUR


class Rounds:
    """Runs of seeding and maintenance, before and after which somebody looks whether anything was destroyed.

    `run` starts a process, whose clock is ahead by so many seconds; `database_url` gives the URL, or None where the
    database lets nobody look.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        run: Callable[[Callable[..., None], float], object],
        database_url: Callable[[], str | None],
        now: Callable[[], datetime],
    ) -> None:
        self.kept = Kept()
        self._sandbox = sandbox
        self._whole = sandbox.catalogue
        self._builds = itertools.count(1)
        self._run = run
        self._database_url = database_url
        self._now = now

    def maintain_ahead(self) -> bool:
        """Look after the days by a clock 500 days ahead."""
        if not self._look("before a clock was ahead at maintenance"):
            return False
        self._run(one_maintain, AHEAD)
        self._look("after a clock was ahead at maintenance")
        return True

    def seed_lacking(self, amount: float) -> bool:
        """Seed from whole lists, and then, of the next build, from such as lack a part."""
        if not self._look("before lists lacked parts"):
            return False
        self._seed_whole()
        self._look("after seeding from whole lists")
        self._sandbox.patch(self._build(), lacking(self._whole, amount=amount))
        self._run(one_seed, 0.0)
        self._look("after lists lacked parts")
        return True

    def finish(self) -> list[str]:
        """Seed from whole lists again, where anything was seeded, and tell what was ever destroyed."""
        if self.kept.counts["recipes"]:
            self._seed_whole()
        self._look("at the end")
        return self.kept.wrong

    def _seed_whole(self) -> None:
        self._sandbox.patch(self._build(), self._whole)
        self._run(one_seed, 0.0)

    def _build(self) -> str:
        return f"12.1.0_{next(self._builds)}"

    def _look(self, when: str) -> bool:
        url = self._database_url()
        if url is None:
            return False
        database = Database(url)
        try:
            self.kept.look(database, now=self._now(), when=when)
        finally:
            database.close()
        return True
