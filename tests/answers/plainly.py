"""The questions answered slowly and plainly, a row at a time, as docs/questions.md defines them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, time, timedelta
from math import floor
from statistics import mean, median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ironforge_cli.regions import DEFAULT_REGIONS
from tests.answers.random_markets import DAY, HOUR, ITEMS, NAMES, RANKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from ironforge_cli.regions import Region
    from tests.answers.random_markets import RandomMarket, Row, Snapshot

WEEK: Final = 7 * DAY
WEIGHTS: Final = (132, 125, 100, 75, 45, 34, 33, 38, 28, 21, 15, 10, 7, 5, 4)
Record = dict[str, Any]


class Sold(NamedTuple):
    """Units sold in a span, over so many seconds of which something is known."""

    low: int
    estimated: int
    high: int
    turnover: float | None
    seconds: int
    has_row: bool

    def per_day(self, units: float | None) -> float | None:
        return None if units is None or not self.seconds else units * 86_400 / self.seconds


class Plainly:
    """One market, asked."""

    def __init__(self, market: RandomMarket) -> None:
        self.market = market

    def within(self, region: Region, since: datetime, until: datetime) -> list[Snapshot]:
        return [one for one in self.market.snapshots[region] if since < one.at <= until]

    def at(self, region: Region, moment: datetime) -> Snapshot:
        (found,) = [one for one in self.market.snapshots[region] if one.at == moment]
        return found

    def before(self, region: Region, snapshot: Snapshot) -> Snapshot | None:
        earlier = [one for one in self.market.snapshots[region] if one.at < snapshot.at]
        return earlier[-1] if earlier else None

    def sold(self, region: Region, item: int, since: datetime, until: datetime) -> Sold:
        sums, turnover, seconds, has_row = [0, 0, 0], 0.0, 0, False
        is_priceless = False
        for one in self.within(region, since, until):
            row = one.rows.get(item)
            has_row |= row is not None
            # Of hours that have left their days remain, of which a span holds all or nothing.
            is_of_day = one.at.date() in self.market.made[region] and since < _starts(one.at) <= until - DAY
            if one.seconds is None or (row is not None and row.sold is None) or (one.is_gone and not is_of_day):
                continue
            seconds += one.seconds
            if row is None or row.sold is None:
                continue
            sums = [units + more for units, more in zip(sums, row.sold, strict=True)]
            earlier = self.before(region, one)
            is_lost = earlier is not None and earlier.is_gone and not is_of_day
            there = earlier.rows.get(item) if earlier is not None and not is_lost else None
            value = row.market_value if row.market_value is not None else there and there.market_value
            if value is not None:
                turnover += row.sold[1] * value
            elif row.sold[1]:
                is_priceless = True
        low, estimated, high = sums
        return Sold(low, estimated, high, None if is_priceless else turnover, seconds, has_row)

    def day_values(self, region: Region, item: int, newest: datetime) -> dict[int, float]:
        """The mean of each day's market values, by how many days ago it was."""
        by_day: dict[int, list[float]] = defaultdict(list)
        for one in self.market.snapshots[region]:
            row = one.rows.get(item)
            if row is not None and row.market_value is not None:
                by_day[(newest.date() - one.at.date()).days].append(row.market_value)
        return {days: mean(values) for days, values in by_day.items()}

    def usual(self, region: Region, item: int, newest: datetime) -> float | None:
        values = [value for days, value in self.day_values(region, item, newest).items() if 1 <= days <= 14]
        return median(values) if len(values) >= 3 else None

    def weighted(self, region: Region, item: int, newest: datetime) -> float | None:
        values = [(WEIGHTS[n], v) for n, v in self.day_values(region, item, newest).items() if n < len(WEIGHTS)]
        return sum(w * v for w, v in values) / sum(w for w, _ in values) if values else None

    def change(self, region: Region, item: int, newest: datetime, back: timedelta, most: timedelta) -> float | None:
        def value(snapshot: Snapshot) -> float | None:
            row = None if snapshot.is_gone else snapshot.rows.get(item)
            return None if row is None else row.market_value

        now, target = value(self.at(region, newest)), newest - back
        near = [one for one in self.market.snapshots[region] if abs(one.at - target) <= most and value(one) is not None]
        if now is None or not near:
            return None
        then = value(min(near, key=lambda one: (abs(one.at - target), one.at)))
        return now / then - 1 if then else None

    def book(self, region: Region, item: int, moment: datetime) -> list[tuple[int, int, int]]:
        """Price, units and auctions of each level."""
        lots = [lot for lot in self.at(region, moment).lots if lot.item == item]
        return [
            (price, sum(lot.units for lot in lots if lot.price == price), sum(lot.price == price for lot in lots))
            for price in sorted({lot.price for lot in lots})
        ]

    def counted(self, region: Region, snapshot: Snapshot, item: int) -> float:
        """For how many snapshots one counts in a mean of sales: 1 where they are known."""
        if not snapshot.is_gone:
            return float(_sales(snapshot, item) is not None)
        day = [one for one in self.market.snapshots[region] if one.at.date() == snapshot.at.date()]
        seconds = [one.seconds or 0 for one in day]
        known = [one.seconds or 0 for one in day if _sales(one, item) is not None]
        intervals = sum(one.seconds is not None for one in day)
        return intervals * sum(known) / (sum(seconds) or 1) / len(day)

    # The answers

    def price(self, items: Sequence[int], quantity: int) -> list[Record]:
        rows: list[Record] = []
        for item in items:
            for region in DEFAULT_REGIONS:
                newest = self.market.newest(region)
                if newest is None:
                    continue
                row = self.at(region, newest).rows.get(item)
                sold = self.sold(region, item, newest - WEEK, newest)
                units = [price for price, there, _ in self.book(region, item, newest) for _ in range(there)]
                bought, rest = units[:quantity], units[quantity:]
                rows.append(
                    {
                        "region": region,
                        "item_id": item,
                        "rank": RANKS.get(item),
                        "name": NAMES[item],
                        "snapshot_time": newest,
                        "min_price": row and row.min_price,
                        "market_value": row and row.market_value,
                        "max_price": row and row.min_price and 9 * row.min_price,
                        "total_quantity": row.quantity if row else 0,
                        "num_auctions": row.auctions if row else 0,
                        "usual_price": self.usual(region, item, newest),
                        "weighted_market_value": self.weighted(region, item, newest),
                        "change_24h": self.change(region, item, newest, DAY, 3 * HOUR),
                        "change_7d": self.change(region, item, newest, WEEK, DAY),
                        "sold_per_day_low": sold.per_day(sold.low),
                        "sold_per_day": sold.per_day(sold.estimated),
                        "sold_per_day_high": sold.per_day(sold.high),
                        "turnover_per_day": sold.per_day(sold.turnover),
                        "units": len(bought),
                        "complete": len(bought) == quantity,
                        "cost": sum(bought),
                        "mean_cost": sum(bought) / len(bought) if bought else None,
                        "floor_after": rest[0] if rest else None,
                    }
                )
        return rows

    def levels(self, region: Region, item: int, moment: datetime) -> list[Record]:
        rows: list[Record] = []
        units = cost = 0
        for price, there, auctions in self.book(region, item, moment):
            units, cost = units + there, cost + price * there
            row = {"region": region, "item_id": item, "snapshot_time": moment, "price": price, "quantity": there}
            rows.append(row | {"auctions": auctions, "cumulative_quantity": units, "cumulative_cost": cost})
        return rows

    def history(
        self, region: Region, item: int, *, start: datetime, end: datetime, by: str, zone: ZoneInfo
    ) -> list[Record]:
        stored = self.within(region, start, end)
        buckets = buckets_of(start, end, by, zone, held=[one.at for one in stored])
        made = set(self.market.made[region])
        rows: list[Record] = []
        for bucket in buckets:
            there = [one for one in stored if bucket_of(one.at, by, zone) == bucket]
            # Of hours that have left no more is known than what was made of their days.
            known = [one for one in there if not one.is_gone]
            if by in {"day", "weekday"} and zone.key == "UTC":
                whole = [one for one in there if start < _starts(one.at) < _starts(end)]
                known += [one for one in whole if one.is_gone and one.at.date() in made]
            of_item = [one.rows.get(item) for one in known]
            prices = [row.min_price for row in of_item if row and row.min_price is not None]
            values = [row.market_value for row in of_item if row and row.market_value is not None]
            sales = [sold for one in known if (sold := _sales(one, item)) is not None]
            # Of a day alone, those that know the sales are told by their length.
            divisor = sum(self.counted(region, one, item) for one in known)
            is_mean = by not in {"hour", "day"}
            row: Record = {"region": region, "item_id": item, "bucket": bucket, "snapshots": len(there)}
            row |= {"min_price": min(prices, default=None), "market_value": mean(values) if values else None}
            row["total_quantity"] = mean(row.quantity if row else 0 for row in of_item) if of_item else None
            for place, name in enumerate(("sold_low", "sold", "sold_high")):
                units = sum(sold[place] for sold in sales)
                row[name] = (units / divisor if is_mean else units) if sales else None
            rows.append(row)
        return rows

    def top(self, region: Region, over: timedelta, *, by_units: bool) -> list[Record]:
        newest = self.market.newest(region)
        if newest is None:
            return []
        rows: list[Record] = []
        for item in ITEMS:
            sold, now = self.sold(region, item, newest - over, newest), self.at(region, newest).rows.get(item)
            if sold.estimated:
                row = {"region": region, "item_id": item, "name": NAMES[item], "rank": RANKS.get(item)}
                row |= {"sold_low": sold.low, "sold": sold.estimated, "sold_high": sold.high}
                row |= {"turnover": sold.turnover, "market_value": now and now.market_value}
                rows.append(row | {"total_quantity": now.quantity if now else 0})
        if by_units:
            return sorted(rows, key=lambda row: (-row["sold"], row["item_id"]))
        return sorted(rows, key=lambda row: (row["turnover"] is None, -(row["turnover"] or 0), row["item_id"]))

    def movers(self, region: Region, over: timedelta, min_turnover: float) -> list[Record]:
        newest = self.market.newest(region)
        rows: list[Record] = []
        if newest is None:
            return rows
        for item in ITEMS:
            sold = self.sold(region, item, newest - WEEK, newest)
            turnover = sold.per_day(sold.turnover)
            prices: list[float] = []
            for end in (newest - over, newest):
                side = [one for one in self.within(region, end - 3 * HOUR, end) if not one.is_gone]
                there = [one.rows[item] for one in side if item in one.rows]
                values = [row.market_value for row in there if row.market_value is not None]
                last = side[-1].rows.get(item) if side else None
                if values and last is not None and last.auctions >= 5:
                    prices.append(median(values))
            is_enough = turnover is not None and turnover >= min_turnover
            if len(prices) == 2 and (is_enough or not min_turnover):
                row = {"region": region, "item_id": item, "price_then": prices[0], "price_now": prices[1]}
                rows.append({**row, "change": prices[1] / prices[0] - 1, "turnover_per_day": turnover})
        return sorted(rows, key=lambda row: (-abs(row["change"]), row["item_id"]))

    def deals(self, region: Region, discount: float, days: float) -> list[Record]:
        newest = self.market.newest(region)
        rows: list[Record] = []
        if newest is None:
            return rows
        for item in ITEMS:
            usual, sold = self.usual(region, item, newest), self.sold(region, item, newest - WEEK, newest)
            per_day, now = sold.per_day(sold.estimated), self.at(region, newest).rows.get(item)
            if usual is None or per_day is None or per_day < 1 or now is None:
                continue
            cheap = [
                price
                for price, there, _ in self.book(region, item, newest)
                for _ in range(there if price <= (1 - discount) * usual else 0)
            ]
            bought = cheap[: floor(days * per_day)]
            if bought:
                row = {"region": region, "item_id": item, "usual_price": usual, "min_price": now.min_price}
                row |= {"units": len(bought), "cost": sum(bought), "gain": sum(0.95 * usual - p for p in bought)}
                rows.append(row | {"sold_per_day": per_day})
        return sorted(rows, key=lambda row: (-row["gain"], row["item_id"]))

    def token(self, region: Region, over: timedelta) -> list[Record]:
        prices = self.market.tokens[region]
        return [
            {"region": region, "timestamp": at, "price": price} for at, price in prices if at > prices[-1][0] - over
        ]

    def spread(self, min_turnover: float) -> list[Record]:
        rows: list[Record] = []
        times = [newest for region in DEFAULT_REGIONS if (newest := self.market.newest(region)) is not None]
        if len(times) < 2 or not all(self.market.tokens.values()):
            return []
        for item in ITEMS:
            prices: list[float | None] = []
            turnovers: list[float | None] = []
            for region, newest in zip(DEFAULT_REGIONS, times, strict=True):
                row = self.at(region, newest).rows.get(item)
                sold = self.sold(region, item, newest - WEEK, newest)
                prices.append(row and row.market_value)
                turnovers.append(sold.per_day(sold.turnover))
            a, b = prices
            if a is None or b is None:
                continue
            if min_turnover and not all(one is not None and one >= min_turnover for one in turnovers):
                continue
            tokens = [value / self.market.tokens[r][-1][1] for value, r in zip((a, b), DEFAULT_REGIONS, strict=True)]
            row = {"item_id": item, "name": NAMES[item], "region_a": DEFAULT_REGIONS[0], "region_b": DEFAULT_REGIONS[1]}
            row |= {"price_a": a, "price_b": b, "tokens_a": tokens[0], "tokens_b": tokens[1]}
            rows.append(row | {"ratio": tokens[0] / tokens[1]})
        return sorted(rows, key=lambda row: (-max(row["ratio"], 1 / row["ratio"]), row["item_id"]))

    def find(self, text: str) -> list[Record]:
        rows: list[tuple[int, Record]] = []
        collected = [(r, newest) for r in DEFAULT_REGIONS if (newest := self.market.newest(r)) is not None]
        for item, name in NAMES.items():
            if name is None or text not in name.lower():
                continue
            sold = sum(self.sold(r, item, newest - WEEK, newest).estimated for r, newest in collected)
            there = [row.quantity if (row := self.at(r, newest).rows.get(item)) else 0 for r, newest in collected]
            row = {"item_id": item, "name": name, "rank": RANKS.get(item)}
            rows.append((sold, row | {"total_quantity": sum(there) if there else None}))
        return [row for _, row in sorted(rows, key=lambda pair: (-pair[0], pair[1]["item_id"]))]

    def missing(self, region: Region, since: datetime, until: datetime) -> list[datetime]:
        """The hours without a snapshot, as they would have come after the one before the gap."""
        found: list[datetime] = []
        for one in self.within(region, since, until):
            if one.seconds is not None and one.seconds > 5_400:
                lacking = max(1, round(one.seconds / 3_600) - 1)
                began = one.at - timedelta(seconds=one.seconds)
                found += [began + (number + 1) * HOUR for number in range(lacking)]
        return [hour for hour in found if hour > since]


