"""`ironforge watch`: tell when a price crosses a threshold."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from ironforge_cli.answers.answer import Asking
from ironforge_cli.cli.frame.asking import MaxAge, words_of
from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption, Regions
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, iso
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.errors import UsageError
from ironforge_cli.given import open_secrets
from ironforge_cli.jobs.evidence.runs import Evidence
from ironforge_cli.tell import watching
from ironforge_cli.tell.addresses import all_addresses
from ironforge_cli.tell.amounts import said
from ironforge_cli.tell.deliveries import Sender, require_possible
from ironforge_cli.tell.keeping import keeping_for, takes_evidence
from ironforge_cli.tell.rule_files import rules_in, watch_name
from ironforge_cli.tell.rules import one_rule
from ironforge_cli.tell.watching import Watch, WatchRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from ironforge_cli.db.engine import Database
    from ironforge_cli.regions import Region
    from ironforge_cli.tell.addresses import DeliveryAddress
    from ironforge_cli.tell.keeping import Keeping
    from ironforge_cli.tell.rules import Rule
    from ironforge_cli.tell.watching import WatchRow

log = logging.getLogger(__name__)

Items = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ITEM",
        help="Numbers or names of items to watch; with --rules the rules of these alone. - reads them from stdin.",
    ),
]
RulesFile = Annotated[
    Path | None, typer.Option("--rules", metavar="FILE", help="A file of rules in TOML; docs/alerts.md shows one.")
]
Webhooks = Annotated[
    list[str] | None,
    typer.Option(
        "--webhook",
        metavar="URL",
        help="Where alerts go; repeat for more. Of Discord, ntfy, any JSON webhook, or all that apprise knows.",
    ),
]
WebhookFiles = Annotated[
    list[Path] | None,
    typer.Option("--webhook-file", metavar="FILE", help="A file of such addresses, one a line; repeat for more."),
]
What = Annotated[
    str | None,
    typer.Option(
        "--what",
        metavar="WHAT",
        help="min_price, cost_of_N, quantity, change_24h, below_usual, token, craft_profit or spread. Without it:"
        " min_price.",
    ),
]
Below = Annotated[
    str | None, typer.Option("--below", metavar="THRESHOLD", help="Tell when it is below: copper, 12g 50s, or 20%.")
]
Above = Annotated[
    str | None, typer.Option("--above", metavar="THRESHOLD", help="Tell when it is above: copper, 12g 50s, or 20%.")
]
Recipe = Annotated[
    str | None, typer.Option("--recipe", metavar="RECIPE", help="Of craft_profit, the recipe by number or name.")
]
Cooldown = Annotated[
    str | None, typer.Option("--cooldown", metavar="SPAN", help="No other alert of it for so long, as 6h.")
]
Rearm = Annotated[
    str | None,
    typer.Option("--rearm", metavar="SHARE", help="How far it has to come back, of the threshold. Without it: 3%."),
]
SnoozeUntil = Annotated[
    str | None, typer.Option("--snooze-until", metavar="TIME", help="Tell nothing of it before then.")
]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="What to say beside an alert.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what each rule sees; send and remember nothing.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="End with 5 where no rule fired.")]

_ARGUMENTS: Final = "the arguments"


@command
def watch(
    invocation: Invocation,
    *,
    item: Items = None,
    rules: RulesFile = None,
    webhook: Webhooks = None,
    webhook_file: WebhookFiles = None,
    max_age: MaxAge = "2h",  # type: ignore[assignment] - Typer parses it
    dry_run: DryRun = False,
    exit_code: ExitCode = False,
    what: What = None,
    below: Below = None,
    above: Above = None,
    recipe: Recipe = None,
    cooldown: Cooldown = None,
    rearm: Rearm = None,
    snooze_until: SnoozeUntil = None,
    note: Note = None,
    region: Regions = None,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Tell when a price crosses a threshold, once: on stdout, or to webhooks, Discord, ntfy and others.

    Cron runs it after each poll. A rule fires when its value is beyond the threshold, and again only after it came
    back. What could not be delivered is sent by the next run. Stale data give one notice, and no alert.

    Example: ironforge watch 210930 --below 12g50s --webhook https://ntfy.sh/my-secret-topic
    Example: ironforge watch --rules rules.toml --webhook-file webhooks.txt
    Example: ironforge watch --rules rules.toml --dry-run
    """
    own = {
        "what": what,
        "below": below,
        "above": above,
        "recipe": recipe,
        "cooldown": cooldown,
        "rearm": rearm,
        "snooze_until": snooze_until,
        "note": note,
    }
    words = words_of(item or ())
    name, chosen = _rules(rules, words, {key: value for key, value in own.items() if value is not None})
    addresses = given_addresses(webhook, webhook_file)
    watched = watch_of(invocation, name, chosen, region, max_age=max_age, only=words if rules is not None else ())
    database = database_of_states(invocation)
    keeping = keeping_of(invocation)
    if dry_run:
        return _report(watching.dry_run(watched, keeping), invocation, format_, exit_code=exit_code, would_go=addresses)
    evidence = None
    if takes_evidence(database):
        evidence = Evidence(database, pending=None, command=invocation.command, clock=invocation.clock)
    ended = watching.run(watched, keeping, addresses, Sender(invocation.clock), evidence=evidence)
    return _report(ended, invocation, format_, exit_code=exit_code)


