"""`ironforge watch` over a real database and a real socket: what fires, what is remembered, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import insert, text

from ironforge_cli.db.engine import Database, conninfo
from ironforge_cli.db.models import RECIPE_OUTPUTS, RECIPES
from tests.answers import chain
from tests.tell.receivers import DISCORD, Receiver, receiving

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Generator
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.cli.conftest import Run
    from tests.servers import TestServer

KEYS = ["rule", "region", "item_id", "value", "threshold", "fired", "reason"]
FOR_EVER = ("--max-age", "36000d")
EU = ("--region", "eu")
RULES = """[[rule]]
name = "ore"
item = "Draconium Ore"
what = "min_price"
region = "eu"
below = "999g"
note = "buy"

[[rule]]
item = 15
what = "min_price"
region = "eu"
below = 5

[[rule]]
item = 14
what = "quantity"
region = "eu"
above = 1_000_000
"""


def install(connection: Connection) -> None:
    """The market, with a recipe that makes an ore of nothing."""
    chain.install(connection)
    recipe: dict[str, Any] = {
        "id": 7,
        "faction": "Neutral",
        "name": "Ore from Air",
        "profession": "Alchemy",
        "data": {},
    }
    made = {"recipe_id": 7, "faction": "Neutral", "item_id": 14, "source": "file", "detail": "test", "quantity": 2.0}
    connection.execute(insert(RECIPES), [recipe])
    connection.execute(insert(RECIPE_OUTPUTS), [made])


@pytest.fixture(scope="module")
def market(server: TestServer) -> Generator[str]:
    with server.prepared_database("watched", install) as url:
        yield url


@pytest.fixture(autouse=True)
def states(market: str, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    monkeypatch.setenv("IRONFORGE_DATABASE_URL", market)
    yield
    with psycopg.connect(conninfo(market), autocommit=True) as connection:
        connection.execute("TRUNCATE watch_states, scraper_logs, benchmarks")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.toml"
    file.write_text(RULES, encoding="utf-8")
    return file


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with receiving() as running:
        yield running


def change(url: str, statement: str) -> Any:
    """Do something to the database, and return what it said."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        done = connection.execute(statement.encode())
        return done.fetchall() if done.description else None


def test_rows_have_the_published_keys_and_a_crossing_is_told_once(run: Run, rules: Path, market: str) -> None:
    words = ("watch", "--rules", str(rules), *FOR_EVER, "--format", "json")
    first = run(*words)
    assert (first.exit_code, first.stderr) == (0, "")
    found = json.loads(first.stdout)
    assert [list(row) for row in found] == [KEYS] * 3
    assert [row["fired"] for row in found] == [True, False, False]
    ore = chain.hours_of(chain.Region.EU, 14)[chain.NEWEST]
    assert found[0] == {
        "rule": "ore",
        "region": "eu",
        "item_id": 14,
        "value": ore.min_price,
        "threshold": 9_990_000,
        "fired": True,
        "reason": "fired",
    }
    assert (found[1]["value"], found[1]["reason"]) == (None, "unknown: none is for sale")
    again = run(*words, "--exit-code")
    assert again.exit_code == 5
    assert json.loads(again.stdout)[0]["reason"].startswith("told before: armed again at 1,029g")
    logged = change(market, "SELECT command, status FROM scraper_logs ORDER BY id")
    assert logged == [("watch", "success"), ("watch", "no_change")]


