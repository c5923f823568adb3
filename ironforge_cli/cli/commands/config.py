"""`ironforge config show`: the settings in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from ironforge_cli import config
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, plain

if TYPE_CHECKING:
    from rich.console import Console


@command
def show(run: Invocation, *, format_: FormatOption = Format.TABLE) -> Report:
    """Show every setting in force, where its value comes from, and the variable that sets it. Secrets are masked.

    Example: ironforge config show --format json
    """
    loaded = run.loaded
    records: list[dict[str, Any]] = [
        {
            "setting": name,
            "value": config.shown(loaded.settings, name),
            "source": loaded.sources[name],
            "variable": config.variable_names(name)[0],
            "meaning": field.description,
        }
        for name, field in config.Settings.model_fields.items()
    ]

    def table(console: Console) -> None:
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for column in ("variable", "value", "source"):
            grid.add_column(column, overflow="fold")
        for record in records:
            value = "[dim]not set[/]" if record["value"] is None else plain(record["value"])
            grid.add_row(record["variable"], value, plain(record["source"]))
        console.print(grid)
        console.print(f"Config file: {loaded.file or 'none'}", soft_wrap=True, markup=False)

    return Report(records=records, show=table, format=format_)
