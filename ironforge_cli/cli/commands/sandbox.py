"""`ironforge sandbox`: the stand-in for Blizzard's API, to try the tool with."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import MOST_SEEDS, Format, FormatOption, Regions, duration, named_regions
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.output import say
from ironforge_cli.cli.show.render import Report
from ironforge_cli.cli.show.render import count as with_thousands
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.errors import ExitStatus, InterruptedRunError, UsageError
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.faults import FAULTS
from ironforge_cli.sandbox.market_kinds import MARKETS, ORDINARY
from ironforge_cli.sandbox.remote import RemoteSandbox
from ironforge_cli.sandbox.stand_in import Address, Sandbox
from ironforge_cli.sandbox.stand_in import serve as serve_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console


_LONGEST_AGO = timedelta(days=3_650)
_KEYS = ("name", "region", "endpoint", "count", "retry_after", "strikes", "description")
_PORT = 8642
_HERE = f"http://127.0.0.1:{_PORT}"

Port = Annotated[
    int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes any free one.")
]
Host = Annotated[
    str, typer.Option("--host", metavar="HOST", help="Address to listen on; the default is this machine alone.")
]
Auctions = Annotated[
    int, typer.Option("--auctions", metavar="N", min=100, max=1_000_000, help="Auctions of each region.")
]
Items = Annotated[int, typer.Option("--items", metavar="N", min=50, max=40_000, help="Items of the catalogue.")]
Recipes = Annotated[int, typer.Option("--recipes", metavar="N", min=0, max=9_700, help="Recipes of the catalogue.")]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, max=MOST_SEEDS, help="The same seed makes the same market.")
]
Speed = Annotated[
    float,
    typer.Option(
        "--speed",
        metavar="FACTOR",
        min=0,
        max=100_000,
        help="How fast its time runs: 1 is real time, 60 an hour a minute, 0 on command.",
    ),
]
Latency = Annotated[
    float, typer.Option("--latency", metavar="SECONDS", min=0, max=3_600, help="Seconds before each answer.")
]
Market = Annotated[
    str,
    typer.Option("--market", metavar="NAME", help="Habits of its buyers and sellers; docs/sandbox lists them."),
]
Faults = Annotated[
    list[str] | None,
    typer.Option(
        "--fault", metavar="NAME", help="Answer with this fault, such as truncated or eu:truncated; repeat for more."
    ),
]

Url = Annotated[str, typer.Option("--url", metavar="URL", help="Where the sandbox listens.")]
Hours = Annotated[int, typer.Option("--hours", metavar="N", min=1, max=10_000, help="Hours to publish.")]
Concerned = Annotated[
    list[Region] | None,
    typer.Option(
        "--region", parser=named_regions, metavar="REGION", help="This region alone; repeat for more. Else every one."
    ),
]
FaultName = Annotated[str | None, typer.Argument(metavar="NAME", help="A fault of `ironforge sandbox faults`.")]
Count = Annotated[
    int | None,
    typer.Option("--count", metavar="N", min=1, max=1_000_000, help="Strike so many answers; else until --clear."),
]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", metavar="NAME", help="Strike answers of this endpoint, such as token.")
]
RetryAfter = Annotated[
    int | None,
    typer.Option("--retry-after", metavar="SECONDS", min=0, max=86_400, help="For rate_limited: seconds to wait."),
]
Clear = Annotated[bool, typer.Option("--clear", help="Switch it off; without a name all faults.")]


Ago = Annotated[
    timedelta,
    typer.Option(
        "--ago",
        parser=duration,
        metavar="SPAN",
        help="How long ago its market begins: so many hours it can be moved on without snapshots in the future.",
    ),
]


@command
def serve(
    run: Invocation,
    *,
    port: Port = _PORT,
    host: Host = "127.0.0.1",
    auctions: Auctions = 30_000,
    items: Items = 1_500,
    recipes: Recipes = 300,
    seed: Seed = 1,
    speed: Speed = 1.0,
    latency: Latency = 0.0,
    market: Market = ORDINARY,
    fault: Faults = None,
    ago: Ago = "12h",  # pyright: ignore[reportArgumentType] - Typer parses defaults as it parses options
    region: Regions = None,
) -> None:
    """Answer as Blizzard's API does, over a simulated market, until Ctrl-C.

    Prints the variables that lead the other commands there. Hours come by the clock (--speed) or by
    `ironforge sandbox advance`, faults by `ironforge sandbox fault`.

    Example: ironforge sandbox serve
    Example: ironforge sandbox serve --speed 60 --auctions 350000
    """

    def ready(address: Address) -> None:
        say("# The sandbox listens. In another terminal:")
        for name, value in address.environment.items():
            say(f"export {name}='{value}'")
        if regions != DEFAULT_REGIONS:
            say(f"export IRONFORGE_REGIONS='{','.join(regions)}'")
        say("ironforge collect")

    # Before anything listens: what is wrong with the command must not leave an open socket.
    if ago > _LONGEST_AGO:
        raise UsageError("--ago is ten years at most.")
    regions = run.regions(region)
    faults_on = [_fault(given, regions) for given in fault or ()]
    if market not in MARKETS:
        raise UsageError(f"--market {market}: there is no such market, only {', '.join(MARKETS)}.")
    try:
        sandbox = Sandbox(
            seed=seed,
            auctions=auctions,
            items=items,
            recipes=recipes,
            speed=speed,
            host=host,
            port=port,
            latency=latency,
            starts_at=run.clock.now() - ago,
            regions=regions,
            behaviour=MARKETS[market].behaviour,
        )
    except ValueError as error:
        raise UsageError(f"No market can be made of these sizes: {error}") from error
    for name, struck in faults_on:
        sandbox.set_fault(name, region=struck)
    serve_until(sandbox, when_ready=ready, ending=run.stop.event)
    try:
        run.stop.check()
    except InterruptedRunError as ended:
        # Ctrl-C is what it waits for, and no failure.
        if ended.status is not ExitStatus.INTERRUPTED:
            raise


def _fault(given: str, regions: Sequence[Region]) -> tuple[str, Region | None]:
    """The name and the region of a fault such as eu:truncated."""
    region, _, name = given.rpartition(":")
    if name not in FAULTS:
        raise UsageError(f"--fault {given}: `ironforge sandbox faults` lists what there is, and {name!r} isn't there.")
    if region and region not in regions:
        raise UsageError(f"--fault {given}: there is no region {region!r}, only {' and '.join(regions)}.")
    return name, Region(region) if region else None


@command
def advance(
    run: Invocation,
    *,
    hours: Hours = 1,
    region: Concerned = None,
    url: Url = _HERE,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Let a running sandbox publish the next hours of its market.

    Example: ironforge sandbox advance
    Example: ironforge sandbox advance --hours 3 --region eu
    """
    del run
    sandbox = RemoteSandbox(url)
    state: dict[str, Any] = {}
    for concerned in dict.fromkeys(region or (None,)):
        state = sandbox.advance(concerned, hours=hours)
    records: list[dict[str, Any]] = [
        {"region": name, "published_at": _utc(found["published_at"]), "auctions": found["auctions"]}
        for name, found in state["regions"].items()
    ]

    def table(console: Console) -> None:
        columns = (Column("region"), Column("published"), Column("auctions", right=True))
        rows = (
            (str(record["region"]).upper(), str(record["published_at"]), with_thousands(record["auctions"]))
            for record in records
        )
        listed(console, columns, rows, empty="There are none.")

    return Report(records=records, show=table, format=format_)


