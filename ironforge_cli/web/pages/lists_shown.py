"""Pages that are one list: what sells, what moved, what is cheap, tokens, both regions side by side, searches."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.answers import items, lists, token
from ironforge_cli.answers import spread as spreads
from ironforge_cli.answers.answer import DAY, WEEK
from ironforge_cli.web.pages import curves, tables
from ironforge_cli.web.pages.asked import SPREAD_TURNOVER, chosen
from ironforge_cli.web.pages.overview import DAYS, LEAST_TURNOVER
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.web.pages.frame import Frame

_MOST: Final = 100
_CURVES: Final = 40
_SPANS: Final = {
    "24h": DAY,
    "7d": WEEK,
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "365d": timedelta(days=365),
}
_A_DAY_OR_MORE: Final = (("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"))
_DAY_OR_WEEK: Final = (("24h", "24 hours"), ("7d", "7 days"))
_TOKEN_SPANS: Final = (("30d", "30 days"), ("7d", "7 days"), ("90d", "90 days"), ("365d", "a year"))
_LONGEST_TEXT: Final = 100


def top(frame: Frame, asking_for: Asking) -> dict[str, Any]:
    """What sells."""
    over = chosen(frame.query, "over", "Over", _A_DAY_OR_MORE)
    by = chosen(frame.query, "by", "By", (("turnover", "turnover"), ("units", "units")))
    of_region = replace(asking_for, regions=(frame.region,))
    found = lists.top(of_region, by=lists.TopBy(by.chosen), over=_SPANS[over.chosen], limit=_MOST)
    return {
        "title": f"What sells in {frame.region.label}",
        "lead": "Units sold are estimates, with a low and a high bound; turnover is units by their value at the hour.",
        "bases": found.bases,
        "choices": (over, by),
        "table": _listed(frame, of_region, found.records(), tables.TOP, "Nothing was seen sold in that time."),
        "below": _first_alone(len(found.rows)),
    }


def movers(frame: Frame, asking_for: Asking) -> dict[str, Any]:
    """What moved."""
    over = chosen(frame.query, "over", "Over", _DAY_OR_WEEK)
    which = chosen(frame.query, "direction", "Which", (("both", "up and down"), ("up", "up"), ("down", "down")))
    of_region = replace(asking_for, regions=(frame.region,))
    found = lists.movers(
        of_region,
        over=_SPANS[over.chosen],
        min_turnover=LEAST_TURNOVER,
        direction=lists.Direction(which.chosen),
        limit=_MOST,
    )
    return {
        "title": f"What moved in {frame.region.label}",
        "lead": "The median market value of the last 3 hours against that of then, of items that turn over 1,000 gold"
        " a day and have 5 auctions on both sides.",
        "bases": found.bases,
        "choices": (over, which),
        "table": _listed(
            frame, of_region, found.records(), tables.MOVERS, "Nothing moved, or nothing is known of then."
        ),
        "below": _first_alone(len(found.rows)),
    }


def deals(frame: Frame, asking_for: Asking) -> dict[str, Any]:
    """What stands below its usual price."""
    values = (("20%", "20%"), ("10%", "10%"), ("30%", "30%"), ("50%", "50%"))
    discount = chosen(frame.query, "discount", "Below by", values)
    of_region = replace(asking_for, regions=(frame.region,))
    share = int(discount.chosen.removesuffix("%")) / 100
    found = lists.deals(of_region, discount=share, days=DAYS, limit=_MOST)
    return {
        "title": f"Below the usual price in {frame.region.label}",
        "lead": "At most as many units as sell in two days, cheapest first; the gain is 95% of the usual price less"
        " what they cost.",
        "bases": found.bases,
        "choices": (discount,),
        "table": tables.table(
            frame,
            found.records(),
            tables.DEALS,
            caption="Below the usual price",
            empty="Nothing stands that far below its usual price, or none is known yet: it takes 3 closed days.",
        ),
        "below": _first_alone(len(found.rows)),
    }


def tokens(frame: Frame, asking_for: Asking) -> dict[str, Any]:
    """What a token costs over time."""
    since = chosen(frame.query, "since", "Over", _TOKEN_SPANS)
    of_region = replace(asking_for, regions=(frame.region,))
    found = token.token(of_region, over=_SPANS[since.chosen], since=None, until=None)
    newest_first = [*reversed(found.records())]
    return {
        "title": f"The token in {frame.region.label}",
        "lead": "A price holds until the next one.",
        "bases": (),
        "choices": (since,),
        "chart": frame.url(f"/{frame.region}/token/picture.json", since=since.chosen) if found.rows else None,
        "table": tables.table(
            frame,
            newest_first[:_MOST],
            tables.TOKENS,
            caption="Prices of the token",
            empty="No price of a token is stored yet.",
        ),
        "below": _first_alone(min(len(newest_first), _MOST)) if len(newest_first) > _MOST else (),
        "has_chart": bool(found.rows),
    }


def token_rows(frame: Frame, asking_for: Asking) -> Sequence[token.TokenPriceAt]:
    """The prices that a token's picture shows."""
    since = chosen(frame.query, "since", "Over", _TOKEN_SPANS)
    of_region = replace(asking_for, regions=(frame.region,))
    return token.token(of_region, over=_SPANS[since.chosen], since=None, until=None).rows


