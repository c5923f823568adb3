from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import subprocess
import sys
import termios
import threading
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from typer.testing import CliRunner

from ironforge_cli.cli.app import app
from ironforge_cli.db.embedded import EmbeddedServer
from ironforge_cli.db.embedded.cluster import answering_pid
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.demo import demonstrate, published_hours
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.invention_oddities import OTHER_ERA
from tests.db.embedded_playground import sockets_of
from tests.documentation import PAGES
from tests.jobs import stored
from tests.quoted_commands import quoted_calls
from tests.servers import TestServer, open_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.jobs.conftest import Collector

HOURS, ITEMS, DAYS = 12, 6, 3
NEEDED = {"--png": "vl_convert", "--html": "vl_convert", "--plot": "plotext"}
"""Options of questions, and what they need that may not be installed."""
FEW = ["--auctions", "400", "--hours", str(HOURS), "--items", str(ITEMS), "--days"]


def run(*arguments: str, environment: dict[str, str]) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["demo", *arguments], env=environment)
    return result.exit_code, result.stdout, result.stderr


def run_in_a_terminal(*arguments: str, columns: int, environment: dict[str, str]) -> tuple[int, str, str]:
    """Run the demo as a person does, and return its exit code, what the terminal showed, and stderr."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    with subprocess.Popen(
        [sys.executable, "-m", "ironforge_cli", "demo", *arguments],
        env={**inherited, **environment, "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
        os.close(ours)
        _, said = process.communicate()
    return process.returncode, shown.decode(), said


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:
        # So Linux says that nobody has the other end open any more.
        return b""


@dataclass(frozen=True)
class Seen:
    """What a demo and one of every region in the same folder showed, beside a database and a home of the user's own."""

    home: Path
    records: list[dict[str, Any]]
    text: str
    said: str
    own_home: Path
    own_url: str
    threads_left: set[str]


@pytest.fixture(scope="module")
def seen(server: TestServer) -> Generator[Seen]:
    with open_folder() as folder, server.migrated_database() as own_url:
        home, own_home = folder / "demo", folder / "own"
        own_home.mkdir()
        (own_home / "kept").write_text("mine")
        environment = {"IRONFORGE_HOME": str(own_home), "IRONFORGE_DATABASE_URL": own_url}
        threads = set(threading.enumerate())
        of_another_seed = ("--home", str(home), *FEW, "0", "--seed", "2", "--format", "json")
        first, output, _ = run(*of_another_seed, environment=environment)
        left = {thread.name for thread in set(threading.enumerate()) - threads}
        named = [word for region in Region for word in ("--region", region)]
        again = ("--home", str(home), *FEW, str(DAYS), *named)
        second, text, said = run_in_a_terminal(*again, columns=80, environment=environment)
        assert (first, second) == (ExitStatus.DONE, ExitStatus.DONE)
        yield Seen(
            home=home,
            records=json.loads(output),
            text=text,
            said=said,
            own_home=own_home,
            own_url=own_url,
            threads_left=left,
        )


def test_the_demo_shows_what_sold_in_each_region(seen: Seen) -> None:
    assert [(record["region"], record["place"]) for record in seen.records] == [
        (region, place) for region in ("eu", "us") for place in range(1, ITEMS + 1)
    ]
    for record in seen.records:
        assert record["sales_low"] <= record["estimated_sales"] <= record["sales_high"]
        unknown, *hourly = record["hourly_sales"]
        assert unknown is None
        assert len(hourly) == HOURS - 1
        assert sum(hourly) == record["estimated_sales"] > 0


def test_a_second_demo_in_the_same_folder_begins_anew(seen: Seen) -> None:
    with EmbeddedServer(seen.home, environment=os.environ, bindir=None, account=None) as server:
        database = Database(server.url)
        for region in Region:
            times = [row[0] for row in stored.registry(database, region)]
            assert (
                len(times) == len(published_hours(hours=HOURS, days=DAYS)) == len(stored.token_prices(database, region))
            )
            assert len({time.date() for time in times}) == DAYS + 1
        assert stored.rows(database, "SELECT count(*) > 0 FROM reagents") == [(True,)]
        # Several items bear one name, as ranks do.
        assert stored.rows(database, "SELECT count(*) > count(DISTINCT item_name) FROM items") == [(True,)]
        assert stored.rows(database, "SELECT count(*) > 0 FROM recipe_outputs") == [(True,)]
        assert {row[0] for row in stored.attempts(database)} == {"success"}
        database.close()