def _sales(snapshot: Snapshot, item: int) -> tuple[int, int, int] | None:
    """An item without a row sold nothing; in a first snapshot nothing is known."""
    row: Row | None = snapshot.rows.get(item)
    if snapshot.seconds is None:
        return None
    return (0, 0, 0) if row is None else row.sold


def _starts(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(), tzinfo=UTC)


def bucket_of(moment: datetime, by: str, zone: ZoneInfo) -> datetime | int:
    there = moment.astimezone(zone)
    if by == "weekday":
        return there.weekday()
    if by == "hour-of-week":
        return 24 * there.weekday() + there.hour
    if by == "day":
        return datetime(there.year, there.month, there.day, tzinfo=zone).astimezone(UTC)
    return there.replace(minute=0, second=0, microsecond=0).astimezone(UTC)


def buckets_of(
    start: datetime, end: datetime, by: str, zone: ZoneInfo, *, held: Iterable[datetime]
) -> list[datetime | int]:
    """All of a span, those of gaps too, by walking through it in steps that are shorter than any."""
    if by == "weekday":
        return list(range(7))
    if by == "hour-of-week":
        return list(range(168))
    found: list[datetime | int] = []
    moment = start + timedelta(microseconds=1)
    while moment <= end:
        found.append(bucket_of(moment, by, zone))
        moment += timedelta(minutes=15)
    if start < end:
        found.append(bucket_of(end, by, zone))
    found = list(dict.fromkeys(found))
    # What the span begins within is a row only where it holds a snapshot.
    if found and found[0] != start and found[0] not in {bucket_of(at, by, zone) for at in held}:
        del found[0]
    return found
