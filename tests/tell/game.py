"""The game in little: the addon in a real Lua 5.1, against a stub of what the game offers."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ironforge_cli.answers.figures import MarketFigures
from ironforge_cli.regions import Region
from ironforge_cli.tell.addon import addon_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

STUB = (Path(__file__).parent / "game.lua").read_text("utf-8")
# It comes without types.
_LUA = cast("Any", import_module("lupa.lua51"))


def figures_of(at: datetime, rows: Mapping[int, tuple[float, ...]], region: Region = Region.EU) -> MarketFigures:
    """Figures by item: market value, usual price, cheapest unit, sold a day low, estimate and high, days since seen."""
    table = np.array([rows[item] for item in sorted(rows)], np.float64).reshape(-1, 7)
    market, usual, cheapest, low, sold, high, days = table.T
    return MarketFigures(
        region=region,
        snapshot_time=at,
        item_id=np.array(sorted(rows), np.int32),
        min_price=cheapest,
        market_value=market,
        usual_price=usual,
        sold_per_day_low=low,
        sold_per_day=sold,
        sold_per_day_high=high,
        days_since_seen=days,
    )


class PlayedGame:
    """A game that has loaded an addon's files."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        now: datetime,
        before: str = "",
        is_old: bool = False,
    ) -> None:
        self.lua = _LUA.LuaRuntime(encoding="utf-8", register_eval=False)
        self.lua.execute(STUB)
        self.stub = self.lua.globals().Game
        self.at(now)
        if is_old:
            self.stub.makeOld()
        self.lua.execute(before)
        shared = self.lua.table()
        toc = files["Ironforge.toc"].decode("ascii").splitlines()
        for name in (line for line in toc if line and not line.startswith("##")):
            if name in files:
                self.stub.load("Ironforge", files[name].decode("ascii"), name, shared)

    @classmethod
    def of(cls, figures: MarketFigures, *, now: datetime, **more: Any) -> PlayedGame:
        """One that has loaded figures."""
        return cls(addon_files(figures), now=now, **more)

    @property
    def errors(self) -> list[str]:
        """What the game complained of while it loaded the files."""
        return list(self.stub.errors.values())

    def at(self, now: datetime) -> None:
        """Let it be another time."""
        self.stub.now = int(now.timestamp())

    def point_at(self, link: str, item: int | None = None) -> list[str]:
        """The lines that a tooltip gets, those in red with a mark."""
        return [
            f"{line.left} | {line.right}".removesuffix(" | ") + (" (red)" if line.isRed else "")
            for line in self.stub.pointAt(link, item).values()
        ]

    def type(self, text: str) -> str:
        """What the chat says to a command."""
        return self.stub.type(text)

    def log_in(self) -> str:
        """What the chat says to who logs in."""
        return self.stub.logIn()

    def asks(self, item: object, name: str = "IronforgeMarketInfo") -> dict[str, Any] | None:
        """What another addon is told of an item."""
        call: Callable[..., Any] = self.lua.globals()[name]
        told = call(item)
        return None if told is None else dict(told.items())
