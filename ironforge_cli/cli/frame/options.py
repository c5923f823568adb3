"""Options that several commands share, each with one name, one help and one meaning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

import typer

from ironforge_cli.quantities import SPAN, span_of_time
from ironforge_cli.regions import Region


class Format(StrEnum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class LogFormat(StrEnum):
    """How messages are written to stderr."""

    TEXT = "text"
    JSON = "json"


_GENERAL = "Shared options"

Verbose = Annotated[
    int,
    typer.Option("-v", "--verbose", count=True, rich_help_panel=_GENERAL, help="Say more; -vv also shows tracebacks."),
]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", rich_help_panel=_GENERAL, help="Say nothing but results and errors.")
]
NoColor = Annotated[
    bool, typer.Option("--no-color", rich_help_panel=_GENERAL, help="Write without colours, as NO_COLOR does.")
]
LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format",
        metavar="FORMAT",
        case_sensitive=False,
        rich_help_panel=_GENERAL,
        help="Write messages as text, or one JSON object a line.",
    ),
]

SHARED: dict[str, tuple[Any, Any]] = {
    "verbose": (Verbose, 0),
    "quiet": (Quiet, False),
    "no_color": (NoColor, False),
    "log_format": (LogFormatOption, None),
}
"""Options that every command has, and the root before it: annotation and default by name."""


def named_regions(text: str) -> tuple[Region, ...]:
    """The regions that an option's value names.

    >>> [region.label for region in named_regions("EU,us")]
    ['EU', 'US']
    """
    known = {region.value: region for region in Region}
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        wrong = unknown[0] if unknown else text
        raise typer.BadParameter(f"{wrong!r} is not one of {', '.join(known)}")
    return tuple(known[name] for name in names)


Regions = Annotated[
    list[Region] | None,
    typer.Option(
        "--region",
        parser=named_regions,
        metavar="REGION",
        help="This region alone: eu, us, kr or tw; repeat for more, or write eu,us. Without it: IRONFORGE_REGIONS.",
    ),
]
FormatOption = Annotated[
    Format, typer.Option("--format", metavar="FORMAT", case_sensitive=False, help="How to write the result.")
]


@dataclass(frozen=True, slots=True)
class Shared:
    """The values of the options that every command has."""

    verbose: int = 0
    quiet: bool = False
    no_color: bool = False
    log_format: LogFormat | None = None

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> Self:
        """Take the shared ones out of a command's options."""
        return cls(**{name: options.pop(name) for name in SHARED})

    def joined(self, other: Shared) -> Shared:
        """What was given before the command's name and what was given after it."""
        return Shared(
            verbose=self.verbose + other.verbose,
            quiet=self.quiet or other.quiet,
            no_color=self.no_color or other.no_color,
            log_format=other.log_format or self.log_format,
        )


_DAYS_AGO = {"today": 0, "yesterday": 1}


MOST_SEEDS = 2**63 - 1
"""The largest number that a market is made from."""
_YEARS = range(1970, 9_000)
"""Of what lies beyond, no day before or after could be told."""


def require_year(when: date, text: str) -> None:
    """Refuse a time or a day, given as `text`, that is beyond all that can be computed with."""
    if when.year not in _YEARS:
        raise typer.BadParameter(f"{text!r} is not within the years {_YEARS[0]} to {_YEARS[-1]}")


def utc_time(text: str) -> datetime:
    """A time of an option: ISO 8601 (UTC where it has no zone), as HTTP writes it, `yesterday`, or a span ago.

    >>> utc_time("2024-01-15T03:48:02").isoformat(), utc_time("Mon, 15 Jan 2024 03:48:02 GMT").isoformat()
    ('2024-01-15T03:48:02+00:00', '2024-01-15T03:48:02+00:00')
    """
    moment = _moment(text)
    require_year(moment, text)
    return moment


def _moment(text: str) -> datetime:
    given = text.strip()
    try:
        now = datetime.now(tz=UTC)
        if given.lower() in _DAYS_AGO:
            today = now.replace(hour=0, minute=0, second=0, microsecond=0)
            return today - timedelta(days=_DAYS_AGO[given.lower()])
        if SPAN.fullmatch(given):
            return now - duration(given)
        if "," in given:
            from email.utils import parsedate_to_datetime  # noqa: PLC0415 - a Last-Modified is rarely given by hand

            moment = parsedate_to_datetime(given)
        else:
            moment = datetime.fromisoformat(given)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time such as 2024-01-15T03:48:02Z, 2024-01-15, yesterday, or 2h for two hours ago"
        ) from None


def exact_time(text: str) -> datetime:
    """The time of a snapshot, which is never told from now."""
    if text.strip().lower() in _DAYS_AGO or SPAN.fullmatch(text.strip()):
        raise typer.BadParameter(f"{text!r} is no exact time such as 2024-01-15T03:48:02Z")
    return utc_time(text)


SnapshotTime = Annotated[
    datetime | None,
    typer.Option(
        "--snapshot-time",
        parser=exact_time,
        metavar="TIME",
        help="The body's Last-Modified, as Blizzard writes it or in ISO 8601; UTC unless it says otherwise.",
    ),
]


def duration(text: str) -> timedelta:
    """A span of time of an option.

    >>> duration("90m") == duration("1h30m"), duration("2d").days
    (True, 2)
    """
    try:
        return span_of_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