def test_the_users_own_home_and_database_stay_as_they_are(seen: Seen) -> None:
    assert [path.name for path in seen.own_home.rglob("*")] == ["kept"]
    own = Database(seen.own_url)
    for table in ("snapshots", "scraper_logs", "benchmarks", "items", "eu_token_price"):
        assert stored.rows(own, f"SELECT count(*) FROM {table}") == [(0,)]
    own.close()


def test_nothing_runs_after_the_demo(seen: Seen) -> None:
    assert answering_pid(sockets_of(seen.home)) is None
    assert seen.threads_left == set()


def test_the_text_names_both_regions_the_folder_and_what_to_type_next(seen: Seen) -> None:
    for expected in (
        "EU",
        "US",
        "a token costs",
        str(seen.home),
        "ironforge db shell",
        "ironforge collect",
        "ironforge top --region eu,us,kr,tw",
        "--figure market_value",
        "ironforge crafts --region eu,us,kr,tw",
        "ironforge craft ",
    ):
        assert expected in seen.text
    assert "with IRONFORGE_DATABASE_URL unset" in seen.text
    assert seen.said == ""


def test_every_example_of_the_page_of_questions_and_of_the_demo_is_answered(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (PAGES / "questions.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) > 15
    told = re.findall(r"ironforge ((?:\w+ )+.*--region \S+)", seen.text.replace("\r", ""))
    assert [line.split()[0] for line in told] == [
        *("top", "movers", "deals", "price", "history", "explain", "crafts", "craft"),
    ]
    lines += [f"ironforge {line}" for line in told]
    missing = {option for option, module in NEEDED.items() if find_spec(module) is None}
    with EmbeddedServer(seen.home, environment=os.environ, bindir=None, account=None) as server:
        environment = {"IRONFORGE_HOME": str(tmp_path / "home"), "IRONFORGE_READ_URL": server.url}
        for line in lines:
            call, _, given = line.partition(" < ")
            (quoted,) = quoted_calls(call)
            if missing.intersection(quoted.arguments):
                continue
            stdin = "Cresset Honing Oil\n2514\n" if given else None
            ended = CliRunner().invoke(app, list(quoted.arguments), env=environment, input=stdin)
            assert (ended.exit_code, ended.stderr) == (0, ""), line
            assert ended.stdout.strip(), line
            for option, name in pairwise(quoted.arguments):
                if option in {"--png", "--html"}:
                    assert (tmp_path / name).stat().st_size > 0


def test_a_loop_of_transmutes_ends_and_no_thing_of_another_era_is_taken_for_an_output(
    seen: Seen, tmp_path: Path
) -> None:
    with EmbeddedServer(seen.home, environment=os.environ, bindir=None, account=None) as server:
        with closing(Database(server.url)) as database:
            far = stored.rows(database, f"SELECT id FROM items WHERE id >= {OTHER_ERA}")
            taken = stored.rows(database, f"SELECT item_id FROM recipe_outputs WHERE item_id >= {OTHER_ERA}")
            loop = stored.rows(database, "SELECT id FROM recipes WHERE name LIKE 'Transmute: %%' ORDER BY id")
        assert far, "the names of another era's things are known"
        assert taken == []
        environment = {"IRONFORGE_HOME": str(tmp_path), "IRONFORGE_READ_URL": server.url}
        words = ["crafts", "--all", "--batch", "3", "--region", "eu", "--format", "json"]
        rows = json.loads(CliRunner().invoke(app, words, env=environment).stdout)
        ended = {row["recipe_id"]: row for row in rows if (row["recipe_id"],) in loop}
        assert len(ended) == len(loop) == 3
        for recipe, row in ended.items():
            (full,) = json.loads(CliRunner().invoke(app, ["craft", str(recipe), *words[2:]], env=environment).stdout)
            # Of three things in a loop the one that is made is not made of itself: at most two crafts in a row.
            assert full["depth"] in {1, 2}
            (what_it_takes,) = full["takes"]
            assert what_it_takes["units"] == 3
            is_short = any(one.startswith(("reagent_unpriced", "short_book")) for one in row["reasons"])
            assert (row["cost"] is None) == is_short


def test_a_folder_that_holds_something_else_is_refused_and_left_alone() -> None:
    with open_folder() as folder:
        (folder / "thesis.txt").write_text("years of work")
        code, _, said = run("--home", str(folder), *FEW, "0", environment={})
        assert code == ExitStatus.USAGE
        assert "holds something that is no demo" in said
        assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
        code, _, said = run("--home", str(folder / "thesis.txt"), *FEW, "0", environment={})
        assert code == ExitStatus.USAGE
        assert "can't be used" in said
        assert (folder / "thesis.txt").read_text() == "years of work"


def test_a_second_demo_at_the_same_time_is_told_so() -> None:
    with open_folder() as folder:
        mark = folder / "this-is-a-demo"
        with mark.open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            code, _, said = run("--home", str(folder), *FEW, "0", environment={})
        assert code == ExitStatus.LOCKED
        assert "Another demo runs" in said
        assert [path.name for path in folder.iterdir()] == [mark.name]


def test_no_line_is_too_long_for_a_terminal_of_80_columns(seen: Seen) -> None:
    lines = re.sub(r"\x1b\[[0-9;]*m", "", seen.text).splitlines()
    of_items = [line for line in lines if re.search("[▁▂▃▄▅▆▇█]", line)]
    assert len(of_items) == len(Region) * ITEMS
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(of_items)


def test_what_is_shown_is_what_was_stored(collector: Collector) -> None:
    demonstrated = demonstrate(
        DEFAULT_REGIONS,
        hours=4,
        days=0,
        publish=lambda passed: collector.publish(hours=passed),
        api=collector.client,
        storage=collector.storage,
        clock=collector.clock,
        progress=Silent(),
        items_shown=3,
    )
    assert demonstrated.status is ExitStatus.DONE
    for region, shown in zip(DEFAULT_REGIONS, demonstrated.regions, strict=True):
        expected = collector.expected(region)
        assert (shown.snapshots, shown.auctions) == (4, len(expected.auctions))
        assert (shown.since, shown.until) == (expected.registry[0][0], expected.registry[-1][0])
        assert shown.token_price == stored.token_prices(collector.database, region)[-1][1]
        sold: dict[int, list[int]] = {}
        for row in expected.statistics:
            sold.setdefault(row[0], []).append(row[10] or 0)
        assert len(shown.busiest) == 3
        for busy in shown.busiest:
            assert busy.by_hour[0] is None
            assert sum(units or 0 for units in busy.by_hour) == busy.sales.estimated_sales
            assert busy.sales.estimated_sales == sum(sold[busy.sales.item_id])
            catalogued = collector.sandbox.catalogue.items[busy.sales.item_id]
            assert busy.sales.name == (None if catalogued.removed else catalogued.name.english)


def test_a_cycle_that_fails_ends_the_demonstration_with_its_code(collector: Collector) -> None:
    collector.sandbox.set_fault("truncated", endpoint="commodities", region=Region.US)
    demonstrated = demonstrate(
        DEFAULT_REGIONS,
        hours=4,
        days=0,
        publish=lambda passed: collector.publish(hours=passed),
        api=collector.client,
        storage=collector.storage,
        clock=collector.clock,
        progress=Silent(),
        items_shown=5,
    )
    assert demonstrated.status is ExitStatus.PARTIAL
    assert demonstrated.regions == ()
    assert len(stored.registry(collector.database, Region.EU)) == 1


def test_the_server_of_a_demo_is_nobody_elses(seen: Seen) -> None:
    with EmbeddedServer(seen.home, environment=os.environ, bindir=None, account=None) as server:
        assert str(seen.home) in server.conninfo or "/ironforge-" in server.conninfo
        with psycopg.connect(server.conninfo) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
