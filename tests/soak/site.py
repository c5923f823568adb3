"""The site of a soak's machine: its home, the way to its database, and what is wrong with either."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ironforge_cli.values import replace
from tests.soak.home import CacheLock, clear, litter, strangers
from tests.soak.proxy import DatabaseProxy, pooled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from ironforge_cli.regions import Region
    from tests.soak.window import Place


class Site:
    """Where the processes of a soak work. A context manager.

    With an `account` the home is that one's, and so are the processes, but for those of root's. `pooler` is the address
    of one before the server, where there is one.
    """

    def __init__(self, place: Place, *, home: Path, pooler: str | None) -> None:
        self.home = home
        self.account = place.account
        self.hangs = self.is_pooled = False
        self._pooler = pooler
        self._direct = place.url
        self._proxy = DatabaseProxy(place.url)
        self._place = replace(place, url=self._proxy.url)
        self._cache = CacheLock(home, account=place.account)
        self._poisonous: set[datetime] = set()

    def __enter__(self) -> Site:
        self._proxy.__enter__()
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.account is not None:
            os.chown(self.home, self.account, self.account)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cache.release()
        self._proxy.__exit__(kind, error, trace)

    def place(self, *, as_root: bool = False) -> Place:
        """Where a process that starts now works, and as whom."""
        place = replace(self._place, poisonous=frozenset(self._poisonous))
        if as_root:
            place = replace(place, account=None)
        if self.is_pooled and self._pooler is not None:
            place = replace(place, url=pooled(self._direct, self._pooler))
        return place

    def calm(self) -> None:
        """End all that is wrong."""
        self.hang(hangs=False)
        self.pool(is_pooled=False)
        self._cache.release()
        self._poisonous.clear()
        clear(self.home)

    def hang(self, *, hangs: bool) -> bool:
        """Let the database accept and never answer, or answer again."""
        if self.hangs is hangs:
            return False
        self._proxy.hang(hangs=hangs)
        self.hangs = hangs
        return True

    def pool(self, *, is_pooled: bool) -> bool:
        """Let processes that start from now on go by the pooler, or not; False where there is none."""
        self.is_pooled = is_pooled and self._pooler is not None
        return self.is_pooled

    def lock_cache(self) -> bool:
        """Let another process hold the cache."""
        return self._cache.take()

    def release_cache(self) -> None:
        """Let go of the cache."""
        self._cache.release()

    def litter(self, regions: Sequence[Region], *, amount: float) -> bool:
        """Put what is no body into the spool."""
        found = [litter(self.home, region, amount=amount) for region in regions]
        return any(found)

    def clear_litter(self) -> None:
        """Take it away again."""
        clear(self.home)

    def poison(self, times: Sequence[datetime]) -> None:
        """Let the hours of these times bring a bug to light, in processes that start from now on."""
        self._poisonous.update(times)

    def mend(self, times: Sequence[datetime]) -> None:
        """Let the bug be mended."""
        self._poisonous.difference_update(times)

    @property
    def wrong(self) -> list[str]:
        """What of the home is not the account's."""
        if self.account is None:
            return []
        return [f"{name} is not the account's" for name in strangers(self.home, account=self.account)]
