"""`ironforge demo`: the whole job on one machine with nothing set up."""

from __future__ import annotations

import fcntl
import logging
import os
import shlex
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len

from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.crafts import crafts
from ironforge_cli.answers.figured_crafts import Wanted
from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.cli.commands.serve import PORT, Port, require, serve_database
from ironforge_cli.cli.frame import homes, logs
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import MOST_SEEDS, Format, FormatOption, Regions
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show import output
from ironforge_cli.cli.show.output import say_beside
from ironforge_cli.cli.show.render import Report, count, gold, iso, sparkline
from ironforge_cli.cli.show.tables import Column, Table
from ironforge_cli.config import default_home
from ironforge_cli.db import schema
from ironforge_cli.errors import ExitStatus, LockedError, UsageError
from ironforge_cli.given import named_place
from ironforge_cli.jobs.demo import demonstrate, published_hours
from ironforge_cli.market.crafting import Crafter
from ironforge_cli.ownership import owners_rights
from ironforge_cli.regions import DEFAULT_REGIONS
from ironforge_cli.sandbox.stand_in import Sandbox
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

    from ironforge_cli.answers.crafted import Crafted
    from ironforge_cli.jobs.demo import BusyItem, Demonstrated, ShownRegion

_MARK = "this-is-a-demo"
_CATALOGUE = 1_500
_RECIPES = 80
_CLIENTS = "https://develop.battle.net/access/clients"
# What an earlier demo left outside of its database, and what would be taken for this one's.
_LEFT_OVER = ("http", "spool", "quarantine")
_FEWEST_HOURS, _MOST_HOURS = 8, 24
_SHORTEST_NAME, _LONGEST_NAME = 14, 28
_INDENT, _GAP = "    ", 2
_NARROW = 80
_FRESH = timedelta(days=365)
"""Its market stands still: what it shows does not grow old."""

Auctions = Annotated[
    int, typer.Option("--auctions", metavar="N", min=100, max=1_000_000, help="Auctions of each region.")
]
Hours = Annotated[int, typer.Option("--hours", metavar="N", min=2, max=168, help="Published hours to collect.")]
Days = Annotated[
    int,
    typer.Option("--days", metavar="N", min=0, max=14, help="Days before these hours, of which a few hours are there."),
]
Items = Annotated[int, typer.Option("--items", metavar="N", min=1, max=100, help="Items to show of each region.")]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, max=MOST_SEEDS, help="The same seed makes the same market.")
]
Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="FOLDER", help="Where to keep the demo's data; it never touches your own."),
]
Serve = Annotated[
    bool, typer.Option("--serve", help="Then serve it over HTTP, with pages to look at, until Ctrl-C; extra web.")
]


@command
def demo(
    run: Invocation,
    *,
    region: Regions = None,
    auctions: Auctions = 12_000,
    hours: Hours = 8,
    days: Days = 3,
    items: Items = 8,
    seed: Seed = 1,
    home: Home = None,
    serve: Serve = False,
    port: Port = PORT,
    format_: FormatOption = Format.TABLE,
) -> Report | None:
    """Show the whole job: collect several hours of the market, with nothing set up.

    Starts a PostgreSQL of its own and a stand-in for Blizzard's API, seeds the names of items, collects hour after
    hour, and shows what sells. Your own data and settings are left alone; run it again to begin anew.

    Example: ironforge demo
    Example: ironforge demo --hours 24 --items 20
    Example: ironforge demo --serve
    """
    began = run.clock.monotonic()
    if serve:
        # What is missing is better said now than after a minute.
        require("server")
    regions = run.regions(region)
    own = default_home()
    folder = _fresh(run, home or own.with_name(f"{own.name}-demo"))
    before = published_hours(hours=hours, days=days)[0] + 1
    starts_at = run.clock.now() - timedelta(hours=before)
    sandbox: Sandbox = run.close_with(
        Sandbox(seed=seed, auctions=auctions, items=_CATALOGUE, recipes=_RECIPES, starts_at=starts_at, regions=regions)
    )
    database = run.embedded_database(home=folder)
    schema.start_anew(database)

    def its_time() -> float:
        # Its hours pass in less than a minute, for which an answer counts as fresh.
        return (run.clock.now() + (sandbox.now - starts_at)).timestamp()

    transport = run.transport_to(
        home=folder,
        credentials=lambda: (sandbox.client_id, sandbox.client_secret),
        oauth_url=sandbox.oauth_url,
        now=its_time,
    )
    if not run.shared.verbose:
        run.close_with(logs.warnings_alone("ironforge_cli.jobs"))
        # The hours left out of the days before are no gaps that anybody has to hear of; what fails is in the result.
        run.close_with(logs.warnings_alone("ironforge_cli.jobs.collecting.cycle", least=logging.ERROR))
    demonstrated = demonstrate(
        regions,
        hours=hours,
        days=days,
        publish=lambda passed: sandbox.advance(hours=passed),
        api=BlizzardClient(transport, api_url=sandbox.api_url, locale=run.settings.locale),
        storage=run.storage(lambda: database, home=folder),
        clock=run.clock,
        progress=run.progress(),
        items_shown=items,
    )
    craft = None
    if demonstrated.status is ExitStatus.DONE:
        craft = _best_craft(Asking(database, tuple(regions), now=run.clock.now(), max_age=_FRESH))
    seconds = run.clock.monotonic() - began
    hindrance = _hindrance(run)
    report = Report(
        records=_records(demonstrated),
        show=lambda console: _show(
            demonstrated, craft=craft, folder=folder, seconds=seconds, hindrance=hindrance, console=console
        ),
        format=format_,
        status=demonstrated.status,
        failures=_failures(demonstrated),
    )
    if not serve or report.status is not ExitStatus.DONE:
        return report
    run.stand_still()
    output.write(report, run.shared)
    serve_database(
        run,
        lambda: lambda: database,
        regions=regions,
        max_age=_FRESH,
        port=port,
        # Where the result is for a program, the address is for a person beside it.
        tell=say_beside if format_ is not Format.TABLE else output.say,
    )
    return None


