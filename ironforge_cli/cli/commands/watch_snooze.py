"""`ironforge watch snooze`: silence a rule for a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from ironforge_cli.cli.commands.watch import RulesFile, keeping_of, watch_of
from ironforge_cli.cli.commands.watch_list import remembered_report
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions, duration
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report
from ironforge_cli.tell import remembered
from ironforge_cli.tell.rule_files import rules_in, watch_name

RuleName = Annotated[
    str, typer.Argument(metavar="RULE", help="The rule as the list shows it, or its number in the file of --rules.")
]
Duration = Annotated[
    timedelta,
    typer.Argument(metavar="DURATION", parser=duration, help="For how long, as 6h or 2d; 0s ends the silence."),
]


@command
def snooze_(
    invocation: Invocation,
    *,
    rule: RuleName,
    span: Duration,
    rules: RulesFile = None,
    region: Regions = None,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Silence a rule for a time; 0s ends that.

    What crosses meanwhile is told when the time is over, if it is still beyond.

    Example: ironforge watch snooze "Cheap ore" 2d --rules rules.toml
    Example: ironforge watch snooze 1 0s --rules rules.toml
    """
    now = invocation.clock.now()
    watch = None
    if rules is not None:
        watch = watch_of(invocation, watch_name(rules), rules_in(rules), region, max_age=timedelta())
    found = remembered.snooze(keeping_of(invocation), watch, rule, until=now + span if span else None)
    return remembered_report(found, format_)
