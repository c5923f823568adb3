"""Which items words name, and what is said of those that are for sale elsewhere or were called by a number."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from ironforge_cli.answers import items
from ironforge_cli.cli.app import app
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import NothingThereError
from ironforge_cli.regions import Region
from tests.answers.chain import NAMELESS, NEWEST

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from tests.answers.conftest import Ask

ONLY_IN_EU = 77


@pytest.fixture
def connection(market: str) -> Generator[Connection]:
    """A connection whose changes nobody else sees, and which are undone."""
    with closing(Database(market)) as opened, opened.connect() as found:
        yield found


def meant(connection: Connection, *words: str) -> list[int]:
    return [one.item_id for one in items.all_of(connection, (Region.EU,), words)]


def test_a_number_is_an_items_own_before_it_is_a_name(connection: Connection) -> None:
    connection.execute(text("INSERT INTO items (id, item_name) VALUES (1001, '14'), (1002, '16'), (1003, '4711')"))
    assert meant(connection, "14") == [14]
    assert meant(connection, str(NAMELESS), "dracothyst", "014") == [NAMELESS, 12, 13, 14]
    assert meant(connection, "4711") == [1003]
    with pytest.raises(NothingThereError, match="no item 4712"):
        meant(connection, "4712")


def test_an_item_of_another_region_is_known_to_be_absent_and_no_unknown_one(connection: Connection) -> None:
    with pytest.raises(NothingThereError):
        items.all_of(connection, (Region.US,), [str(ONLY_IN_EU)])
    connection.execute(
        text(
            "INSERT INTO eu_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions)"
            " VALUES (:item, :at, 1, 1)"
        ),
        {"item": ONLY_IN_EU, "at": NEWEST},
    )
    (found,) = items.all_of(connection, (Region.US,), [str(ONLY_IN_EU)])
    assert (found.item_id, found.name) == (ONLY_IN_EU, None)


def test_a_text_is_found_without_the_blanks_around_it_and_marks_as_they_stand(ask: Ask) -> None:
    assert [row["item_id"] for row in ask("find", " 14 ")] == [14]
    assert [row["item_id"] for row in ask("find", "'")] == [11]
    assert ask("find", "%") == ask("find", "_") == ask("find", ".*") == []


def test_commands_of_one_item_read_it_from_stdin(ask: Ask) -> None:
    assert ask("book", "-", stdin="\ufeff14\r\n") == ask("book", "14")
    explained = ask("explain", "-", "--figure", "min_price", stdin="draconium ore\n")
    assert {row["item_id"] for row in explained} == {14}


@pytest.mark.parametrize("stdin", ["", "14\n16\n"])
@pytest.mark.parametrize("command", ["book", "explain"])
def test_commands_of_one_item_refuse_another_number_of_them(
    market: str, monkeypatch: pytest.MonkeyPatch, command: str, stdin: str
) -> None:
    monkeypatch.setenv("IRONFORGE_READ_URL", market)
    ended = CliRunner().invoke(app, [command, "-"], input=stdin, catch_exceptions=False)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "this command takes one" in ended.stderr