def _best_craft(asking_for: Asking) -> Crafted | None:
    """The craft that earns most a day; where of none all is known, one of which its output is."""
    found = crafts(asking_for, Wanted(Crafter()))
    return next((row for row in found.figured.rows if row.item_id is not None), None)


def _hindrance(run: Invocation) -> str | None:
    """The settings that would lead questions to another database than the demo's."""
    leading = {"database_url": run.settings.database_url, "read_url": run.settings.read_url}
    return " and ".join(run.loaded.sources[name] for name, url in leading.items() if url) or None


def _fresh(run: Invocation, folder: Path) -> Path:
    """Make the demo's folder its own until the command ends, without what an earlier demo left beside its database.

    Anybody else's folder is refused.
    """
    folder = named_place(folder).absolute()
    mark = folder / _MARK
    try:
        if folder.exists() and not mark.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} holds something that is no demo: give another --home.")
        run.server(home=folder).make_home()
        with owners_rights(folder):
            stream = run.close_with(mark.open("ab"))
        # From here on the folder is the demo's, and so is what there is to say of errors.
        run.home_in_use = folder
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        homes.mend(folder)
        with owners_rights(folder):
            for name in _LEFT_OVER:
                if (folder / name).exists():
                    shutil.rmtree(folder / name)
    except BlockingIOError as error:
        raise LockedError(f"Another demo runs in {folder}: wait for its end, or give another --home.") from error
    except OSError as error:
        raise UsageError(f"The folder {folder} can't be used ({error.strerror}): give another --home.") from error
    return folder


def _failures(demonstrated: Demonstrated) -> tuple[str, ...]:
    failed, seeded = demonstrated.failed, demonstrated.seeded
    if failed is not None:
        return tuple(piece.message for piece in (*failed.regions, *failed.tokens) if piece.message)
    if seeded is None:
        return ()
    # What a seeder that ended well has to say is no failure.
    return tuple(part.message for part in seeded.parts if part.message and part.status is not ExitStatus.DONE)


def _records(demonstrated: Demonstrated) -> list[dict[str, Any]]:
    return [
        {
            "region": shown.region,
            "place": place,
            "item_id": busy.sales.item_id,
            "item_name": busy.sales.name,
            "min_price": busy.sales.min_price,
            "market_value": busy.sales.market_value,
            "total_quantity": busy.sales.total_quantity,
            "sales_low": busy.sales.sales_low,
            "estimated_sales": busy.sales.estimated_sales,
            "sales_high": busy.sales.sales_high,
            "hourly_sales": list(busy.by_hour),
        }
        for shown in demonstrated.regions
        for place, busy in enumerate(shown.busiest, start=1)
    ]