def test_one_run_tells_everybody_in_one_message_each(run: Run, rules: Path, receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "webhooks"
    file.write_text(f"{receiver.url}{DISCORD}\nntfy+{receiver.url}/topic-secret\n", encoding="utf-8")
    file.chmod(0o600)
    receiver.says(DISCORD, (429, {"Retry-After": "0"}))
    hook = f"{receiver.url}/hook?token=secret"
    words = ("watch", "--rules", str(rules), *FOR_EVER, "--webhook", hook, "--webhook-file", str(file))
    done = run(*words)
    assert done.exit_code == 0
    assert "secret" not in done.stdout + done.stderr
    assert done.stdout.count("Sent to http://127.0.0.1:") == 3
    line = "ore: Draconium Ore, EU: min_price "
    assert receiver.documents("/hook?token=secret")[0]["text"].startswith(line)
    assert [document["content"].splitlines()[1][: len(line)] for document in receiver.documents(DISCORD)] == [line] * 2
    assert receiver.bodies["/topic-secret"][0].decode().endswith("below 999g. buy")
    assert run("-q", *words).stdout == ""
    assert [len(bodies) for bodies in receiver.bodies.values()] == [1, 2, 1]


def test_what_failed_is_3_is_named_without_its_secret_and_is_sent_by_the_next_run(
    run: Run, rules: Path, receiver: Receiver, market: str
) -> None:
    receiver.says("/secret", (500, {}))
    words = ("-q", "watch", "--rules", str(rules), *FOR_EVER, "--webhook", f"{receiver.url}/secret")
    failed = run(*words)
    assert (failed.exit_code, failed.stdout) == (3, "")
    assert f"{receiver.url}/…: it answered 500; 1 alert waits for the next run." in failed.stderr
    listed = run("watch", "list", "--rules", str(rules)).stdout
    assert f"1 alert waits for {receiver.url}/…" in listed
    done = run(*words)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert len(receiver.bodies["/secret"]) == 2
    kept = change(market, "SELECT state::text FROM watch_states")
    logged = change(market, "SELECT status, error_message FROM scraper_logs ORDER BY id")
    assert logged[0][0] == "failed"
    assert logged[0][1].startswith(f"{receiver.url}/…: it answered 500")
    assert logged[1] == ("no_change", None)
    assert "secret" not in str(kept) + str(logged) + failed.stderr + listed


def test_stale_data_are_4_with_one_notice(run: Run, rules: Path, receiver: Receiver) -> None:
    words = ("watch", "--rules", str(rules), "--webhook", f"{receiver.url}/hook")
    first, second = run(*words), run(*words, "--exit-code")
    assert (first.exit_code, second.exit_code) == (4, 4)
    (document,) = receiver.documents("/hook")
    assert document["alerts"] == []
    assert document["notices"][0]["text"].startswith("EU: data are stale, the newest snapshot is of 2026-01-14 12:03")
    assert run(*words, *FOR_EVER).exit_code == 0
    assert len(receiver.documents("/hook")) == 2
    printed = run("-q", "watch", "14", "--below", "1g", *EU)
    assert (printed.exit_code, "stale" in printed.stdout) == (4, True)
    assert run("-q", "watch", "14", "--below", "1g", *EU).stdout == ""


def test_a_dry_run_says_what_each_rule_sees_and_leaves_no_trace(run: Run, rules: Path, market: str) -> None:
    words = ("watch", "--rules", str(rules), *FOR_EVER, "--dry-run", "--webhook", "http://127.0.0.1:1/secret")
    seen = run(*words)
    assert seen.exit_code == 0
    assert (seen.stdout.count("below 999g"), seen.stdout.count("fired. buy")) == (1, 1)
    assert "alerts would go to http://127.0.0.1:1/…" in seen.stdout
    assert "secret" not in seen.stdout
    assert run(*words, "--format", "json").stdout == run(*words, "--format", "json").stdout
    assert change(market, "SELECT count(*) FROM watch_states") == [(0,)]
    assert change(market, "SELECT count(*) FROM scraper_logs") == [(0,)]


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("14", "--what", "cost_of_15", "--above", "1"), "cost"),
        (("14", "--what", "cost_of_1000", "--above", "1"), None),
        (("15", "--what", "quantity", "--below", "1"), 0),
        (("14", "--what", "change_24h", "--below", "500%"), "change_24h"),
        (("14", "--what", "below_usual", "--above", "-500%"), "below"),
        (("--what", "token", "--above", "1g"), 2_500_000_000),
        (("14", "--what", "spread", "--above", "0"), "spread"),
        (("--recipe", "7", "--what", "craft_profit", "--above", "-1g"), "profit"),
        (("14", "--what", "craft_profit", "--above", "-1g"), "profit"),
        (("13", "--what", "craft_profit", "--above", "-1g"), None),
    ],
)
def test_each_figure_is_that_of_its_question(run: Run, words: tuple[str, ...], value: Any) -> None:
    def asked(*question: str) -> dict[str, Any]:
        return json.loads(run(*question, *FOR_EVER, "--format", "json").stdout)[0]

    if value == "spread":
        (value,) = (
            row["ratio"] for row in json.loads(run("spread", "--format", "json").stdout) if row["item_id"] == 14
        )
    elif value == "profit":
        value = asked("craft", "7", *EU)["profit"] if "craft" in value else None
        value = json.loads(run("crafts", "--all", *EU, *FOR_EVER, "--format", "json").stdout)[0]["profit"]
    elif value == "below":
        priced = asked("price", "14", *EU)
        value = 1 - priced["min_price"] / priced["usual_price"]
    elif value == "change_24h":
        value = asked("price", "14", *EU)["change_24h"]
    elif value == "cost":
        value = asked("price", "14", "--quantity", "15", *EU)["cost"]
    row = asked("watch", *words, *EU, "--dry-run")
    assert row["value"] == value
    assert row["fired"] is (value is not None)
    assert row["reason"].startswith("fired" if value is not None else "unknown: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "There is no rule"),
        (("14",), "--below or --above"),
        (("14", "--below", "12 gold"), "12g 50s"),
        (("14", "--below", "1g", "--what", "min_prise"), "did you mean 'min_price'"),
        (("--below", "1g"), "needs an item"),
        (("999999", "--below", "1g"), "the arguments: There is no item 999999"),
        (("dracothyst", "--below", "1g"), "12 (R1), 13 (R2)"),
        (("draconum ore", "--below", "1g"), "Draconium Ore"),
        (("14", "14", "--below", "1g"), "the same is watched"),
        (("14", "--below", "1g", "--rules", "x.toml"), "leave out --rules, or --below"),
        (("--rules", "/nowhere/x.toml"), "can't be read"),
        (("14", "--below", "1g", "--webhook", "secret"), "--webhook: this is no address"),
        (("--recipe", "Nothing of That", "--what", "craft_profit", "--above", "1g"), "names no recipe"),
        (("14", "--what", "spread", "--above", "1", "--webhook-file", "/nowhere"), "--webhook-file /nowhere"),
    ],
)
def test_what_can_not_be_watched_is_refused_with_what_to_do(run: Run, words: tuple[str, ...], told: str) -> None:
    ended = run("watch", *words, *FOR_EVER)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert "secret" not in ended.stderr


