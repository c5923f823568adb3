"""`ironforge config show`: the settings in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from ironforge_cli import config
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report
from ironforge_cli.cli.show.tables import Column, Table

if TYPE_CHECKING:
    from rich.console import Console


@command
def show(run: Invocation, *, format_: FormatOption = Format.TABLE) -> Report:
    """Show every setting in force, where its value comes from, and the variable that sets it. Secrets are masked.

    Example: ironforge config show
    Example: ironforge config show --format json
    """
    loaded = run.loaded
    records: list[dict[str, Any]] = [
        {
            "setting": name,
            "value": config.shown(loaded.settings, name),
            "source": loaded.sources[name],
            "variable": config.variable_names(name)[0],
            "meaning": described.meaning,
        }
        for name, described in config.SETTINGS.items()
    ]

    def table(console: Console) -> None:
        # Where a value comes from is short as a rule, and the variable that stands beside it needn't be said again.
        grid = Table([Column("variable"), Column("value", is_text=True), Column("source", is_text=True)])
        for record in records:
            value = Text("not set", style="dim") if record["value"] is None else str(record["value"])
            source = "variable" if record["source"] == record["variable"] else record["source"]
            grid.add(record["variable"], value, source)
        grid.show(console)
        console.print(f"Config file: {loaded.file or 'none'}", soft_wrap=True, markup=False)

    return Report(records=records, show=table, format=format_)
