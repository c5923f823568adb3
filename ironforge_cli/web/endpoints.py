"""The API, path by path: words in, words out. What each answers with is the answer of the command of the same name."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from ironforge_cli.answers import book as books
from ironforge_cli.answers import chosen_crafts, freshness
from ironforge_cli.answers import explain as explaining
from ironforge_cli.answers import history as histories
from ironforge_cli.answers import items as items_found
from ironforge_cli.answers import lists as listed
from ironforge_cli.answers import price as priced
from ironforge_cli.answers import prices as all_prices
from ironforge_cli.answers import spread as spreads
from ironforge_cli.answers import token as tokens
from ironforge_cli.answers.crafted import Crafted
from ironforge_cli.answers.crafts_in_full import CraftInFull
from ironforge_cli.errors import NothingThereError
from ironforge_cli.market.crafting import Crafter
from ironforge_cli.web import parameters as given
from ironforge_cli.web.answering import Page, answered
from ironforge_cli.web.described import responses
from ironforge_cli.web.examples import EXAMPLES
from ironforge_cli.web.scopes import offered

if TYPE_CHECKING:
    from collections.abc import Callable

router = APIRouter(prefix="/v1")
ROWS: Final[list[type]] = [priced.PriceOfUnits]
"""Every kind of row that an operation answers with, for the document."""
_MOST_CRAFTS: Final = 10_000
_HIGHEST_RATING: Final = 100_000
_MOST_DAYS: Final = 365

Batch = Annotated[int, Query(ge=1, le=_MOST_CRAFTS, description="So many crafts, all bought for at once.")]
Rank = Annotated[int | None, Query(ge=1, le=5, description="Reagents of this rank; without it the cheapest.")]
Rating = Annotated[int, Query(ge=0, le=_HIGHEST_RATING, description="The crafter's rating.")]
WithOptional = Annotated[bool, Query(description="Put in optional and finishing reagents too.")]


def _get(path: str, name: str, row: type, *, is_listed: bool = False) -> Callable[[Any], Any]:
    """Make an operation of a function: its first line is the summary, what follows the description."""
    if row not in ROWS:
        ROWS.append(row)

    def declare(function: Any) -> Any:
        said = (function.__doc__ or "").strip()
        summary, _, more = said.partition("\n")
        return router.get(
            path,
            name=function.__name__,
            operation_id=function.__name__,
            summary=summary.rstrip("."),
            description=" ".join(more.split()) or summary,
            responses=responses(row, offered(name), EXAMPLES[row.__name__], is_listed=is_listed),
            response_class=Response,
            response_model=None,
            status_code=200,
        )(function)

    return declare


@_get("/regions", "regions", freshness.RegionFreshness)
def regions(request: Request, *, form: given.FormatName = None) -> Response:
    """How fresh each region is.

    The time of its newest snapshot, when the next can be expected, and what a token costs.
    """
    del form
    return answered(request, freshness.RegionFreshness, freshness.regions)


@_get("/items", "items", items_found.Found, is_listed=True)
def items(
    request: Request,
    *,
    search: given.Search,
    limit: given.Limit = given.LIST_LIMIT,
    cursor: given.Cursor = None,
    form: given.FormatName = None,
) -> Response:
    """Which items a text can mean.

    As `ironforge find`: what sold most in 7 days, over all regions, is first. Nothing found is an empty list.
    """
    del form
    find = partial(items_found.find, texts=[search], limit=0)
    return answered(request, items_found.Found, find, page=Page(limit, cursor))


@_get("/items/{item_id}", "items", items_found.Found)
def item(request: Request, *, item_id: given.ItemId, form: given.FormatName = None) -> Response:
    """An item, and those of the same name.

    Crafting ranks share a name: the item itself is first, the others by rank.
    """
    del form
    return answered(request, items_found.Found, partial(items_found.with_its_ranks, item_id=item_id))


@_get("/spread", "spread", spreads.Spread, is_listed=True)
def spread(
    request: Request,
    *,
    min_turnover: given.MinTurnover = "0",
    limit: given.Limit = given.LIST_LIMIT,
    cursor: given.Cursor = None,
    form: given.FormatName = None,
) -> Response:
    """The same items in two regions, in gold and in tokens.

    As `ironforge spread`: the largest difference is first. With one region there is nothing to compare.
    """
    del form
    ask = partial(spreads.spread, min_turnover=given.copper(min_turnover), limit=0)
    return answered(request, spreads.Spread, ask, page=Page(limit, cursor))


@_get("/{region}/prices", "prices", all_prices.NewestPrice)
def prices(
    request: Request, *, region: given.RegionName, ids: given.Ids = None, form: given.FormatName = None
) -> Response:
    """Every item's newest figures in one answer.

    What spreadsheets, addons and bots should take. Copper is whole, fractions have 4 digits; columns unless another
    format is asked for.
    """
    del form, region
    wanted = None if ids is None else sorted({int(one) for one in ids.split(",")})
    return answered(request, all_prices.NewestPrice, lambda look: all_prices.prices(look, look.regions[0], ids=wanted))


@_get("/{region}/items/{item_id}/price", "price", priced.Price)
def price(
    request: Request,
    *,
    region: given.RegionName,
    item_id: given.ItemId,
    quantity: given.Quantity = None,
    form: given.FormatName = None,
) -> Response:
    """What an item is worth now.

    As `ironforge price`; with a quantity also what so many units cost.
    """
    del form, region
    row = priced.Price if quantity is None else priced.PriceOfUnits
    return answered(request, row, partial(priced.price, words=[str(item_id)], quantity=quantity))


@_get("/{region}/items/{item_id}/history", "history", histories.Period, is_listed=True)
def history(
    request: Request,
    *,
    region: given.RegionName,
    item_id: given.ItemId,
    since: given.Since = "7d",
    until: given.Until = None,
    by: Annotated[histories.By, Query(description="What makes a row.")] = histories.By.HOUR,
    tz: given.Zone = "UTC",
    limit: given.SpanLimit = given.SPAN_LIMIT,
    cursor: given.Cursor = None,
    form: given.FormatName = None,
) -> Response:
    """An item over time.

    As `ironforge history`: an hour or a day that is missing is a row of nulls. Of more rows than the limit the newest
    come first, each page oldest first.
    """
    del form, region
    over, start = given.beginning(since)
    end = given.moment(until, name="until")
    _require_order(start, end)
    zone = given.zone(tz)
    is_of_time = by in {histories.By.HOUR, histories.By.DAY}
    span = _Bounded(start, end, days=given.LONGEST_DAYS * (1 if by is histories.By.HOUR else 10), zone=zone)

    def ask(look: Any) -> Any:
        begins = span.start_in(lambda: freshness.due(look, look.regions[0]).snapshot_time)
        return histories.history(look, [str(item_id)], since=begins, until=end, by=by, zone=zone, over=over)

    page = Page(limit, cursor, keeps_last=is_of_time, older_until=lambda: span.cut_at if is_of_time else None)
    return answered(request, histories.Period, ask, page=page)


@_get("/{region}/items/{item_id}/book", "book", books.Level, is_listed=True)
def book(
    request: Request,
    *,
    region: given.RegionName,
    item_id: given.ItemId,
    at: given.At = None,
    limit: given.SpanLimit = given.SPAN_LIMIT,
    cursor: given.Cursor = None,
    form: given.FormatName = None,
) -> Response:
    """An item's order book, cheapest first, now or in a past hour that is held.

    As `ironforge book`.
    """
    del form, region
    ask = partial(books.book, word=str(item_id), at=given.moment(at, name="at"))
    return answered(request, books.Level, ask, page=Page(limit, cursor))


@_get("/{region}/items/{item_id}/explain", "explain", explaining.ExplainedFigure)
def explain(
    request: Request,
    *,
    region: given.RegionName,
    item_id: given.ItemId,
    figure: Annotated[
        str | None,
        Query(pattern=f"^(?:{'|'.join(explaining.FIGURES)})$", description="This figure alone, by its key."),
    ] = None,
    at: given.At = None,
    form: given.FormatName = None,
) -> Response:
    """The arithmetic of each figure of an item, step by step.

    As `ironforge explain`: the last step is the stored figure.
    """
    del form, region
    ask = partial(explaining.explain, word=str(item_id), figure=figure, at=given.moment(at, name="at"))
    return answered(request, explaining.ExplainedFigure, ask)


@_get("/{region}/top", "top", listed.Seller, is_listed=True)
def top(
    request: Request,
    *,
    region: given.RegionName,
    by: Annotated[listed.TopBy, Query(description="What counts: gold, or units.")] = listed.TopBy.TURNOVER,
    over: given.Over = "24h",
    limit: given.Limit = given.LIST_LIMIT,
    cursor: given.Cursor = None,
    form: given.FormatName = None,
) -> Response:
    """What sells most, by gold or by units.

    As `ironforge top`.
    """
    del form, region
    ask = partial(listed.top, by=by, over=given.span(over), limit=0)
    return answered(request, listed.Seller, ask, page=Page(limit, cursor))


@_get("/{region}/movers", "movers", listed.Mover, is_listed=True)
def movers(
    request: Request,
    *,
    region: given.RegionName,
    over: given.Over = "24h",
    min_turnover: given.MinTurnover = "1000",
    direction: Annotated[listed.Direction, Query(description="Which changes.")] = listed.Direction.BOTH,
    limit: given.Limit = given.LIST_LIMIT,
    cursor: given.Cursor = None,
    form: given.FormatName = None,
) -> Response:
    """Whose prices changed most.

    As `ironforge movers`; its --up and --down are the directions up and down.
    """
    del form, region
    ask = partial(
        listed.movers,
        over=given.span(over),
        min_turnover=given.copper(min_turnover),
        direction=direction,
        limit=0,
    )
    return answered(request, listed.Mover, ask, page=Page(limit, cursor))


@_get("/{region}/deals", "deals", listed.Deal, is_listed=True)
def deals(
    request: Request,
    *,
    region: given.RegionName,
    discount: given.Discount = "20%",
    days: Annotated[float, Query(ge=0, le=_MOST_DAYS, description="As many units as sell in so many days.")] = 2,
    limit: given.Limit = given.LIST_LIMIT,
    cursor: given.Cursor = None,
    form: given.FormatName = None,
) -> Response:
    """What stands below its usual price, the largest gain first.

    As `ironforge deals`.
    """
    del form, region
    ask = partial(listed.deals, discount=given.share(discount), days=days, limit=0)
    return answered(request, listed.Deal, ask, page=Page(limit, cursor))


@_get("/{region}/crafts", "crafts", Crafted, is_listed=True)
def crafts(
    request: Request,
    *,
    region: given.RegionName,
    profession: Annotated[str | None, Query(max_length=100, description="One profession alone.")] = None,
    tier: Annotated[str | None, Query(max_length=100, description="Tiers whose name holds this, or a number.")] = None,
    batch: Batch = 1,
    min_profit: given.MinProfit = None,
    min_sold: Annotated[float | None, Query(ge=0, le=10**12, description="Of which so many sell a day.")] = None,
    rank: Rank = None,
    multicraft: Rating = 0,
    resourcefulness: Rating = 0,
    optional: WithOptional = False,
    is_all: Annotated[bool, Query(alias="all", description="Also those of which anything is unknown.")] = False,
    limit: given.Limit = given.LIST_LIMIT,
    cursor: given.Cursor = None,
    form: given.FormatName = None,
) -> Response:
    """What is worth crafting, the most profit a day first.

    As `ironforge crafts`; what is not known whole is not listed without `all=true`.
    """
    del form, region
    crafter = Crafter(multicraft=multicraft, resourcefulness=resourcefulness, rank=rank, fills_optional=optional)

    def ask(look: Any) -> Any:
        return chosen_crafts.listed(
            look,
            crafter=crafter,
            batch=batch,
            profession=profession,
            tier=tier,
            min_profit=None if min_profit is None else given.copper(min_profit),
            min_sold=min_sold,
            is_all=is_all,
        ).answer

    return answered(request, Crafted, ask, page=Page(limit, cursor))


@_get("/{region}/crafts/{recipe_id}", "crafts", CraftInFull)
def craft(
    request: Request,
    *,
    region: given.RegionName,
    recipe_id: given.RecipeId,
    batch: Batch = 1,
    rank: Rank = None,
    multicraft: Rating = 0,
    resourcefulness: Rating = 0,
    optional: WithOptional = False,
    form: given.FormatName = None,
) -> Response:
    """One recipe: what it costs and earns, a row an output, with the tree of what is made and bought.

    As `ironforge craft`. Parquet has the tree as JSON, CSV how many parts it has.
    """
    del form, region
    crafter = Crafter(multicraft=multicraft, resourcefulness=resourcefulness, rank=rank, fills_optional=optional)
    ask = partial(chosen_crafts.of_recipe, recipe_id=recipe_id, crafter=crafter, batch=batch)
    return answered(request, CraftInFull, ask)


@_get("/{region}/token", "token", tokens.TokenPriceAt, is_listed=True)
def token(
    request: Request,
    *,
    region: given.RegionName,
    since: given.Since = "30d",
    until: given.Until = None,
    limit: given.SpanLimit = given.SPAN_LIMIT,
    cursor: given.Cursor = None,
    form: given.FormatName = None,
) -> Response:
    """What a token costs, over time.

    As `ironforge token`. Of more rows than the limit the newest come first, each page oldest first.
    """
    del form, region
    over, start = given.beginning(since)
    end = given.moment(until, name="until")

    _require_order(start, end)
    span = _Bounded(start, end, days=given.LONGEST_DAYS, zone=ZoneInfo("UTC"))

    def ask(look: Any) -> Any:
        begins = span.start_in(lambda: freshness.due(look, look.regions[0]).token_time)
        return tokens.token(look, over=over, since=begins, until=end)

    page = Page(limit, cursor, keeps_last=True, older_until=lambda: span.cut_at)
    return answered(request, tokens.TokenPriceAt, ask, page=page)


class _Bounded:
    """A span that begins at a time, cut to so many days before its end: what is older comes on the next page."""

    def __init__(self, start: datetime | None, end: datetime | None, *, days: int, zone: ZoneInfo) -> None:
        self._start, self._end, self._longest, self._zone = start, end, timedelta(days=days), zone
        self.cut_at: datetime | None = None
        """Where it was cut, in a second that no bucket goes beyond; None where it is whole."""

    def start_in(self, newest_of: Callable[[], datetime | None]) -> datetime | None:
        """Where reading begins; `newest_of` tells of which time the region's newest data are."""
        if self._start is None or (newest := newest_of()) is None:
            return self._start
        last = newest if self._end is None else min(newest, self._end)
        if last - self._start <= self._longest:
            return self._start
        day = (last - self._longest).astimezone(self._zone).date()
        midnight = datetime.combine(day, time(), tzinfo=self._zone).astimezone(UTC)
        self.cut_at = max(midnight - timedelta(seconds=1), self._start)
        return self.cut_at


def _require_order(start: datetime | None, end: datetime | None) -> None:
    if start is not None and end is not None and start >= end:
        raise NothingThereError("since is not before until: nothing lies between them.")
