"""Kinds of slots: which categories of items fit into what recipes leave open, as Blizzard says it.

It names no quantity and no rank, and not whether anything is required: enough to say what is missing, never what it
costs. Which items are of a category is read with the items.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.db.repositories import slots
from ironforge_cli.errors import RefusedAnswerError
from ironforge_cli.jobs.catalogue.work import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.jobs.catalogue.work import Work
    from ironforge_cli.market.catalogue import SlotType

log = logging.getLogger(__name__)


def unread_slot_types(work: Work, *, is_current: bool) -> list[int]:
    """The kinds of slots to ask for: all that recipes name, or those that nothing is known of.

    Where the items are complete and anything is known of slots, what is missing was asked for with them.
    """
    with work.database.transaction() as connection:
        named, known = slots.named_slot_types(connection), slots.known_slot_types(connection)
    if work.trial.is_partial or (is_current and known):
        return []
    return named


def seed_slot_types(work: Work, wanted: Sequence[int], *, build: str | None, skipped: Counts, counted: Counts) -> None:
    """Ask for kinds of slots and store what fits; one that isn't shown, or makes no sense, is skipped.

    Raises what ends the run.
    """

    def ask(number: int) -> SlotType | None:
        work.clock.check()
        try:
            return work.source.slot_type(work.region, number, build=build).value
        except NotThereError:
            return None
        except RefusedAnswerError as error:
            log.debug("Skipped the slot type %d: %s", number, error)
            return None

    if not wanted:
        return
    with work.asking() as pool:
        found = [one for one in pool.map(ask, wanted) if one is not None]
    with work.database.transaction() as connection:
        slots.store_slot_types(connection, found)
    counted.add("slot types", len(found))
    skipped.add("slot types not shown", len(wanted) - len(found))