@command
def fault(
    run: Invocation,
    *,
    name: FaultName = None,
    region: Concerned = None,
    count: Count = None,
    endpoint: Endpoint = None,
    retry_after: RetryAfter = None,
    clear: Clear = False,
    url: Url = _HERE,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Switch a fault of a running sandbox on, or off with --clear; shows the faults that are on then.

    Example: ironforge sandbox fault truncated --region eu --count 1
    Example: ironforge sandbox fault --clear
    """
    del run
    aimed = {"count": count, "endpoint": endpoint, "retry_after": retry_after}
    if name is None and not clear:
        raise UsageError("Name a fault of `ironforge sandbox faults`, or switch all of them off with --clear.")
    if clear and any(value is not None for value in aimed.values()):
        raise UsageError("--clear switches faults off by name and --region alone.")
    sandbox = RemoteSandbox(url)
    active: list[dict[str, Any]] = []
    for concerned in dict.fromkeys(region or (None,)):
        if clear:
            active = sandbox.clear_faults(name, region=concerned)
        else:
            active = sandbox.set_fault({"name": name, "region": concerned, **aimed})
    records = [{key: aim.get(key) for key in ("name", "region", "endpoint", "count", "retry_after")} for aim in active]
    return _table(records, nothing="No fault is on.", format_=format_)


@command
def faults(run: Invocation, *, format_: FormatOption = Format.TABLE) -> Report:
    """List every fault that a sandbox can have, and what it does.

    Example: ironforge sandbox faults
    Example: ironforge sandbox faults --format jsonl
    """
    del run
    records = [
        {
            "name": known.name,
            "strikes": "everything but oauth" if known.strikes("token") else "commodities",
            "description": known.description,
        }
        for known in FAULTS.values()
    ]
    return _table(records, nothing="There are none.", format_=format_)


def _table(records: Sequence[Mapping[str, Any]], *, nothing: str, format_: Format) -> Report:
    def table(console: Console) -> None:
        keys = [key for key in _KEYS if any(record.get(key) is not None for record in records)]
        columns = [Column(key, is_text=key == "description") for key in keys]
        rows = (["" if record[key] is None else str(record[key]) for key in keys] for record in records)
        listed(console, columns, rows, empty=nothing)

    return Report(records=records, show=table, format=format_)


def _utc(moment: str) -> str:
    return moment.replace("+00:00", "Z")
