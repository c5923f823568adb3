"""Items: names and kinds of all that a recipe takes or makes, or that was ever in a snapshot.

The search shows a thousand a request, walked by id from one wanted item to the next; what it misses is asked for one by
one. Items that left the game (404) are remembered, and asked for again of the next build, where a later snapshot still
has them, and when somebody insists.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.db.repositories import catalogue, seeders
from ironforge_cli.db.repositories.catalogue import Changes
from ironforge_cli.errors import ExitStatus, RefusedAnswerError, UnavailableError
from ironforge_cli.jobs.catalogue.slots import seed_slot_types, unread_slot_types
from ironforge_cli.jobs.catalogue.work import Counts, SeededPart, SeedOutcome
from ironforge_cli.market.builds import is_newer_build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.jobs.catalogue.work import Work
    from ironforge_cli.market.catalogue import Item

log = logging.getLogger(__name__)

FEW: Final = 50
"""Items up to which one request each is less than a page of the search would be."""
_STORED_AT_ONCE: Final = 200
_NOT_FOUND: Final = 404
_FORBIDDEN: Final = 403
_MANY: Final = 20
_MALFORMED: Final = "malformed"


@dataclass(slots=True)
class _ItemTallies:
    """What a run has come to so far."""

    build: str | None
    """The game's build that what is stored is said to be of."""
    newest: str | None
    stored: int = 0
    skipped: Counts = field(default_factory=Counts)
    counted: Counts = field(default_factory=Counts)
    shown: int | None = None
    """An item that Blizzard has shown, in its search or before: it certainly has it."""

    def see(self, build: str | None) -> None:
        """Remember the newest build among the answers."""
        if is_newer_build(build, self.newest):
            self.newest = build


@dataclass(frozen=True, slots=True)
class _AskedItem:
    """What became of asking for one item."""

    id: int
    item: Item | None = None
    build: str | None = None
    status: int | None = None
    """403 or 404."""
    refused: str | None = None


def seed_items(work: Work) -> SeededPart:
    """Store every item that is wanted and was not read of this build and locale; committed some at a time.

    Items that are new since the last run are read without the others. Raises what ends the run; what was stored until
    then stays, and is not read again.
    """
    trial, build, locale = work.trial, work.build, work.source.locale
    profession = work.professions()[0].name if trial.profession is not None else None
    with work.database.transaction() as connection:
        state = seeders.seeder_states(connection)["item"]
        is_current = state.is_current(build=build, locale=locale)
    slot_types = unread_slot_types(work, is_current=is_current and not trial.force)
    with work.database.transaction() as connection:
        if is_current:
            # A server that has not heard of the newest patch yet is no reason to read everything again.
            build = state.build
        if trial.force:
            catalogue.forget_read_items(connection)
        unread = catalogue.unread_items(connection, build=build, locale=locale, profession=profession)
        rows, known = catalogue.count_items(connection), catalogue.any_item(connection)
        if is_current:
            if not unread and not slot_types and not trial.force:
                return SeededPart("items", SeedOutcome.CURRENT, ExitStatus.DONE, build=build, rows=rows)
        else:
            seeders.reopen(connection, "item")
    unread = unread[: trial.limit]
    tallies = _ItemTallies(build=build, newest=build, shown=known)
    work.progress.begin("items", total=len(unread))
    missed = unread if len(unread) <= FEW else _walk(work, unread, tallies=tallies)
    _ask_singly(work, missed, tallies=tallies)
    seed_slot_types(work, slot_types, build=tallies.build, skipped=tallies.skipped, counted=tallies.counted)
    with work.database.transaction() as connection:
        if not trial.is_partial:
            seeders.complete(connection, "item", build=build, locale=locale)
        seeders.see_build(connection, tallies.newest)
        rows_after = catalogue.count_items(connection)
    return SeededPart(
        "items",
        SeedOutcome.LIMITED if trial.is_partial else SeedOutcome.COMPLETED,
        ExitStatus.DONE,
        build=build,
        rows=rows_after,
        changes=Changes(inserted=rows_after - rows, updated=tallies.stored - (rows_after - rows)),
        skipped=tallies.skipped.by_name,
        counted=tallies.counted.by_name,
    )


