"""`ironforge demo`: the whole job on one machine with nothing set up."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.command import command
from ironforge_cli.cli.options import Format, FormatOption
from ironforge_cli.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from ironforge_cli.cli.render import Report
    from ironforge_cli.cli.wiring import Invocation
    from ironforge_cli.jobs.demo import Demonstrated, Shown

_MARK = "this-is-a-demo"
_CATALOGUE = 1_500

Auctions = Annotated[int, typer.Option("--auctions", min=100, max=1_000_000, help="Auctions of each region.")]
Hours = Annotated[int, typer.Option("--hours", min=2, max=168, help="Published hours to collect.")]
Items = Annotated[int, typer.Option("--items", min=1, max=100, help="Items to show of each region.")]
Seed = Annotated[int, typer.Option("--seed", help="The same seed makes the same market.")]
Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="FOLDER", help="Where to keep the demo's data; it never touches your own."),
]


@command
def demo(
    run: Invocation,
    *,
    auctions: Auctions = 30_000,
    hours: Hours = 8,
    items: Items = 8,
    seed: Seed = 1,
    home: Home = None,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Show the whole job: collect several hours of EU and US, with nothing set up.

    Starts a PostgreSQL of its own and a stand-in for Blizzard's API, seeds the names of items, collects hour after
    hour, and shows what sells. Your own data and settings are left alone; run it again to begin anew.

    Example: ironforge demo --hours 24 --items 20
    """
    from ironforge_cli.blizzard.client import BlizzardClient  # noqa: PLC0415 - help must not wait for all of this
    from ironforge_cli.cli.render import Report  # noqa: PLC0415
    from ironforge_cli.config import default_home  # noqa: PLC0415
    from ironforge_cli.db import schema  # noqa: PLC0415
    from ironforge_cli.jobs.demo import demonstrate  # noqa: PLC0415
    from ironforge_cli.regions import Region  # noqa: PLC0415
    from ironforge_cli.sandbox.stand_in import Sandbox  # noqa: PLC0415

    own = default_home()
    folder = _fresh(run, home or own.with_name(f"{own.name}-demo"))
    sandbox: Sandbox = run.close_with(
        Sandbox(
            seed=seed,
            auctions=auctions,
            items=_CATALOGUE,
            starts_at=run.clock.now() - timedelta(hours=hours),
        )
    )
    database = run.embedded_database(home=folder)
    schema.start_anew(database)
    transport = run.transport_to(
        home=folder,
        credentials=lambda: (sandbox.client_id, sandbox.client_secret),
        oauth_url=sandbox.oauth_url,
    )
    demonstrated = demonstrate(
        tuple(Region),
        hours=hours,
        publish=sandbox.advance,
        api=BlizzardClient(transport, api_url=sandbox.api_url, locale=run.settings.locale),
        storage=run.storage(lambda: database, home=folder),
        clock=run.clock,
        progress=run.progress(),
        items_shown=items,
    )
    failed = demonstrated.failed
    return Report(
        records=_records(demonstrated),
        show=lambda console: _show(demonstrated, folder=folder, console=console),
        format=format_,
        status=demonstrated.status,
        failures=tuple(piece.message for piece in (*failed.regions, *failed.tokens) if piece.message) if failed else (),
    )


def _fresh(run: Invocation, folder: Path) -> Path:
    """Make the demo's folder, or empty what an earlier demo cached; anybody else's folder is refused."""
    mark = folder / _MARK
    if folder.exists() and not mark.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds something that is no demo: give another --home.")
    run.server(home=folder).make_home()
    try:
        mark.touch()
        # Answers of an earlier demo's stand-in must not stand in for this one's.
        shutil.rmtree(folder / "http", ignore_errors=True)
    except OSError as error:
        raise UsageError(f"The folder {folder} can't be used ({error.strerror}): give another --home.") from error
    return folder


def _records(demonstrated: Demonstrated) -> list[dict[str, Any]]:
    return [
        {
            "region": shown.region,
            "rank": rank,
            "item_id": item.item_id,
            "item_name": item.name,
            "min_price": item.min_price,
            "market_value": item.market_value,
            "total_quantity": item.total_quantity,
            "sales_low": item.sales_low,
            "estimated_sales": item.estimated_sales,
            "sales_high": item.sales_high,
            "hourly_sales": list(item.hourly_sales),
        }
        for shown in demonstrated.regions
        for rank, item in enumerate(shown.busiest, start=1)
    ]


def _show(demonstrated: Demonstrated, *, folder: Path, console: Console) -> None:
    if demonstrated.failed is not None:
        return
    for shown in demonstrated.regions:
        _show_region(shown, console)
    console.print(
        f"The names of {demonstrated.items:,} items were seeded. All of it stands in {folder}:", soft_wrap=True
    )
    command = f"IRONFORGE_HOME={folder} ironforge"
    for line in (f"  {command} db start", f'  psql "$({command} db url)"', f"  {command} db stop"):
        console.print(line, soft_wrap=True, markup=False)
    console.print()
    console.print("The market above is simulated. For the real one, with an API client of your own:")
    for line in ("  export BLIZZARD_CLIENT_ID=… BLIZZARD_CLIENT_SECRET=…", "  ironforge collect"):
        console.print(line, soft_wrap=True, markup=False)


def _show_region(shown: Shown, console: Console) -> None:
    from rich.table import Table  # noqa: PLC0415

    from ironforge_cli.cli.render import count, gold, iso, sparkline  # noqa: PLC0415

    console.print(
        f"[bold]{shown.region.label}[/]  {shown.snapshots} snapshots, {iso(shown.since)} to {iso(shown.until)}",
        soft_wrap=True,
    )
    console.print(
        f"    {count(shown.auctions)} auctions stored in {shown.seconds:.1f} s; "
        f"a token costs {gold(shown.token_price)}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("    item", max_width=28, no_wrap=True)
    for column in ("price", "for sale", "sold", "low", "high"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("by hour", no_wrap=True, max_width=24)
    for item in shown.busiest:
        table.add_row(
            f"    {item.name or item.item_id}",
            gold(item.min_price),
            count(item.total_quantity),
            count(item.estimated_sales),
            count(item.sales_low),
            count(item.sales_high),
            sparkline(item.hourly_sales[-24:]),
        )
    console.print(table)
    console.print()