def spread(frame: Frame, asking_for: Asking) -> dict[str, Any]:
    """The same item in two regions."""
    values = ((SPREAD_TURNOVER, "1,000 gold"), ("10000", "10,000 gold"), ("100000", "100,000 gold"), ("0", "anything"))
    least = chosen(frame.query, "min_turnover", "Turnover a day of at least", values)
    found = spreads.spread(asking_for, min_turnover=float(least.chosen) * 10_000, limit=_MOST)
    first, second = (*(region.label for region in asking_for.regions), "", "")[:2]
    heads = {
        "price_a": f"{first} price",
        "price_b": f"{second} price",
        "tokens_a": f"{first} tokens",
        "tokens_b": f"{second} tokens",
    }
    columns = [replace(one, head=heads.get(one.key, one.head)) for one in tables.SPREAD]
    return {
        "title": "The same item in two regions",
        "lead": "Gold can't leave its region, but both buy tokens: the ratio is what an item costs in tokens in the"
        " first, by what it costs in the second.",
        "bases": found.bases,
        "choices": (least,),
        "table": tables.table(
            frame,
            found.records(),
            columns,
            caption="The same item in two regions",
            empty="Nothing is known in both regions, with a price of the token in each.",
        ),
        "below": _first_alone(len(found.rows)),
    }


def search(frame: Frame, asking_for: Asking) -> dict[str, Any]:
    """What a text can mean."""
    text = frame.query.get("q", "").strip()[:_LONGEST_TEXT]
    found = items.find(asking_for, [text], limit=_MOST).records() if text else []
    empty = f"No item that is stored is called so, or has this number: {text}" if text else "Type a name or a number."
    return {
        "title": f"Items called “{text}”" if text else "Search",
        "lead": "What sold most in 7 days stands first." if found else "",
        "bases": (),
        "choices": (),
        "table": tables.table(frame, found, tables.FOUND, caption="Items found", empty=empty),
        "below": _first_alone(len(found)),
    }


def _listed(
    frame: Frame, of_region: Asking, records: list[dict[str, Any]], columns: tuple[tables.PageColumn, ...], empty: str
) -> tables.PageTable:
    shapes = curves.of_items(of_region, frame.region, records[:_CURVES])
    return tables.table(frame, records, columns, caption=columns[0].head, empty=empty, shapes=shapes)


def _first_alone(shown: int) -> tuple[str, ...]:
    """What is said below a list that has more."""
    return (f"The first {counted(shown, 'row')} alone: .json and .csv have more.",) if shown >= _MOST else ()