def _rules(file: Path | None, words: Sequence[str], own: Mapping[str, str]) -> tuple[str, tuple[Rule, ...]]:
    """What the watch is remembered by, and its rules. Raises `UsageError`."""
    if file is not None:
        if own:
            named = ", ".join(f"--{key.replace('_', '-')}" for key in own)
            raise UsageError(f"A rule comes from --rules or from the arguments: leave out --rules, or {named}.")
        return watch_name(file), rules_in(file)
    given: dict[str, Any] = {"what": "min_price", **own}
    if "below" not in given and "above" not in given:
        raise UsageError(
            "There is no rule: give --rules FILE, or an item and --below or --above, as in "
            '`ironforge watch 210930 --below "12g 50s"`.'
        )
    subjects: list[dict[str, Any]] = [{**given, "item": word} for word in words] or [given]
    rules = tuple(one_rule(subject, place=lambda _: _ARGUMENTS) for subject in subjects)
    named = (rule.identity(" ".join(part for part in (rule.item, rule.recipe) if part)) for rule in rules)
    return f"{_ARGUMENTS}: {', '.join(named)}", rules


def given_addresses(webhook: list[str] | None, files: list[Path] | None) -> tuple[DeliveryAddress, ...]:
    """The addresses of options, which can be sent to. Raises `UsageError` or `ConfigurationError`."""
    addresses = all_addresses(webhook or (), files or ())
    for warning in [text for file in files or () for text in open_secrets({"addresses": file})]:
        log.warning("%s", warning)
    require_possible(addresses)
    return addresses


def watch_of(
    invocation: Invocation,
    name: str,
    rules: tuple[Rule, ...],
    region: list[Region] | None,
    *,
    max_age: timedelta,
    only: Sequence[str] = (),
) -> Watch:
    """What is watched, by the settings and the options."""
    asking_for = Asking(
        database=invocation.database_to_read,
        regions=invocation.regions(region),
        now=invocation.clock.now(),
        max_age=max_age,
    )
    all_regions = tuple(dict.fromkeys([*asking_for.regions, *invocation.settings.regions]))
    return Watch(name, rules, asking_for, all_regions, is_chosen=bool(region), only=tuple(only))


def database_of_states(invocation: Invocation) -> Database:
    """Where watches remember: the database that is written or, where only one to read is named, that one."""
    settings = invocation.settings
    is_read_alone = settings.database_url is None and settings.read_url is not None
    return invocation.database_to_read if is_read_alone else invocation.database


def keeping_of(invocation: Invocation) -> Keeping:
    """What watches remember."""
    return keeping_for(database_of_states(invocation), invocation.settings.home / "watch")


def _report(
    ended: WatchRun,
    invocation: Invocation,
    format_: Format,
    *,
    exit_code: bool,
    would_go: Sequence[DeliveryAddress] | None = None,
) -> Report:
    late = [
        {
            "rule": alert.rule,
            "region": alert.region,
            "item_id": alert.item_id,
            "value": alert.value,
            "threshold": alert.threshold,
            "fired": True,
            "reason": f"{alert.reason}; of {iso(alert.at)}, not shown then",
        }
        for alert in ended.late
    ]
    return Report(
        records=[*late, *(row.record() for row in ended.rows)],
        show=lambda console: _show(console, ended, would_go, fired_alone=invocation.shared.quiet),
        format=format_,
        status=ended.status(tells_nothing=exit_code),
        failures=ended.failures,
        is_news=ended.is_printed and (ended.has_fired or bool(ended.notices)),
        on_written=ended.confirm,
    )


def _show(console: Console, ended: WatchRun, would_go: Sequence[DeliveryAddress] | None, *, fired_alone: bool) -> None:
    columns = [
        Column("rule", is_cut=True),
        Column("region"),
        Column("name", is_cut=True),
        Column("value", right=True),
        Column("threshold", right=True),
        Column("", is_text=True),
    ]
    rows = [row for row in ended.rows if row.fired or not fired_alone]
    if rows:
        listed(console, columns, map(_cells, rows), empty="")
    for alert in ended.late:
        console.print(f"{alert.text} ({iso(alert.at)}, not shown then)", markup=False, highlight=False, soft_wrap=True)
    for line in _lines(ended, would_go):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _cells(row: WatchRow) -> tuple[str | Text, ...]:
    seen = row.sighting
    where = "/".join(region.label for region in (seen.region, seen.other) if region is not None)
    name = seen.name or ("" if seen.item_id is None else str(seen.item_id))
    value = "\N{EN DASH}" if seen.value is None else said(seen.value, seen.rule.measure)
    noted = f". {seen.rule.note}" if row.fired and seen.rule.note else ""
    reason = Text(f"{row.reason}{noted}", style="bold green" if row.fired else "")
    # What it is remembered by would say item and threshold once more.
    return seen.rule.name or seen.rule.what, where, name, value, seen.rule.sentence(), reason


def _lines(ended: WatchRun, would_go: Sequence[DeliveryAddress] | None) -> list[str]:
    lines = list(ended.notices)
    lines += [f"Sent to {line}." for line in ended.delivered]
    if would_go is not None:
        where = ", ".join(address.masked for address in would_go) or "stdout"
        lines.append(f"Nothing was sent and nothing remembered; alerts would go to {where}.")
    return lines