def _show(
    demonstrated: Demonstrated,
    *,
    craft: Crafted | None,
    folder: Path,
    seconds: float,
    hindrance: str | None,
    console: Console,
) -> None:
    """Show it all to a person; `hindrance` is the setting that leads the tool to another database."""
    if demonstrated.failed is not None:
        return
    for shown in demonstrated.regions:
        _show_region(shown, console)
    snapshots = sum(shown.snapshots for shown in demonstrated.regions)
    auctions = sum(shown.auctions for shown in demonstrated.regions)
    collecting, names = (
        f"{demonstrated.seconds:.1f} s",
        counted(demonstrated.items, "name of an item", "names of items"),
    )
    place = shlex.quote(str(folder))
    lines = [
        f"{counted(snapshots, 'snapshot')} with {counted(auctions, 'auction')} collected, compared and stored",
        f"in {collecting}; with a PostgreSQL for it and {names} it took {seconds:.1f} s.",
        "",
        "All of it is kept until the next demo. What you can ask now:",
        *(
            line
            for question in _questions(demonstrated, craft)
            for line in _typed(f"IRONFORGE_HOME={place}", f"{called()} {question}")
        ),
        *([f"  (with {hindrance} unset: it names a database of your own)"] if hindrance else []),
        "",
        "This market was simulated. For the real one, with an API client of your own",
        f"from {_CLIENTS}:",
        "  export BLIZZARD_CLIENT_ID=… BLIZZARD_CLIENT_SECRET=…",
        f"  {called()} collect",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def _questions(demonstrated: Demonstrated, craft: Crafted | None) -> list[str]:
    """Questions that this market answers, as they are typed."""
    busiest = next((shown.busiest[0].sales for shown in demonstrated.regions if shown.busiest), None)
    regions = [shown.region for shown in demonstrated.regions]
    # Other regions than the usual ones are asked for by name.
    also = "" if tuple(regions) == DEFAULT_REGIONS else f" --region {','.join(regions)}"
    asked = [f"{list_}{also}" for list_ in ("top", "movers", "deals")]
    if busiest is not None:
        item, theirs = busiest.item_id, f" --region {regions[0]}" if also else ""
        asked += [_named("price", busiest.name, item, theirs), f"history {item} --by day{theirs}"]
        asked.append(f"explain {item} --figure market_value{theirs}")
    asked.append(f"crafts{also}")
    if craft is not None:
        asked.append(_named("craft", craft.name, craft.recipe_id, f" --region {craft.region}"))
    return [*asked, "db shell"]


def _named(question: str, name: str | None, number: int, rest: str) -> str:
    """A question about something by its name; by its number where it has none, or one that is too long for a line."""
    by_name = f"{question} {shlex.quote(name or str(number))}{rest}"
    return by_name if cell_len(f"    {called()} {by_name}") <= _NARROW else f"{question} {number}{rest}"


def _typed(variable: str, call: str) -> list[str]:
    """A call with a variable before it, in two lines that can be typed where one would be too long.

    >>> _typed("HOME=/tmp", "ironforge")
    ['  HOME=/tmp ironforge']
    >>> _typed("HOME=/" + 70 * "x", "ironforge db shell")[1]
    '    ironforge db shell'
    """
    line = f"  {variable} {call}"
    return [line] if cell_len(line) <= _NARROW else [f"  {variable} \\", f"    {call}"]


def called() -> str:
    """How the program is called here: by its name where the shell finds it, else as it was called just now."""
    return "ironforge" if shutil.which("ironforge", path=_path_without_environment()) else "uv run --no-dev ironforge"


def _path_without_environment() -> str:
    """The caller's PATH, as it is when `uv run` has ended."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if "UV_RUN_RECURSION_DEPTH" in os.environ:
        folders = [folder for folder in folders if Path(folder) != Path(sys.executable).parent]
    return os.pathsep.join(folders)


def _show_region(shown: ShownRegion, console: Console) -> None:
    console.print(
        f"[bold]{shown.region.label}[/]  {counted(shown.snapshots, 'snapshot')}, {iso(shown.since)} to "
        f"{iso(shown.until)}",
        soft_wrap=True,
    )
    console.print(
        f"    {counted(shown.auctions, 'auction')}; a token costs {gold(shown.token_price)}; sold for most gold:",
        soft_wrap=True,
    )
    names = [busy.sales.name or f"item {busy.sales.item_id}" for busy in shown.busiest]
    figures = [
        (
            gold(busy.sales.min_price),
            count(busy.sales.total_quantity),
            count(busy.sales.sales_low),
            count(busy.sales.estimated_sales),
            count(busy.sales.sales_high),
        )
        for busy in shown.busiest
    ]
    headings = ("price", "for sale", "low", "sold", "high")
    taken = sum(max(map(len, column)) + _GAP for column in zip(headings, *figures, strict=True))
    left = console.width - len(_INDENT) - _GAP - taken
    longest = min(max(map(cell_len, names), default=0), _LONGEST_NAME)
    name_width = max(min(longest, left - _FEWEST_HOURS), _SHORTEST_NAME)
    table = Table(
        [
            Column(f"{_INDENT}item", is_cut=True, most=len(_INDENT) + name_width),
            *(Column(heading, right=True) for heading in headings),
            Column("by hour", goes=True),
        ],
        gap=_GAP,
    )
    for name, busy, cells in zip(names, shown.busiest, figures, strict=True):
        table.add(f"{_INDENT}{name}", *cells, _bars(busy, hours=max(left - name_width, 1)))
    table.show(console)
    console.print()


def _bars(busy: BusyItem, *, hours: int) -> str:
    """The newest hours of an item, a bar each, and a gap where nothing is known."""
    shown = busy.by_hour[-min(hours, _MOST_HOURS) :]
    bars = iter(sparkline([units for units in shown if units is not None]))
    return "".join(" " if units is None else next(bars) for units in shown)
