"""Options that several commands share, each with one name, one help and one meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

import typer

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
    typer.Option("--log-format", rich_help_panel=_GENERAL, help="Write messages as text, or one JSON object a line."),
]

SHARED: dict[str, tuple[Any, Any]] = {
    "verbose": (Verbose, 0),
    "quiet": (Quiet, False),
    "no_color": (NoColor, False),
    "log_format": (LogFormatOption, None),
}
"""Options that every command has, and the root before it: annotation and default by name."""

Regions = Annotated[
    list[Region] | None,
    typer.Option(
        "--region", case_sensitive=False, help="Work on this region; repeat for more. Without it: IRONFORGE_REGIONS."
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to write the result.")]


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


def utc_time(text: str) -> datetime:
    """An ISO 8601 time of an option; one without a zone is UTC.

    >>> utc_time("2024-01-15T03:48:02").isoformat()
    '2024-01-15T03:48:02+00:00'
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time such as 2024-01-15T03:48:02Z") from None


SnapshotTime = Annotated[
    datetime | None,
    typer.Option(
        "--snapshot-time",
        parser=utc_time,
        metavar="TIME",
        help="With --from: the body's Last-Modified, ISO 8601, UTC unless it says otherwise.",
    ),
]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """A span of time of an option.

    >>> duration("90m")
    datetime.timedelta(seconds=5400)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no span of time such as 90m, 2h or 1d")
    try:
        return timedelta(**{_UNITS[found[2]]: float(found[1])})
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is longer than any time can be told") from None
