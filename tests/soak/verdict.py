"""What a soak has to show at its end: nothing lost that could be had, nothing stored twice or wrong, all of it told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from ironforge_cli.jobs.health.status import examine
from ironforge_cli.regions import Region
from tests.clocks import TickingClock
from tests.conftest import storage_in
from tests.jobs import stored
from tests.jobs.expected import expected_after
from tests.soak.odd import answered_as

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.sandbox.market_token import TokenMarket
    from tests.jobs.expected import Row
    from tests.soak.hours import RegionHours


_NEAR = timedelta(minutes=25)
"""An hour that is missing is expected by the rhythm of others, which maintenance changes."""


@dataclass(frozen=True)
class RegionVerdict:
    """How one region's hours ended."""

    region: Region
    published: int
    stored: int
    out_of_reach: int
    """Hours that are not stored, and that no window could ask for undisturbed."""
    lost: int
    """Hours that are not stored though a window could ask for them for long enough."""
    token_prices: int
    """Prices of the token that are stored, each as it was set."""
    wrong: tuple[str, ...]
    """What must not be; empty where all is well."""


def judged(database: Database, hours: RegionHours, *, token: TokenMarket, home: Path, now: datetime) -> RegionVerdict:
    """Hold what is stored of a region against what was published, against plain recomputation, and `status` against it.

    `token` is the market that set the token's prices, `now` the time at the end of the soak.
    """
    region = hours.region
    bodies = {hour.published_at: hour.body for hour in hours.hours}
    times = stored.times(database, region)
    wrong: list[str] = []
    lost = [hour.published_at for hour in hours.hours if hour.is_reachable and hour.published_at not in times]
    wrong += [f"the hour of {time.isoformat()} could be had and is not stored" for time in lost]
    wrong += [f"{time.isoformat()} was never published" for time in times if time not in bodies]
    if len(set(times)) != len(times):
        wrong.append("an hour is registered twice")
    by_digest = {sha256(body).hexdigest(): body for body in bodies.values()}
    kept = {time: digest for time, _, _, _, digest, *_ in stored.registry(database, region)}
    # With `stuck_last_modified` Blizzard gives an hour's auctions the time of the hour before: who lacks that one can't
    # know better.
    expected = expected_after(
        (time, by_digest.get(kept[time]) or answered_as(bodies[time], kept[time])) for time in times if time in bodies
    )
    if stored.auctions(database, region) != expected.auctions:
        wrong.append("raw rows differ from the bodies")
    if stored.statistics(database, region) != expected.statistics:
        wrong.append("statistics differ from a plain computation")
    if _comparable(stored.registry(database, region)) != _comparable(expected.registry):
        wrong.append("the registry differs from a plain computation")
    wrong += [
        f"{path.name} is left"
        for path in home.rglob("*")
        if ".tmp-" in path.name or (path.suffix == ".body" and path.parent.parent.name == "spool")
    ]
    tokens = stored.token_prices(database, region)
    wrong += [
        f"the token was never {price} at {at.isoformat()}" for at, price in tokens if not _was_set(token, at, price)
    ]
    if len({at for at, _ in tokens}) < len(tokens) or not tokens:
        wrong.append("prices of the token are stored twice, or none is")
    wrong += _unexplained(hours, times, storage=storage_in(home, database), home=home, now=now)
    return RegionVerdict(
        region=region,
        published=len(bodies),
        stored=len(times),
        out_of_reach=len(bodies) - len(times) - len(lost),
        lost=len(lost),
        token_prices=len(tokens),
        wrong=tuple(wrong),
    )


def _unexplained(
    hours: RegionHours, times: Sequence[datetime], *, storage: Storage, home: Path, now: datetime
) -> list[str]:
    """The hours that are not stored and of which `status` does not say why, or that it misses without reason."""
    started = hours.hours[0].published_at
    health = examine(
        [hours.region],
        storage=storage,
        home=home,
        clock=TickingClock(now),
        max_age=timedelta(hours=2),
        since=started,
        until=now,
        ahead=0,
        check=False,
    )
    told = {missing.expected_at: missing.explanation for missing in health.found.regions[0].missing}
    # Before the first stored snapshot there is nothing that an hour could be missing from.
    absent = [
        hour.published_at
        for hour in hours.hours
        if times and times[0] < hour.published_at and hour.published_at not in times
    ]
    wrong = [
        f"`status` does not explain why the hour of {time.isoformat()} is missing"
        for time in absent
        if not any(abs(expected - time) < _NEAR and explanation for expected, explanation in told.items())
    ]
    wrong += [
        f"`status` misses an hour at {expected.isoformat()} that nobody published"
        for expected in told
        if not any(abs(expected - time) < _NEAR for time in absent)
    ]
    return wrong


def _was_set(token: TokenMarket, at: datetime, price: int) -> bool:
    """Whether the token cost so much since then; what is stored has whole seconds."""
    since, set_price = token.price_at(at + timedelta(seconds=1))
    return (since.replace(microsecond=0), set_price) == (at, price)


def _comparable(registry: list[Row]) -> list[Row]:
    """Registry rows without size and digest: harmless faults, such as a byte order mark, change the body's bytes."""
    return [(*row[:3], *row[5:]) for row in registry]
