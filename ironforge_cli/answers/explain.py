"""The arithmetic of each stored figure of an item, step by step, ending in exactly that figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.answers import items as naming
from ironforge_cli.answers.answer import MarketAnswer, basis_at
from ironforge_cli.db.repositories import asked_spans, asking, explaining
from ironforge_cli.errors import UsageError
from ironforge_cli.market.explained import ArithmeticStep, Explained, explain_prices
from ironforge_cli.market.explained_sales import SALES, explain_sales

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

PRICES: Final = (
    *("min_price", "market_value", "cheapest_15_percent_price", "median_price", "mean_price", "max_price"),
    *("total_quantity", "num_auctions"),
)
FIGURES: Final = (*PRICES, *SALES)
"""What can be explained: the columns of the hourly statistics."""
_FIRST_EXPLAINED: Final = 2


@dataclass(frozen=True, slots=True)
class ExplainedFigure:
    """A stored figure with its arithmetic; the last step's value is the figure."""

    region: Region
    item_id: int | None
    figure: str
    snapshot_time: datetime
    value: int | float | None
    steps: tuple[ArithmeticStep, ...]


def explain(
    asking_for: Asking, word: str, *, figure: str | None = None, at: datetime | None = None
) -> MarketAnswer[ExplainedFigure]:
    """Explain the figures of an item, or one of them, in the newest snapshot or the newest one not newer than `at`.

    Raises `UsageError` where the word names no item or several, or the figure is none.
    """
    if figure is not None and figure not in FIGURES:
        raise UsageError(f"--figure: {figure!r} is not one of {', '.join(FIGURES)}.")
    rows: list[ExplainedFigure] = []
    bases: list[Basis] = []
    with asking.reading(asking_for.database) as connection:
        item = naming.single(connection, asking_for.regions, word).item_id
        for region in asking_for.regions:
            basis = basis_at(connection, asking_for, region, at)
            bases.append(basis)
            if (time := basis.snapshot_time) is None:
                continue
            wanted = FIGURES if figure is None else (figure,)
            found = _explained(connection, region, item, time, wanted)
            rows += [
                ExplainedFigure(region, item, name, time, found[name][-1].value, tuple(found[name])) for name in wanted
            ]
    return MarketAnswer(rows=tuple(rows), bases=tuple(bases))


def _explained(connection: Transaction, region: Region, item: int, at: datetime, wanted: tuple[str, ...]) -> Explained:
    row = explaining.stored_figures(connection, region, item, at)
    of = explaining.interval(connection, region, at)
    if row is None:
        if asked_spans.without_hours(connection, region, [at]):
            gone = "The statistics of this hour have left the database with their month: nothing of it is known here"
            return {name: [ArithmeticStep(gone, None)] for name in FIGURES}
        return _without_row(is_first=of.seconds is None)
    is_held = asking.is_raw_held(connection, region, at)
    found: Explained = {}
    if is_held:
        lots = asking.auctions_of_item(connection, region, at, item)
        found |= {name: _ends_in(row[name], steps) for name, steps in explain_prices(lots).items()}
    else:
        gone = "The auctions of this hour have left the database: this is what was computed of them"
        found |= {name: [ArithmeticStep(gone, row[name])] for name in PRICES}
    if any(name in SALES for name in wanted):
        found |= _sales(connection, region, row, of, is_held=is_held)
    return found


def _sales(
    connection: Transaction, region: Region, row: dict[str, Any], of: explaining.Interval, *, is_held: bool
) -> Explained:
    item, at = row["item_id"], row["timestamp"]
    if of.previous_at is None or of.seconds is None:
        first = "It is the region's first snapshot: there is none before it to compare with"
        return {name: [ArithmeticStep(first, row[name])] for name in SALES}
    if of.estimator_version < _FIRST_EXPLAINED:
        since = at.isoformat(timespec="seconds").replace("+00:00", "Z")
        old = (
            f"It is of version {of.estimator_version} of the estimate, whose rules are no longer in use."
            f" `ironforge stats recompute --region {region} --since {since}` computes it by today's"
        )
        return {name: [ArithmeticStep(old, row[name])] for name in SALES}
    if not is_held or not asking.is_raw_held(connection, region, of.previous_at):
        return _from_row(row)
    explained = explain_sales(
        explaining.book_of_item(connection, region, item, of.previous_at),
        explaining.book_of_item(connection, region, item, at).auctions,
        item_id=item,
        at=at,
        market=explaining.market_sums(connection, region, at, of),
        past=explaining.own_past(connection, region, item, at),
        seconds=of.seconds,
    )
    return {name: _ends_in(row[name], steps) for name, steps in explained.items()}


def _from_row(row: dict[str, Any]) -> Explained:
    """Sales of an hour whose raw auctions, or those before, are not held any more."""
    gone = "The auctions of this hour or of the one before have left the database: this is what was computed of them"
    found = {name: [ArithmeticStep(gone, row[name])] for name in SALES}
    if row["estimated_sales"] is not None:
        found["estimated_sales"] = [
            ArithmeticStep(f"{gone}. Units seen sold", row["seen_sales"]),
            ArithmeticStep("Units listed and sold between the two snapshots, unseen", row["unseen_sales"]),
            ArithmeticStep(
                "Together, rounded so that the hours of a day add up to its rounded sum", row["estimated_sales"]
            ),
        ]
    return found


def _ends_in(stored: float | None, steps: list[ArithmeticStep]) -> list[ArithmeticStep]:
    """Steps that end in what is stored, whatever they came to."""
    if steps[-1].value == stored:
        return [*steps[:-1], ArithmeticStep(steps[-1].text, stored)]
    other = (
        "What is stored is another figure, of other rules or of other auctions: `ironforge stats recompute` computes it"
        " again"
    )
    return [*steps, ArithmeticStep(other, stored)]


def _without_row(*, is_first: bool) -> Explained:
    gone = "The snapshot doesn't have the item, and neither has the one before"
    counts = {"total_quantity", "num_auctions"}
    known = counts if is_first else counts | set(SALES)
    return {name: [ArithmeticStep(gone, 0 if name in known else None)] for name in FIGURES}
