"""One run in parts: what its benchmark says of all of them, and what becomes of one that fails. No server is needed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.errors import ArchiveError, DatabaseError, ExitStatus, InterruptedRunError, LockedError
from ironforge_cli.jobs.days.parts import conclude, failure_told, messages_of, run_alone
from ironforge_cli.jobs.evidence.pending import PendingRows
from ironforge_cli.jobs.evidence.runs import Evidence, Run

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.clocks import TickingClock


@dataclass(frozen=True)
class Part:
    rows: int | None = None
    message: str | None = None
    status: ExitStatus = ExitStatus.DONE


def test_the_parts_rows_and_failures_are_told_together() -> None:
    run = Run()
    conclude(run, [Part(rows=3), Part(), Part(4, "Cut.", ExitStatus.DATABASE), Part(message="Torn.")])
    assert (run.status, run.record_count, run.message) == (ExitStatus.PARTIAL, 7, "Cut. Torn.")
    conclude(run, [Part(rows=3)])
    assert (run.status, run.record_count, run.message) == (ExitStatus.DONE, 3, None)
    assert messages_of([]) is None


def test_a_failure_is_a_result_unless_somebody_asked_the_program_to_end() -> None:
    def told(error: Exception) -> Part:
        return Part(message=str(error))

    def part(error: Exception | None = None) -> Part:
        if error is not None:
            raise error
        return Part(rows=1)

    assert failure_told(part, failed=told) == Part(rows=1)
    assert failure_told(partial(part, ArchiveError("Torn.")), failed=told) == Part(message="Torn.")
    for error in (InterruptedRunError("SIGTERM"), ZeroDivisionError("by zero")):
        with pytest.raises(type(error)):
            failure_told(partial(part, error), failed=told)


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_run_beside_another_of_its_kind_leaves_a_row_that_says_so(
    tmp_path: Path, clock: TickingClock, *, is_taken: bool
) -> None:
    given_back: list[str] = []

    @contextmanager
    def lock() -> Generator[None]:
        if is_taken:
            raise LockedError("Another run does it.")
        yield
        given_back.append("given back")

    waiting = tmp_path / "log-rows.jsonl"
    away = MissingDatabase(DatabaseError("The server is away."))
    evidence = Evidence(away, pending=PendingRows(waiting), command="partitions drop", clock=clock)
    if is_taken:
        with pytest.raises(LockedError), run_alone(evidence, lock()):
            pytest.fail("it began")
    else:
        with run_alone(evidence, lock()) as run:
            assert given_back == []
            run.record_count = 7
    lines = [msgspec.json.decode(line) for line in waiting.read_bytes().splitlines()]
    told = [(line["table"], line["row"]["status"]) for line in lines]
    assert told == ([("scraper_logs", "locked")] if is_taken else []) + [
        ("benchmarks", "locked" if is_taken else "success")
    ]
    assert given_back == ([] if is_taken else ["given back"])
