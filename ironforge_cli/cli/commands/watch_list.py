"""`ironforge watch list`: what is remembered of each rule."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ironforge_cli.cli.commands.watch import RulesFile, keeping_of, watch_of
from ironforge_cli.cli.frame.asking import MaxAge
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, iso
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.tell import remembered
from ironforge_cli.tell.amounts import said
from ironforge_cli.tell.rule_files import rules_in, watch_name
from ironforge_cli.tell.rules import measure_of
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import Console

    from ironforge_cli.tell.keeping import Outbox
    from ironforge_cli.tell.remembered import RememberedRule


@command
def list_(
    invocation: Invocation,
    *,
    rules: RulesFile = None,
    region: Regions = None,
    max_age: MaxAge = "2h",  # type: ignore[assignment] - Typer parses it
    format_: FormatOption = Format.TABLE,
) -> Report:
    """List the rules with what is remembered of each, and what waits to be delivered.

    With --rules the rules of the file; without it all that is remembered of any.

    Example: ironforge watch list --rules rules.toml
    Example: ironforge watch list --format json
    """
    watch = None
    if rules is not None:
        chosen = rules_in(rules)
        watch = watch_of(invocation, watch_name(rules), chosen, region, max_age=max_age)
    found, waiting = remembered.listed(keeping_of(invocation), watch)
    return remembered_report(found, format_, waiting=waiting)


def remembered_report(found: Sequence[RememberedRule], format_: Format, *, waiting: Sequence[Outbox] = ()) -> Report:
    """Rules with what is remembered of them."""
    return Report(
        records=[asdict(one) for one in found],
        show=lambda console: _show(console, found, waiting),
        format=format_,
    )


def _show(console: Console, found: Sequence[RememberedRule], waiting: Sequence[Outbox]) -> None:
    columns = [
        Column("rule", is_cut=True),
        Column("region"),
        Column("armed"),
        Column("last value", right=True),
        Column("seen", goes=True),
        Column("fired"),
        Column("snoozed until"),
    ]
    dash = "\N{EN DASH}"
    cells = (
        (
            one.rule,
            one.region.upper(),
            "yes" if one.is_armed else "no",
            dash if one.value is None else said(one.value, measure_of(one.what)),
            *(dash if at is None else iso(at.replace(microsecond=0)) for at in _times(one)),
        )
        for one in found
    )
    listed(console, columns, cells, empty="Nothing is remembered yet: no rule has seen a value.")
    for outbox in waiting:
        waits = counted(len(outbox.alerts), "alert waits", "alerts wait")
        console.print(f"{waits} for {outbox.masked}.", markup=False, highlight=False, soft_wrap=True)


def _times(one: RememberedRule) -> tuple[datetime | None, ...]:
    return one.seen_at, one.fired_at, one.snoozed_until