def test_an_item_that_is_not_there_is_named_with_its_line(run: Run, rules: Path) -> None:
    rules.write_text(f'{RULES}\n[[rule]]\nitem = "Nonesuch"\nwhat = "quantity"\nbelow = 3\n', encoding="utf-8")
    ended = run("watch", "--rules", str(rules))
    assert ended.exit_code == 2
    assert f'{rules}, line 21: "Nonesuch" names no item' in ended.stderr


def test_items_choose_among_the_rules_of_a_file(run: Run, rules: Path) -> None:
    words = ("--rules", str(rules), *FOR_EVER, "--format", "json")
    assert [row["item_id"] for row in json.loads(run("watch", "draconium ore", *words).stdout)] == [14, 14]
    assert "No rule is of 11" in run("watch", "11", *words).stderr


def test_rules_are_listed_and_silenced_by_name_or_number(run: Run, rules: Path) -> None:
    of_file = ("--rules", str(rules))
    assert "snoozed until" in run("watch", "snooze", "ore", "2d", *of_file).stdout
    silent = run("watch", *of_file, *FOR_EVER, "--format", "json")
    assert json.loads(silent.stdout)[0]["reason"].startswith("snoozed until ")
    rows = json.loads(run("watch", "list", *of_file, "--format", "json").stdout)
    keys = ["watch", "rule", "region", "what", "is_armed", "value", "seen_at", "fired_at", "snoozed_until"]
    assert [list(row) for row in rows] == [keys] * 3
    assert [row["snoozed_until"] is None for row in rows] == [False, True, True]
    assert run("watch", "snooze", "1", "0s", *of_file).exit_code == 0
    assert json.loads(run("watch", *of_file, *FOR_EVER, "--format", "json").stdout)[0]["fired"]
    everything = json.loads(run("watch", "list", "--format", "json").stdout)
    assert {row["rule"] for row in everything} >= {"min_price 14 below 9990000"}
    assert run("watch", "snooze", "min_price 14 below 9990000", "1h").exit_code == 0
    unknown = run("watch", "snooze", "ores", "1h", *of_file)
    assert (unknown.exit_code, "Near it: 'ore'" in unknown.stderr) == (2, True)
    assert run("watch", "snooze", "4", "1h", *of_file).exit_code == 2
    assert run("watch", "snooze", "nothing", "1h").exit_code == 2


