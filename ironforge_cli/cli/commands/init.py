"""`ironforge init`: the settings that a first run needs, asked for, written down and tried."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ironforge_cli.cli.commands import config_check
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.output import say_beside
from ironforge_cli.cli.show.render import Report
from ironforge_cli.errors import ConfigurationError, UsageError
from ironforge_cli.regions import DEFAULT_REGIONS, Region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_CLIENTS = "https://develop.battle.net/access/clients"

ClientId = Annotated[str | None, typer.Option("--client-id", metavar="ID", help="Of the API client; else it is asked.")]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--client-secret-file",
        metavar="FILE",
        allow_dash=True,
        help="Holds the client's secret; - reads it from stdin.",
    ),
]
DatabaseFile = Annotated[
    Path | None,
    typer.Option("--database-url-file", metavar="FILE", help="Holds the URL of a PostgreSQL of your own."),
]
Replace = Annotated[bool, typer.Option("--replace", help="Write over a config file that is there.")]


@command
def init(
    run: Invocation,
    *,
    client_id: ClientId = None,
    client_secret_file: SecretFile = None,
    region: Regions = None,
    database_url_file: DatabaseFile = None,
    replace: Replace = False,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Ask for the API client's keys, the regions and the database, write them down, and try whether they work.

    The config file is its owner's alone (0600). Off a terminal the options say what would be asked.

    Example: ironforge init
    """
    from ironforge_cli import config  # noqa: PLC0415 - help needs no settings

    file = config.config_file(run.environment)
    if file is None:
        raise ConfigurationError("This account has no home for a config file: set IRONFORGE_CONFIG to one.")
    asks = sys.stdin.isatty()
    if not asks and not (client_id and client_secret_file):
        raise UsageError("Nobody can be asked here: give --client-id and --client-secret-file.")
    if file.exists() and not replace and not (asks and typer.confirm(f"{file} is there. Write it anew?", err=True)):
        raise UsageError(f"{file} is there already and stays as it is. --replace writes it anew.")
    settings = {
        "client_id": client_id or _asked(f"Id of your API client ({_CLIENTS})"),
        "client_secret": _secret_in(client_secret_file) if client_secret_file else _asked("Its secret", hidden=True),
        "regions": [one.value for one in region or _asked_regions(asks=asks)],
        "database_url": _secret_in(database_url_file)
        if database_url_file
        else typer.prompt("URL of a PostgreSQL of your own (empty: one is made for you)", default="", err=True)
        if asks
        else "",
    }
    _write(file, {name: value for name, value in settings.items() if value})

    say_beside(f"Written: {file}. Trying it:")
    report = config_check.checked(run, format_)
    if not report.status:
        say_beside("It works. For an hourly collection, into `crontab -e`:")
        say_beside(f"  {_crontab_line(run.environment)}")
    return report


def _asked(question: str, *, hidden: bool = False) -> str:
    return str(typer.prompt(question, hide_input=hidden, err=True)).strip()


def _asked_regions(*, asks: bool) -> Sequence[Region]:
    usual = DEFAULT_REGIONS
    if not asks:
        return usual
    while True:
        given = typer.prompt("Regions", default=",".join(usual), err=True)
        try:
            return [Region(name.strip().lower()) for name in given.split(",") if name.strip()] or usual
        except ValueError:
            typer.echo(f"There are {', '.join(Region)}.", err=True)


def _secret_in(file: Path) -> str:
    try:
        text = sys.stdin.read() if file == Path("-") else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"{file} can't be read ({reason}).") from error
    if not text.strip():
        raise UsageError(f"{file} is empty.")
    return text.strip()


def _write(file: Path, settings: Mapping[str, str | Sequence[str]]) -> None:
    """Write the file whole or not at all, for its owner alone."""
    # What JSON calls a string or a list of strings is one of TOML's, too.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in settings.items()]
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123 - a path's own opening can't set a mode
            stream.write("# Every setting: `ironforge config show`.\n" + "".join(lines))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        raise ConfigurationError(
            f"{file} can't be written ({error.strerror}). Set IRONFORGE_CONFIG to a file that can."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _crontab_line(environment: Mapping[str, str]) -> str:
    program = shutil.which("ironforge", path=environment.get("PATH")) or f"{sys.executable} -m ironforge_cli"
    named = environment.get("IRONFORGE_CONFIG")
    setting = f"IRONFORGE_CONFIG={shlex.quote(str(Path(named).absolute()))} " if named else ""
    # Cron makes a new line of a percent sign.
    return "30 * * * * " + f"{setting}{program} -q poll".replace("%", r"\%")
