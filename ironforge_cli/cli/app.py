"""The program's table of contents: every command, a line each."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ironforge_cli.cli.frame.help import Heading, ReadableGroup, documentation
from ironforge_cli.cli.frame.lazy import OWN, GroupWithOwnCommand, offer
from ironforge_cli.cli.frame.options import LogFormatOption, NoColor, Quiet, Shared, Verbose
from ironforge_cli.cli.frame.program import Program

if TYPE_CHECKING:
    from typing import TextIO

app = typer.Typer(
    name="ironforge",
    cls=Program,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    epilog=f"`ironforge help COMMAND` says what a command takes.\n\n{documentation()}",
)


def _say_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - no other call needs it, and help would wait for it

        typer.echo(f"ironforge {version('ironforge-cli')}")
        raise typer.Exit


_COMMANDS: Final = "ironforge_cli.cli.commands"

Version = Annotated[
    bool, typer.Option("--version", "-V", callback=_say_version, is_eager=True, help="Show the version and exit.")
]


@app.callback()
def root(
    context: typer.Context,
    *,
    version: Version = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    no_color: NoColor = False,
    log_format: LogFormatOption = None,
) -> None:
    """Collect, keep and explain the World of Warcraft commodity market: EU and US, every hour, in PostgreSQL.

    Begin with `ironforge demo`, which needs nothing. Data goes to stdout, everything else to stderr.
    """
    del version
    context.obj = Shared(verbose=verbose, quiet=quiet, no_color=no_color, log_format=log_format)


def _command(below: Heading, name: str, place: str, says: str) -> None:
    offer(app, name, at=f"{_COMMANDS}.{place}", says=says, below=below)


def _group(below: Heading, name: str, says: str, *commands: tuple[str, str, str]) -> None:
    group = typer.Typer(no_args_is_help=True, cls=ReadableGroup)
    app.add_typer(group, name=name, help=says, rich_help_panel=below)
    for command, place, does in commands:
        offer(group, command, at=f"{_COMMANDS}.{place}", says=does)


_command(
    Heading.COLLECT,
    "collect",
    "collect:collect",
    "Store what each region has published since its last stored snapshot, and the token price.",
)
_command(
    Heading.COLLECT,
    "poll",
    "poll:poll",
    "Collect until every region has a snapshot newer than at the start, or the window ends: what cron starts at :30.",
)
_group(
    Heading.COLLECT,
    "seed",
    "Recipes, reagents, items and what recipes make: complete, and resumable.",
    ("recipes", "seed:recipes", "Store every recipe of every profession and skill tier, profession by profession."),
    ("reagents", "seed:reagents", "Store what every stored recipe takes, without asking for anything."),
    (
        "items",
        "seed:items",
        "Store the name and kind of every item that a recipe takes or makes, or that was ever in a snapshot.",
    ),
    (
        "outputs",
        "seed:outputs",
        "Store what every stored recipe makes, by Blizzard's word or by its name, without asking for anything.",
    ),
    (
        "import",
        "seed_import:import_",
        "Import what recipes make and take, ranks and vendors' prices from files: each source replaces itself.",
    ),
    ("all", "seed:all_", "Seed recipes, reagents, items and outputs, in this order: what is not complete."),
)
_command(
    Heading.ASK,
    "status",
    "status:status",
    "Show how fresh every region is, which hours are missing and why, what waits, what failed, and sizes.",
)
for _name, _says in (
    ("price", "Show what items are worth now, in each region, and what a number of units costs."),
    ("book", "Show an item's order book: what is for sale at which price, now or in a past hour."),
    ("history", "Show items over time: by hour, day, weekday or hour of the week."),
    ("top", "List what sells most, by gold or by units."),
    ("movers", "List whose prices changed most."),
    ("deals", "List what stands below its usual price, the largest gain first."),
    ("token", "Show what a token costs, over time."),
    ("spread", "Compare items of two regions, in gold and in tokens."),
    ("explain", "Show the arithmetic of each figure of an item, step by step."),
    ("find", "List which items a text can mean."),
    ("crafts", "List what is worth crafting: cost, revenue and profit of each craft, the most profit a day first."),
    (
        "craft",
        "Show one craft in full: where each copper comes from, what is made and bought, and what is unknown.",
    ),
):
    _command(Heading.ASK, _name, f"{_name}:{_name}", _says)
_watch = typer.Typer(no_args_is_help=True, cls=GroupWithOwnCommand)
app.add_typer(
    _watch,
    name="watch",
    help="Tell when a price crosses a threshold, once: on stdout, or to webhooks, Discord, ntfy and others.",
    rich_help_panel=Heading.ASK,
)
offer(
    _watch,
    OWN,
    at=f"{_COMMANDS}.watch:watch",
    says="Tell when a price crosses a threshold, once: on stdout, or to webhooks, Discord, ntfy and others.",
    is_hidden=True,
)
for _name, _place, _says in (
    ("list", "watch_list:list_", "List the rules with what is remembered of each, and what waits to be delivered."),
    ("test", "watch_try:try_", "Send a message to each address, to see whether it arrives."),
    ("snooze", "watch_snooze:snooze_", "Silence a rule for a time; 0s ends that."),
):
    offer(_watch, _name, at=f"{_COMMANDS}.{_place}", says=_says)
_group(
    Heading.ASK,
    "export",
    "What is stored, as files for other programs; and for the game itself.",
    (
        "statistics",
        "export:statistics",
        "Write the hourly statistics of every item: prices, quantities and estimated sales, as long as they are held.",
    ),
    (
        "book",
        "export:book",
        "Write the order books of a snapshot: the units that every item has for sale at each price.",
    ),
    ("tokens", "export:tokens", "Write what a token cost, from the first price that is stored on."),
    ("items", "export:items", "Write the names and kinds of items, with the units for sale in the newest snapshots."),
    ("recipes", "export:recipes", "Write what recipes make and take, a row for each item that comes out or fits in."),
    (
        "crafts",
        "export:crafts",
        "Write what every craft costs and earns now, those of which something is unknown with the reasons.",
    ),
    (
        "addon",
        "export_addon:addon",
        "Write an addon for World of Warcraft with the newest figures of one region, where something changed.",
    ),
)
_command(
    Heading.ASK, "serve", "serve:serve", "Serve the answers over HTTP, read-only, and pages to look at, until Ctrl-C."
)
_group(
    Heading.KEEP,
    "keys",
    "Who may ask the service.",
    (
        "add",
        "keys:add",
        "Make a key and print it, once: its hash alone is kept, in the file that IRONFORGE_API_KEYS_FILE names.",
    ),
    ("list", "keys:list_", "List the names of all keys, and when each was made."),
    ("revoke", "keys:revoke", "Take a key out of the file: who bears it is refused from the next request on."),
)
_group(
    Heading.KEEP,
    "partitions",
    "Days of raw snapshots: made ahead, archived, restored, dropped.",
    (
        "maintain",
        "partitions:maintain",
        "Make the partitions of the coming days, drop the days past their retention, and prune old log rows.",
    ),
    (
        "list",
        "partitions:list_",
        "List the days that are held or archived, with their rows and bytes, and what else is a part of the table.",
    ),
    (
        "restore",
        "partitions:restore",
        "Bring one day's raw snapshots back from the archive, to stay until `ironforge partitions drop` takes them.",
    ),
    ("drop", "partitions:drop", "Drop one day's raw snapshots, restored ones too; statistics stay."),
    (
        "export",
        "partitions:export",
        "Write statistics, days and token prices into the archive, as Parquet beside raw days; the database keeps all.",
    ),
)
_group(
    Heading.KEEP,
    "archive",
    "The place that raw days go to before they are dropped: made once, listed, checked.",
    ("init", "archive:init", "Make a folder or an S3 prefix an archive, once: no command uses a place that is none."),
    (
        "list",
        "archive:list_",
        "List the days that the archive holds, with their rows and bytes, as their manifests say.",
    ),
    (
        "check",
        "archive:check",
        "Read the archive back, and compare each day with its manifest and with the database where that holds it too.",
    ),
)
_group(
    Heading.KEEP,
    "snapshots",
    "What is stored, hour by hour, and taking one out again.",
    ("list", "snapshots:list_", "Show the stored snapshots of each region with their sizes, the newest last."),
    (
        "drop",
        "snapshots:drop",
        "Take snapshots out for good: raw rows, statistics and registry; those that follow are computed anew.",
    ),
)
_group(
    Heading.KEEP,
    "stats",
    "Statistics computed anew from the raw snapshots, and checked.",
    (
        "recompute",
        "stats:recompute",
        "Compute statistics, sales and expiry windows again from the raw snapshots that are held or archived.",
    ),
    (
        "check",
        "stats:check",
        "Hold the estimates of the last day against the market itself; it alarms, and changes no estimate.",
    ),
)
_group(
    Heading.KEEP,
    "spool",
    "Bodies that wait to be stored, and refused ones.",
    (
        "list",
        "spool:list_",
        "List bodies that wait to be stored or, with --quarantine, those that were refused and why.",
    ),
    (
        "replay",
        "spool_replay:replay",
        "Store bodies that wait, oldest first; `collect` does so on its own. Refused ones are stored only by name.",
    ),
    ("drop", "spool:drop", "Remove bodies for good: those that are named, or all."),
)
_group(
    Heading.KEEP,
    "db",
    "Migrations, and the embedded server.",
    ("upgrade", "db:upgrade", "Bring the schema of the database to what this version needs."),
    (
        "current",
        "db:current",
        "Show which schema the database has and which one this version needs; exit code 78 where they differ.",
    ),
    ("url", "db:url", "Print the URL of the database in use: for psql, or for any other program."),
    ("start", "db:start", "Start the embedded server and keep it running until `ironforge db stop`."),
    ("stop", "db:stop", "Stop the embedded server."),
    (
        "dump",
        "dumps:dump",
        "Write the whole database into one file, which goes into any other: of your own, or an embedded one.",
    ),
    (
        "restore",
        "dumps:restore",
        "Bring a dump into the database in use, whole or not at all, and its schema up to date.",
    ),
    ("shell", "dumps:shell", "Open psql on the database in use; an embedded server runs for as long."),
)
_group(
    Heading.KEEP,
    "config",
    "The settings in force, and whether they work.",
    (
        "show",
        "config:show",
        "Show every setting in force, where its value comes from, and the variable that sets it. Secrets are masked.",
    ),
    (
        "check",
        "config_check:check",
        "Try all that the next run needs, and say what to do about each failure.",
    ),
)
_command(
    Heading.TRY,
    "demo",
    "demo:demo",
    "Show the whole job: collect several hours of the market, with nothing set up.",
)
_command(
    Heading.TRY,
    "init",
    "init:init",
    "Ask for the API client's keys, the regions and the database, write them down, and try whether they work.",
)
_group(
    Heading.TRY,
    "sandbox",
    "The stand-in for Blizzard's API, to try the tool with.",
    ("serve", "sandbox:serve", "Answer as Blizzard's API does, over a simulated market, until Ctrl-C."),
    ("advance", "sandbox:advance", "Let a running sandbox publish the next hours of its market."),
    (
        "fault",
        "sandbox:fault",
        "Switch a fault of a running sandbox on, or off with --clear; shows the faults that are on then.",
    ),
    ("faults", "sandbox:faults", "List every fault that a sandbox can have, and what it does."),
)
_command(Heading.TRY, "help", "help:help_", "Show what a command does and takes, as its --help does.")
_command(
    Heading.TRY,
    "completion",
    "completion:completion",
    "Print what makes a shell complete commands, options and regions.",
)


def main() -> None:
    """Run the program."""
    # Among what was loaded is no garbage at the end of the process either, when Python would look through all of it.
    atexit.register(gc.freeze)
    # Plugins of other packages are none of this program's business, and looking for them takes long.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Numpy starts a thread for each core otherwise, for linear algebra that nothing here does.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app(prog_name="ironforge")
    finally:
        _flush(sys.stdout)
        _flush(sys.stderr)


def _flush(stream: TextIO) -> None:
    """Leave Python nothing to flush on its way out: of a closed terminal it would make an exit code of its own."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
