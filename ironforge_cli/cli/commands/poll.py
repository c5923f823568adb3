"""`ironforge poll`: a window of collection cycles, as cron starts it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ironforge_cli.cli.commands import collect
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions, duration
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, iso
from ironforge_cli.errors import UsageError
from ironforge_cli.jobs.collecting import poll as job
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from ironforge_cli.jobs.collecting.poll import Polled

_SHORTEST_INTERVAL = timedelta(seconds=1)
_USUAL_INTERVAL = timedelta(seconds=30)
_LONGEST_WINDOW = timedelta(days=1)

WindowOption = Annotated[
    timedelta, typer.Option("--window", parser=duration, metavar="SPAN", help="How long to go on asking.")
]
IntervalOption = Annotated[
    timedelta | None,
    typer.Option(
        "--interval",
        parser=duration,
        metavar="SPAN",
        help="From one attempt to the next, on the clock's grid. Without it: 30s.",
    ),
]
Adaptive = Annotated[
    bool,
    typer.Option(
        "--adaptive",
        help="Ask three times as often when a region is due, by what it published before, and every 5 min until then.",
    ),
]


@command
def poll(
    run: Invocation,
    *,
    region: Regions = None,
    window: WindowOption = "30m",  # pyright: ignore[reportArgumentType] - Typer parses defaults as it parses options
    interval: IntervalOption = None,
    adaptive: Adaptive = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Collect until every region has a snapshot newer than at the start, or the window ends: what cron starts at :30.

    When nothing is new an attempt costs next to nothing. A region that fails hinders no other, and is asked again.
    What one window misses, the next one finds. A window in which Blizzard published nothing is told even with -q.

    Example: ironforge poll
    Example: ironforge poll --window 30m --interval 30s
    """
    if interval is None:
        interval = max(min(_USUAL_INTERVAL, window), _SHORTEST_INTERVAL)
    elif interval > window:
        raise UsageError("--interval is longer than --window: there would be one attempt. Use `ironforge collect`.")
    if interval < _SHORTEST_INTERVAL:
        raise UsageError("--interval is at least 1s: Blizzard publishes once an hour.")
    if window <= timedelta():
        raise UsageError("--window 0 leaves no time to ask: give a span such as 30m, or use `ironforge collect`.")
    if window > _LONGEST_WINDOW:
        raise UsageError("--window is a day at most: let cron start one after the other.")
    run.tell_once(is_table=format_ is Format.TABLE)
    regions = run.regions(region)
    # Settings that are missing are told before a server is started.
    run.settings.credentials()
    polled = job.poll(
        regions,
        window=job.Window(length=window, interval=interval, adaptive=adaptive),
        market=run.client,
        storage=run.lasting_storage(),
        clock=run.clock,
        progress=run.progress(),
        upkeep=run.upkeep(),
    )
    return _report(polled, format_)


def _report(polled: Polled, format_: Format) -> Report:
    times = f"{iso(polled.started_at.replace(microsecond=0))} to {iso(polled.ended_at.replace(microsecond=0))}"
    without_news = ", ".join(region.label for region in polled.without_news)
    return replace(
        collect.report(polled.collected, format_, polled={one.collected.region: one for one in polled.regions}),
        warnings=(f"{without_news}: Blizzard published nothing new from {times}. The next window goes on.",)
        if without_news
        else (),
    )
