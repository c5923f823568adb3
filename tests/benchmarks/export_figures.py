"""What a year of statistics takes to leave, beside plain COPY; and what the game takes to start with the addon.

Run it with `uv run python -m tests.benchmarks.export_figures`. The year is made in SQL, its closed months are laid by
item by the tool itself. `--items 11000` is a real market (a hundred million rows, some 30 GB and hours); fewer items
make all of it smaller, and rates stay. Plain COPY is psql's `\\copy` of the same table into a file, as CSV and binary.
Exports are processes of their own, their start included, which write into files on the same disk; they run in turn,
`--rounds` times, and each figure is the median. Memory is the most that a process held.

The addon is written of 12,000 items of which everything is known; loading is what Lua 5.1 takes to run its two files.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from contextlib import closing
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any, Final, cast

from ironforge_cli.db.engine import Database
from ironforge_cli.tell.addon import addon_files, write_addon
from ironforge_cli.tell.exporting import ExportFormat
from tests.benchmarks.stage import environment_of, home_folder, line, options, run, running_server
from tests.benchmarks.years_built import build, close_months
from tests.tell.test_addon import market

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.stage import RunningServer

_ADDON_ITEMS: Final = 12_000
_LOADS: Final = 20


def main() -> int:
    """Build, measure and print."""
    asked = options(__doc__, auctions=0, items=600, days=365, rounds=3)
    say = sys.stdout.write
    with home_folder() as home, running_server(asked.server, home=home) as running:
        with closing(Database(running.url)) as database:
            rows = build(database, days=asked.days, items=asked.items)
            close_months(database, lambda _: None)
        say(f"{asked.days} days of {asked.items:,} items, {rows:,} rows\n\n")
        _tell_exports(running, home=home, rows=rows, rounds=asked.rounds)
    _tell_addon()
    return 0


def _tell_exports(running: RunningServer, *, home: Path, rows: int, rounds: int) -> None:
    folder = home.parent / "exported"
    folder.mkdir(mode=0o777)
    environment = environment_of(IRONFORGE_DATABASE_URL=running.url, IRONFORGE_HOME=str(home.parent / "asking"))
    seconds: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for _ in range(rounds):
        for form, how in (("csv", "FORMAT csv, HEADER"), ("binary", "FORMAT binary")):
            file = folder / f"copied.{form}"
            copy = f"\\copy (SELECT * FROM eu_commodity_price_stats) TO '{file}' ({how})"
            seconds.setdefault(f"plain COPY, {form}", []).append(running.statement(copy))
            sizes[f"plain COPY, {form}"] = file.stat().st_size
            file.unlink()
        for form in ExportFormat:
            file, name = folder / f"exported.{form}", f"ironforge export statistics, {form}"
            call = ["-m", "ironforge_cli", "-q", "export", "statistics", "--region", "eu", "--output", str(file)]
            ended = run(call, environment=environment)
            seconds.setdefault(name, []).append(ended.seconds)
            peaks[name] = max(peaks.get(name, 0.0), ended.peak_mb)
            sizes[name] = file.stat().st_size
            file.unlink()
    say = sys.stdout.write
    for name, took in seconds.items():
        rate = rows / median(took)
        say(line(f"{name}: rows a second", f"{rate:,.0f}"))
        say(line("  bytes a row", f"{sizes[name] / rows:.1f}"))
        if name in peaks:
            say(line("  peak memory", f"{peaks[name]:.0f} MB", budget="150 MB"))
    plain = median(seconds["plain COPY, csv"])
    for form in ExportFormat:
        say(
            line(
                f"{form}, of plain COPY as CSV",
                f"{median(seconds[f'ironforge export statistics, {form}']) / plain:.2f} x",
            )
        )


def _tell_addon() -> None:
    say = sys.stdout.write
    figures = market(_ADDON_ITEMS)
    files = addon_files(figures)
    say(f"\nthe addon, {_ADDON_ITEMS:,} items\n")
    say(line("all files", f"{sum(map(len, files.values())) / 1e3:.0f} kB", budget="1,000 kB"))
    with home_folder() as home:
        for name in ("written first", "compared, nothing changed"):
            began = time.perf_counter()
            write_addon(figures, home)
            say(line(name, f"{1000 * (time.perf_counter() - began):.0f} ms"))
        shutil.rmtree(home)
    took: list[float] = []
    lua: Any = None
    for _ in range(_LOADS):
        lua = cast("Any", import_module("lupa.lua51")).LuaRuntime()
        load = lua.eval("function(code, addon) assert(loadstring(code))('Ironforge', addon) end")
        lua.execute("GameTooltip = { HookScript = function() end }; function time() return 2000000000 end")
        addon = lua.table()
        began = time.perf_counter()
        for name in ("Ironforge.lua", "Data.lua"):
            load(files[name].decode(), addon)
        took.append(1000 * (time.perf_counter() - began))
    say(line("loaded by Lua 5.1", f"{median(took):.1f} ms", budget="100 ms"))
    told = lua.globals().IronforgeMarketInfo(int(figures.item_id[7]))
    if not math.isfinite(told.market):
        raise SystemExit("The addon tells nothing.")


if __name__ == "__main__":
    sys.exit(main())
