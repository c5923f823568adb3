"""`ironforge export addon`: the newest figures, for the game itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.figures import market_figures
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Regions
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.output import say
from ironforge_cli.errors import UsageError
from ironforge_cli.tell.addon import write_addon
from ironforge_cli.wording import counted

Addons = Annotated[
    Path,
    typer.Option(
        "--output", metavar="FOLDER", help="The game's folder of addons, Interface/AddOns; Ironforge is made in it."
    ),
]


@command
def addon(run: Invocation, *, output: Addons, region: Regions = None) -> None:
    """Write an addon for World of Warcraft with the newest figures of one region, where something changed.

    Items' tooltips show price, usual price and units sold a day, and how old that is.

    Example: ironforge export addon --region eu --output /srv/addons
    """
    # Without the option it is the first of the settings' regions.
    first, *others = run.regions(region)
    if region is not None and others:
        raise UsageError("An addon is of one region: give --region once.")
    asking = Asking(database=run.database_to_read, regions=(first,), now=run.clock.now(), max_age=timedelta.max)
    figures = market_figures(asking, first)
    if figures is None:
        raise UsageError(f"{first.label}: nothing is stored yet. `ironforge collect` fetches the first snapshot.")
    written = write_addon(figures, output)
    if not run.shared.quiet:
        what = f"written ({', '.join(written.written)})" if written.written else "unchanged"
        items = counted(len(figures.item_id), "item")
        say(f"{written.folder}: {what}; {items} of {figures.region.label}, {figures.snapshot_time:%Y-%m-%d %H:%M} UTC.")
