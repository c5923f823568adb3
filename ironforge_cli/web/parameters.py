"""Parameters that several paths share, each with one name, one meaning and its bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Path, Query

from ironforge_cli.errors import NothingThereError
from ironforge_cli.quantities import copper_of, share_of, span_of_time
from ironforge_cli.web.negotiation import AnswerFormat

LONGEST_DAYS: Final = 366
"""Of hours, or of prices of tokens, in one answer; of days and of what is put together from them ten times as many."""
LARGEST_ITEM: Final = 2**31 - 1
LIST_LIMIT: Final = 100
LIST_MOST: Final = 1_000
SPAN_LIMIT: Final = 2_500
SPAN_MOST: Final = 10_000
_DAY: Final = (
    r"(?:(?:19[7-9][0-9]|[2-8][0-9]{3})-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    # The 29th of February, in the years that have one.
    r"|(?:(?:19|[2-8][0-9])(?:0[48]|[2468][048]|[13579][26])|(?:2[048]|[3579][26]|[468][048])00)-02-29)"
)
_TIME: Final = _DAY + r"(?:T(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?Z)?"
_SPAN: Final = r"(?:[1-9][0-9]{0,2}h|(?:[1-9][0-9]?|[12][0-9][0-9]|3[0-5][0-9]|36[0-6])d)"
_MONEY: Final = r"[0-9]{1,9}(?:\.[0-9]{1,4})?|(?:[0-9]{1,9}[gsc]){1,3}"
_SHARE: Final = r"0\.[0-9]{1,6}|0|[0-9]{1,2}(?:\.[0-9]{1,4})?%"
_CURSOR: Final = r"[A-Za-z0-9_-]{4,200}"

FORMS: Final = {
    "over": "a span such as 24h or 7d",
    "since": "a span such as 7d or 24h, or a time such as 2026-01-14 or 2026-01-14T12:00Z",
    "until": "a time such as 2026-01-14 or 2026-01-14T12:00Z",
    "at": "a time such as 2026-01-14 or 2026-01-14T12:00Z",
    "tz": "a time zone such as Europe/Paris or UTC",
    "min_turnover": "gold such as 1000, or 12g50s",
    "min_profit": "gold such as 1000, or 12g50s",
    "discount": "a share such as 20% (in an address 20%25) or 0.2",
    "ids": "numbers of items with commas between them, such as 210930,210931",
    "cursor": "what the Link header of the page before has",
}
"""What is said of a parameter that is of another form than its pattern."""

RegionName = Annotated[str, Path(description="A region of this service, such as eu.", examples=["eu"])]
ItemId = Annotated[int, Path(ge=1, le=LARGEST_ITEM, description="Blizzard's number of an item.", examples=[210930])]
RecipeId = Annotated[int, Path(ge=1, le=LARGEST_ITEM, description="Blizzard's number of a recipe.", examples=[46762])]
FormatName = Annotated[
    AnswerFormat | None, Query(alias="format", description="How to write the answer; stronger than the header Accept.")
]
Limit = Annotated[int, Query(ge=1, le=LIST_MOST, description="Rows of one answer; Link names the next ones.")]
SpanLimit = Annotated[
    int, Query(ge=1, le=SPAN_MOST, description="Rows of one answer, the newest ones; Link names the older ones.")
]
Cursor = Annotated[
    str | None,
    Query(pattern=f"^{_CURSOR}$", description="Where the next rows begin: taken from a Link header, never made."),
]
Over = Annotated[str, Query(pattern=f"^{_SPAN}$", description="How long before the newest snapshot: 24h, 7d.")]
Since = Annotated[
    str,
    Query(
        pattern=f"^(?:{_SPAN}|{_TIME})$",
        description=f"How far back, as 7d, or from a time on (UTC, ISO 8601); hours of {LONGEST_DAYS} days at most.",
    ),
]
Until = Annotated[
    str | None,
    Query(pattern=f"^{_TIME}$", description="Up to this time (UTC); usually the newest snapshot."),
]
At = Annotated[
    str | None,
    Query(pattern=f"^{_TIME}$", description="The newest snapshot up to this time (UTC); usually the newest."),
]
Zone = Annotated[
    str, Query(pattern=r"^[A-Za-z0-9_+/-]{1,64}$", description="Whose hours and days are meant, such as Europe/Paris.")
]
Quantity = Annotated[int | None, Query(ge=1, le=10**12, description="Also what the cheapest so many units cost.")]
MinTurnover = Annotated[
    str, Query(pattern=f"^(?:{_MONEY})$", description="At least so much gold a day: 1000, or 12g50s.")
]
MinProfit = Annotated[
    str | None,
    Query(pattern=f"^(?:{_MONEY})$", description="Batches that earn at least so much gold: 1000, or 12g50s."),
]
Discount = Annotated[
    str, Query(pattern=f"^(?:{_SHARE})$", description="So much below the usual price: 20% (as 20%25), or 0.2.")
]
Ids = Annotated[
    str | None,
    Query(
        pattern=r"^[1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8})*$",
        max_length=7_000,
        description="These items alone: numbers with commas between them.",
        examples=["210930,210931"],
    ),
]
Search = Annotated[
    str,
    Query(min_length=1, max_length=100, description="A part of a name, or a number; case and accents don't matter."),
]


def moment(text: str | None, *, name: str) -> datetime | None:
    """A time of a parameter, whose pattern has let it pass. Raises `NothingThereError` for the 29th of no leap year.

    >>> moment("2026-01-14T12:03Z", name="at").isoformat()
    '2026-01-14T12:03:00+00:00'
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NothingThereError(f"{name}: {text!r} is no day of the calendar.") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def beginning(text: str) -> tuple[timedelta, datetime | None]:
    """How far back a span reaches, or its beginning where that is a time.

    >>> beginning("7d")[0].days, beginning("2026-01-14")[1].isoformat()
    (7, '2026-01-14T00:00:00+00:00')
    """
    if text[-1] in "hd":
        return span_of_time(text), None
    return timedelta(), moment(text, name="since")


def zone(name: str) -> ZoneInfo:
    """A time zone by its name. Raises `NothingThereError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise NothingThereError(f"tz: {name!r} is no time zone such as Europe/Paris or UTC.") from None


def copper(text: str) -> float:
    """Copper of a parameter, whose pattern has let it pass."""
    return copper_of(text)


def share(text: str) -> float:
    """A share of a parameter, whose pattern has let it pass."""
    return share_of(text)


def span(text: str) -> timedelta:
    """A span of a parameter, whose pattern has let it pass."""
    return span_of_time(text)
