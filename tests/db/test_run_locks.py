"""The locks of a run share a connection: when it is opened, kept and given back. No server is needed for that."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db import locks
from ironforge_cli.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

every_way = pytest.mark.parametrize("is_pooled", [False, True])


@dataclass(eq=False)
class Line:
    """A connection, which is its session, too."""

    is_pooled: bool
    is_there: bool = True
    is_open: bool = True
    invalidated: bool = False


@dataclass
class Exchange:
    """Gives connections, and says who has which lock."""

    is_pooled: bool
    lines: list[Line] = field(default_factory=list[Line])
    elsewhere: set[str] = field(default_factory=set[str])
    """Locks that another program has."""
    error: Exception | None = None

    def errors(self) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def locking(self, _: object) -> Generator[Line]:
        line = Line(self.is_pooled)
        self.lines.append(line)
        yield line
        line.is_open = False

    @property
    def open_lines(self) -> list[Line]:
        return [line for line in self.lines if line.is_open]


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch, *, is_pooled: bool) -> Exchange:
    made = Exchange(is_pooled)

    def acquire(_: Line, name: str) -> bool:
        if made.error is not None:
            raise made.error
        return name not in made.elsewhere

    def is_alive(line: Line) -> bool:
        return line.is_there

    def session_of(line: Line) -> Line:
        return line

    for function in (acquire, is_alive, session_of):
        monkeypatch.setattr(locks, function.__name__, function)

    def give_back(*_: object) -> None:
        """Nobody listens."""

    monkeypatch.setattr(locks, "give_back", give_back)
    return made


@pytest.fixture
def run(exchange: Exchange) -> locks.RunLocks:
    database: Any = exchange
    return locks.RunLocks(database)


@every_way
def test_the_connection_is_opened_for_the_first_lock_and_given_back_with_the_last(
    exchange: Exchange, run: locks.RunLocks
) -> None:
    one, other = run.take("one"), run.take("other")
    assert one is not None
    assert [one, other] == exchange.lines * 2
    run.give_back("one", one)
    assert exchange.open_lines == [one]
    # What was given back may be taken again, and what is held may not.
    assert (run.take("one"), run.take("other")) == (one, None)
    for name in ("other", "one"):
        assert exchange.open_lines == [one]
        run.give_back(name, one)
    assert exchange.open_lines == []


@every_way
def test_for_a_lock_that_another_has_no_connection_stays_open(exchange: Exchange, run: locks.RunLocks) -> None:
    exchange.elsewhere.add("theirs")
    assert run.take("theirs") is None
    assert exchange.open_lines == []
    ours = run.take("ours")
    assert run.take("theirs") is None
    assert exchange.open_lines == [ours]
    exchange.elsewhere.clear()
    assert run.take("theirs") is ours


@every_way
def test_for_a_lock_that_can_not_be_asked_for_no_connection_stays_open(exchange: Exchange, run: locks.RunLocks) -> None:
    exchange.error = DatabaseError("It is away.")
    with pytest.raises(DatabaseError, match="away"):
        run.take("ours")
    assert exchange.open_lines == []
    exchange.error = None
    ours = run.take("ours")
    exchange.error = DatabaseError("It is away.")
    with pytest.raises(DatabaseError, match="away"):
        run.take("theirs")
    assert exchange.open_lines == [ours]


@every_way
def test_what_a_session_held_that_ended_takes_nothing_from_the_one_after_it(
    exchange: Exchange, run: locks.RunLocks
) -> None:
    before = run.take("ours")
    assert before is not None
    exchange.lines[0].is_there, exchange.lines[0].invalidated = False, True
    after = run.take("ours")
    assert after is not before
    assert exchange.open_lines == [after]
    run.give_back("ours", before)
    assert exchange.open_lines == [after]
    assert run.take("ours") is None


@every_way
def test_a_session_that_ended_is_given_back_though_others_were_held_by_it(
    exchange: Exchange, run: locks.RunLocks
) -> None:
    held, _ = run.take("one"), run.take("other")
    assert held is not None
    exchange.lines[0].invalidated = True
    run.give_back("one", held)
    assert exchange.open_lines == []
    # Of the other nothing is remembered.
    assert run.take("other") is exchange.lines[-1]


@pytest.mark.parametrize("is_pooled", [True])
def test_behind_a_pooler_a_lock_is_given_back_by_the_end_of_its_transaction_alone(exchange: Exchange) -> None:
    session: Any = Line(exchange.is_pooled)
    assert locks.release(session, "ours") is True
