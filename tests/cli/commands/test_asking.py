"""Questions at the command line: what is left out, what is refused, and what is said below a table."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from ironforge_cli.cli.frame.asking import money
from ironforge_cli.db.engine import conninfo
from tests.answers import chain

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.servers import TestServer

AWAY = "postgresql://127.0.0.1:1/x"
QUESTIONS = [["price", "-"], ["top"], ["movers"], ["deals"], ["token"], ["spread"], ["find", "ore"]]


@pytest.fixture
def market(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """A database that holds a market, where questions read."""
    monkeypatch.setenv("IRONFORGE_DATABASE_URL", AWAY)
    with server.prepared_database("asked", chain.install) as url:
        monkeypatch.setenv("IRONFORGE_READ_URL", url)
        yield url


@pytest.mark.usefixtures("market")
def test_rows_are_chosen_by_limit_columns_and_sort_in_every_format(run: Run) -> None:
    everything = run("history", "14", "--since", "40h", "--region", "eu", "--format", "jsonl").stdout.splitlines()
    assert len(everything) == 40
    table = run("history", "14", "--since", "40h", "--region", "eu").stdout
    assert "20 more rows: --limit 0 shows all." in table
    assert "2026-01-14T12:00:00Z" in table
    newest = run("history", "14", "--region", "eu", "--limit", "1", "--format", "jsonl").stdout
    assert json.loads(newest)["bucket"] == "2026-01-14T12:00:00Z"
    words = ("top", "--region", "eu", "--columns", "sold,item_id", "--limit", "2")
    rising = run(*words, "--sort", "sold", "--format", "csv").stdout.splitlines()
    falling = run(*words, "--sort", "-sold", "--format", "csv").stdout.splitlines()
    assert rising[0] == falling[0] == "sold,item_id"
    assert (len(rising), len(falling)) == (3, 3)
    assert int(rising[1].split(",")[0]) < int(falling[1].split(",")[0])


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["price", "draconum ore"], "Draconium Ore"),
        (["price", "drac"], '"drac" is a part of 2 names: Dracothyst, Draconium Ore. Say more.'),
        (["price", "zzz"], '"zzz" names no item. `ironforge find` looks'),
        (["price", "999"], "There is no item 999"),
        (["price", "9" * 5_000], "names no item"),
        (["book", "dracothyst"], "12 (R1), 13 (R2)"),
        (["book", "14", "--at", "2026-01-08"], "not held"),
        (["top", "--columns", "gold"], "gold"),
        (["top", "--sort", "gold"], "gold"),
        (["movers", "--up", "--down"], "--up"),
        (["movers", "--min-turnover", "much"], "much"),
        (["deals", "--discount", "120%"], "120%"),
        (["history", "14", "--tz", "Mars/Olympus"], "Mars/Olympus"),
        (["history", "14", "--since", "0h"], "0h"),
        (["history", "14", "--since", "2026-01-14", "--until", "2026-01-10"], "--since"),
        (["history", "14", "--since", "1971-01-01"], "--by day"),
        (["history", "14", "--since", "40h", "--dark"], "--png"),
        (["spread", "--region", "eu"], "Two regions"),
    ],
)
def test_what_can_not_be_answered_is_refused_with_what_to_do(run: Run, words: list[str], said: str) -> None:
    ended = run(*words)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in ended.stderr


@pytest.mark.usefixtures("market")
def test_an_old_answer_is_written_and_fails_where_that_was_asked(run: Run) -> None:
    fresh = run("top", "--fail-stale", "--max-age", "36000d", "--format", "json")
    stale = run("top", "--fail-stale", "--format", "json")
    assert (fresh.exit_code, stale.exit_code) == (0, 4)
    assert fresh.stdout == stale.stdout
    said = run("movers", "--over", "40h")
    assert said.exit_code == 0
    assert "stale: older than 2 h" in said.stdout
    assert "missing: 2026-01-13 03:00 to 06:00 (4 hours)" in said.stdout.replace("\n", " ")


@pytest.mark.usefixtures("market")
def test_the_newest_book_is_as_stale_when_it_was_asked_for_by_a_time(run: Run) -> None:
    book = ("book", "14", "--region", "eu", "--fail-stale", "--format", "json", "--at")
    newest, earlier, later = (run(*book, at) for at in ("2026-01-14T12:03:07Z", "2026-01-14T12:03:06Z", "2030-01-01"))
    assert (newest.exit_code, later.exit_code) == (4, 4)
    # The raw auctions of the hour before are not held: what was asked for is another hour.
    assert (earlier.exit_code, "not held" in earlier.stderr) == (2, True)
    past = run("explain", "14", "--region", "eu", "--fail-stale", "--at", "2026-01-14T12:03:06Z")
    assert past.exit_code == 0


@pytest.mark.usefixtures("market")
def test_csv_without_rows_has_its_heads(run: Run) -> None:
    assert run("deals", "--days", "0", "--format", "csv").stdout == (
        "region,item_id,name,rank,usual_price,min_price,units,cost,gain,sold_per_day\n"
    )
    assert run("find", "zzz", "--format", "csv", "--columns", "name,item_id").stdout == "name,item_id\n"
    assert run("find", "zzz", "--format", "jsonl").stdout == ""


@pytest.mark.usefixtures("market")
def test_people_see_gold_ranks_and_dashes(run: Run) -> None:
    both = run("price", "dracothyst", "15", "--quantity", "1000").stdout
    assert "R1, id 12" in both
    assert "R2, id 13" in both
    assert "for 207 (all)" in both
    assert "none for sale" in both
    assert "\N{EN DASH}" in both
    assert "None" not in both
    book = run("book", "14", "--region", "eu", "--quantity", "15").stdout
    assert "\N{FULL BLOCK}" in book
    assert "EU: 15 cost " in book
    assert " to " in next(line for line in run("history", "14").stdout.splitlines() if line.startswith("EU 14"))


@pytest.mark.usefixtures("market")
def test_history_is_plotted_and_mapped_in_the_terminal_with_its_scale(run: Run) -> None:
    pytest.importorskip("plotext", reason="the extra plot is not installed")
    plotted = run("history", "14", "--since", "40h", "--region", "eu", "--plot").stdout.splitlines()
    assert "EU 14, price: market value; dotted: cheapest" in plotted
    assert "EU 14, sales: sold; dotted: low, high" in plotted
    assert max(map(len, plotted)) <= 120
    mapped = run("history", "14", "--region", "eu", "--by", "hour-of-week").stdout.splitlines()
    scale = next(place for place, line in enumerate(mapped) if line.startswith("EU 14, market value: "))
    assert mapped[scale].endswith("a blank is unknown")
    assert [line[:3] for line in mapped[scale + 2 : scale + 9]] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert max(map(len, mapped[scale : scale + 9])) <= 80


@pytest.mark.usefixtures("market")
def test_a_picture_is_written_beside_the_answer(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the extra charts is not installed")
    file = tmp_path / "prices.svg"
    answered = run("history", "14", "--since", "40h", "--format", "csv", "--svg", str(file))
    assert answered.exit_code == 0
    assert answered.stdout.startswith("region,item_id,bucket")
    assert "<svg" in file.read_text()


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["history", "14", "--plot"], "plot"),
        (["history", "14", "--png"], "charts"),
        (["token", "--svg"], "charts"),
        (["book", "14", "--html"], "charts"),
        (["spread", "--png"], "charts"),
    ],
)
def test_what_an_extra_is_missing_for_is_refused_with_how_to_install_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], extra: str
) -> None:
    for module in ("plotext", "vl_convert"):
        monkeypatch.setitem(sys.modules, module, None)
    file = tmp_path / "picture"
    ended = run(*words, *([str(file)] if extra == "charts" else []))
    assert (ended.exit_code, ended.stdout) == (78, "")
    assert f"pip install 'ironforge-cli[{extra}]'" in ended.stderr.replace("\n", " ")
    assert not file.exists()


@pytest.mark.usefixtures("market")
def test_a_picture_is_called_by_the_names_of_its_items_and_by_the_number_of_one_without(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    titles: list[str] = []

    def draw(*_: object, title: str, **__: object) -> tuple[str, ...]:
        titles.append(title)
        return ()

    for command in ("history", "book"):
        monkeypatch.setattr(f"ironforge_cli.cli.commands.{command}.draw", draw)
    svg = ("--svg", str(tmp_path / "a.svg"), "--region", "eu")
    for words in (["history", "16", "dracothyst"], ["history", "14"], ["book", "16"], ["book", "14"]):
        assert run(*words, *svg).exit_code == 0
    assert titles == ["item 16, Dracothyst", "Draconium Ore", "item 16, order book", "Draconium Ore, order book"]


def test_an_empty_database_answers_with_nothing(run: Run, database_url: str) -> None:
    for words in QUESTIONS:
        ended = run(*words, "--format", "json", stdin="", IRONFORGE_DATABASE_URL=database_url)
        assert (ended.exit_code, json.loads(ended.stdout)) == (0, []), words
    assert "nothing is stored yet" in run("top", IRONFORGE_DATABASE_URL=database_url).stdout
    assert run("top", "--fail-stale", IRONFORGE_DATABASE_URL=database_url).exit_code == 4
    assert run("price", "ore", IRONFORGE_DATABASE_URL=database_url).exit_code == 2


def test_a_role_that_may_only_read_may_ask(run: Run, market: str) -> None:
    role = sql.Identifier("only_asks")
    with psycopg.connect(conninfo(market), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'only-for-tests'").format(role))
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(role))
        try:
            head, _, tail = market.partition("://")
            url = f"{head}://only_asks:only-for-tests@{tail.rpartition('@')[2]}"
            for words in (*QUESTIONS, ["book", "14"], ["history", "14"], ["price", "14", "--quantity", "3"]):
                ended = run(*words, stdin="", IRONFORGE_READ_URL=url)
                assert (ended.exit_code, ended.stderr) == (0, ""), words
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_money_is_words_or_a_number_of_gold() -> None:
    assert [money(text) for text in ("12g 50s", "1000", "3s 4c", "0.5")] == [125_000, 10_000_000, 304, 5_000]


def test_where_questions_read_is_shown_without_its_password(run: Run) -> None:
    shown = run("config", "show", IRONFORGE_READ_URL="postgresql://me:hidden@db.example/x").stdout
    assert "db.example" in shown
    assert "hidden" not in shown