def test_messages_are_tried(run: Run, receiver: Receiver) -> None:
    receiver.says("/b", (404, {}))
    done = run("watch", "test", "--webhook", f"{receiver.url}/a", "--webhook", f"{receiver.url}/b", "--format", "json")
    assert done.exit_code == 3
    assert [row["problem"] for row in json.loads(done.stdout)] == [None, "it answered 404"]
    assert "This is a test" in receiver.documents("/a")[0]["text"]
    assert run("watch", "test").exit_code == 2


def test_cron_hears_of_what_fired_where_nothing_else_is_told(run: Run, rules: Path) -> None:
    words = ("-q", "watch", "--rules", str(rules), *FOR_EVER)
    first = run(*words)
    assert first.exit_code == 0
    assert "Draconium Ore" in first.stdout
    assert "quantity" not in first.stdout
    assert run(*words).stdout == ""


def test_two_runs_of_a_watch_at_once_are_one(run: Run, rules: Path, market: str) -> None:
    from ironforge_cli.tell.keeping import KeptInDatabase  # noqa: PLC0415 - the command loads it for itself

    database = Database(market)
    try:
        with KeptInDatabase(database).locked(str(rules)):
            second = run("watch", "--rules", str(rules), *FOR_EVER)
            assert second.exit_code == 75
            assert "nothing is lost" in second.stderr
    finally:
        database.close()
    assert run("watch", "--rules", str(rules), *FOR_EVER).exit_code == 0


def test_who_may_only_read_remembers_in_the_home(
    run: Run, rules: Path, market: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(market)
    with database.transaction() as connection:
        connection.execute(text("DROP ROLE IF EXISTS watch_reader"))
        connection.execute(text("CREATE ROLE watch_reader LOGIN"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO watch_reader"))
    reader = f"{conninfo(market)} options='-c role=watch_reader'"
    words = ("watch", "--rules", str(rules), *FOR_EVER, "--format", "json")
    try:
        fired = [
            json.loads(run(*words, IRONFORGE_DATABASE_URL=reader).stdout)[0]["fired"],
            json.loads(run(*words, IRONFORGE_DATABASE_URL=reader).stdout)[0]["fired"],
        ]
        (kept,) = (tmp_path / "home" / "watch").glob("*.json")
        assert fired == [True, False]
        assert kept.stat().st_mode & 0o777 == 0o600
        assert change(market, "SELECT count(*) FROM watch_states") == [(0,)]
        listed = json.loads(run("watch", "list", "--format", "json", IRONFORGE_DATABASE_URL=reader).stdout)
        assert {row["watch"] for row in listed} == {str(rules)}
        # Nothing is started where only a database to read is named.
        monkeypatch.delenv("IRONFORGE_DATABASE_URL")
        done = run(*words, IRONFORGE_READ_URL=reader)
        assert (done.exit_code, done.stderr) == (0, ""), done.stderr
        assert json.loads(done.stdout)[0]["reason"].startswith("told before")
        assert not (tmp_path / "home" / "postgres").exists()
        kept.write_text("{", encoding="utf-8")
        damaged = run(*words, IRONFORGE_DATABASE_URL=reader)
        assert (damaged.exit_code, str(kept) in damaged.stderr) == (78, True)
    finally:
        with database.transaction() as connection:
            connection.execute(text("DROP OWNED BY watch_reader; DROP ROLE watch_reader"))
        database.close()


@pytest.mark.slow
def test_a_run_that_is_killed_between_sending_and_remembering_sends_that_once_more(
    run: Run, start: Callable[..., subprocess.Popen[bytes]], rules: Path, receiver: Receiver
) -> None:
    words = ("watch", "--rules", str(rules), *FOR_EVER, "--webhook", f"{receiver.url}/slow")
    killed = start(*words)
    assert receiver.arrived.wait(60)
    killed.kill()
    killed.wait()
    receiver.asleep.set()
    assert run(*words).exit_code == 0
    assert run(*words).exit_code == 0
    first, again = (document["alerts"] for document in receiver.documents("/slow"))
    assert first == again
    assert [alert["rule"] for alert in first] == ["ore"]