def _walk(work: Work, unread: Sequence[int], *, tallies: _ItemTallies) -> list[int]:
    """Store what the search knows of the wanted items, page by page; returns those that it misses."""
    missed: list[int] = []
    position = 0
    while position < len(unread):
        work.clock.check()
        read = work.source.items_after(work.region, unread[position] - 1, build=tallies.build)
        page = read.value
        tallies.see(read.build)
        tallies.counted.add("malformed in the search", page.malformed)
        end = position
        while end < len(unread) and (not page.more or unread[end] <= page.last_id):
            end += 1
        here = set(unread[position:end])
        found = [item for item in page.items if item.id in here]
        _store(work, found, tallies=tallies)
        if found:
            tallies.shown = found[0].id
        missed += sorted(here - {item.id for item in found})
        work.progress.advance(len(found))
        work.progress.tell(f"items {unread[position]} to {unread[end - 1]}: {len(found)} found by the search")
        position = end
    return missed


def _ask_singly(work: Work, missed: Sequence[int], *, tallies: _ItemTallies) -> None:
    """Ask for items one by one, and store them some at a time."""

    def ask(item_id: int) -> _AskedItem:
        work.clock.check()
        try:
            read = work.source.single_item(work.region, item_id, build=tallies.build)
        except NotThereError as error:
            return _AskedItem(item_id, status=_FORBIDDEN if error.is_forbidden else _NOT_FOUND)
        except RefusedAnswerError as error:
            return _AskedItem(item_id, refused=str(error))
        return _AskedItem(item_id, item=read.value, build=read.build)

    is_trusted = False
    with work.asking() as pool:
        asked = [pool.submit(ask, item_id) for item_id in missed]
        for start in range(0, len(asked), _STORED_AT_ONCE):
            answers: list[_AskedItem] = []
            for future in asked[start : start + _STORED_AT_ONCE]:
                answers.append(future.result())
                work.progress.advance()
            is_trusted = is_trusted or _require_plausible(work, answers, tallies=tallies)
            _store(work, [one.item for one in answers if one.item is not None], tallies=tallies)
            gone = {one.id: _NOT_FOUND for one in answers if one.status == _NOT_FOUND}
            with work.database.transaction() as connection:
                catalogue.remember_not_shown(connection, "item", gone, build=tallies.build)
            for one in answers:
                _tally(one, tallies=tallies)
            work.progress.tell(
                f"items {answers[0].id} to {answers[-1].id}: {len(answers)} asked for one by one, "
                f"{len(gone)} left the game"
            )


def _require_plausible(work: Work, answers: Sequence[_AskedItem], *, tallies: _ItemTallies) -> bool:
    """Whether single items are answered as they should be, so that those that are not there really left the game.

    Raises where so many are not shown, or make no sense, that something else must be wrong.
    """
    total = len(answers)
    if any(answer.item is not None for answer in answers):
        refused = [answer.refused for answer in answers if answer.refused is not None]
        if len(refused) > max(_MANY, total // 10):
            raise RefusedAnswerError(f"{len(refused)} of {total} items make no sense, the first since: {refused[0]}")
        return True
    if total < _MANY:
        return False
    first = next((answer.refused for answer in answers if answer.refused is not None), None)
    if first is not None:
        raise RefusedAnswerError(f"None of {total} items makes sense, one of them since: {first}")
    if tallies.shown is not None and all(answer.status == _NOT_FOUND for answer in answers):
        try:
            work.source.single_item(work.region, tallies.shown, build=tallies.build)
        except NotThereError:
            pass
        else:
            return True
    raise UnavailableError(
        f"Blizzard shows none of {total} items that it was asked for one by one, which can't be right: none of them is "
        "taken for gone. Run it again later."
    )


def _tally(answer: _AskedItem, *, tallies: _ItemTallies) -> None:
    tallies.see(answer.build)
    if answer.status is not None:
        tallies.skipped.add(str(answer.status))
        log.debug("Skipped the item %d: Blizzard answers %d", answer.id, answer.status)
    if answer.refused is not None:
        tallies.skipped.add(_MALFORMED)
        log.debug("Skipped the item %d: %s", answer.id, answer.refused)


def _store(work: Work, items: Sequence[Item], *, tallies: _ItemTallies) -> None:
    if not items:
        return
    with work.database.transaction() as connection:
        catalogue.store_items(connection, items, build=tallies.build, locale=work.source.locale)
        catalogue.forget_not_shown(connection, "item", {item.id for item in items})
    tallies.stored += len(items)
