"""`ironforge keys`: who may ask the service, by keys of which hashes alone are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.web import keys

if TYPE_CHECKING:
    from rich.console import Console

Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is: letters, digits, dots and dashes.")]


@command
def add(run: Invocation, *, name: Name, format_: FormatOption = Format.TABLE) -> Report:
    """Make a key and print it, once: its hash alone is kept, in the file that IRONFORGE_API_KEYS_FILE names.

    A service that runs takes it at once.

    Example: ironforge keys add spreadsheet
    """
    key = keys.add(_file(run), name, made_on=run.clock.now().date().isoformat())

    def show(console: Console) -> None:
        console.print(key, soft_wrap=True, markup=False, highlight=False)

    note = f"This is the key of {name}. It is shown now and never again: send it as Authorization: Bearer KEY."
    return Report(records=[{"name": name, "key": key}], show=show, format=format_, warnings=(note,))


@command
def list_(run: Invocation, *, format_: FormatOption = Format.TABLE) -> Report:
    """List the names of all keys, and when each was made.

    Example: ironforge keys list
    """
    found = keys.read(_file(run))
    records = [{"name": one.name, "made_on": one.made_on} for one in found]

    def show(console: Console) -> None:
        rows = ((one.name, one.made_on) for one in found)
        listed(console, [Column("name"), Column("made on")], rows, empty="There is no key: nobody may ask.")

    return Report(records=records, show=show, format=format_)


@command
def revoke(run: Invocation, *, name: Name) -> None:
    """Take a key out of the file: who bears it is refused from the next request on.

    Example: ironforge keys revoke spreadsheet
    """
    keys.revoke(_file(run), name)


def _file(run: Invocation) -> Path:
    file = run.settings.api_keys_file
    if file is None:
        raise ConfigurationError(
            "No file of keys is named: set IRONFORGE_API_KEYS_FILE, to the same for the service and for this command."
        )
    return file
