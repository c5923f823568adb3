"""Exports: what is written reads back as what is stored, in every format; and what is left where one ends early."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
import zstandard
from psycopg.rows import dict_row
from sqlalchemy import insert, text
from typer.testing import CliRunner

from ironforge_cli.answers.answer import Asking
from ironforge_cli.archive import arrow
from ironforge_cli.archive.exported import ValueType
from ironforge_cli.cli.app import app
from ironforge_cli.db import bulk
from ironforge_cli.db.engine import Database, conninfo
from ironforge_cli.db.models import PRICE_STATS
from ironforge_cli.db.repositories import exported_rows, statistics_months
from ironforge_cli.errors import InterruptedRunError, OutputError, UsageError
from ironforge_cli.market.statistics_months import StatisticsMonth
from ironforge_cli.regions import Region
from ironforge_cli.tell import sources
from ironforge_cli.tell.exporting import ExportFormat, RecordRows, export, format_of
from ironforge_cli.tell.files import written_whole
from tests.answers import test_crafts
from tests.answers.chain import NEWEST
from tests.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from tests.servers import TestServer

# It comes without types.
pa, arrow_csv, pq = (cast("Any", import_module(name)) for name in ("pyarrow", "pyarrow.csv", "pyarrow.parquet"))
FORMATS = [one.value for one in ExportFormat]
DECEMBER = StatisticsMonth(Region.EU, date(2025, 12, 1))
FARTHEST = 2**63 - 1
ODD_NAMES = {70: 'Say "ore", or\nnothing', 71: "", 72: "tab\tand \\ back", 73: "矿石;x"}


def _install(connection: Connection) -> None:
    """A market with crafts, names that need quotes, and hours with every null and the largest numbers there are."""
    test_crafts.install(connection)
    connection.execute(
        text("INSERT INTO items (id, item_name) VALUES (:id, :name)"),
        [{"id": number, "name": name} for number, name in ODD_NAMES.items()],
    )
    connection.execute(
        text("INSERT INTO us_token_price VALUES ('2026-01-03 04:05:06.789+00', 1), ('2026-01-03 04:05:06.5+00', 2)")
    )
    statistics_months.create(connection, DECEMBER)
    odd: dict[str, Any] = dict.fromkeys(column.name for column in PRICE_STATS[Region.EU].columns)
    odd |= {"num_auctions": 0, "total_quantity": 0}
    connection.execute(
        insert(PRICE_STATS[Region.EU]),
        [
            {**odd, "timestamp": DECEMBER.starts_at + timedelta(hours=hour), "item_id": item, **more}
            for hour in range(3)
            for item, more in (
                (11, {}),
                (2**31 - 1, {"total_quantity": FARTHEST, "min_price": FARTHEST, "evidence": 2}),
                (12, {"mean_price": 1 / 3, "median_price": 1e300, "market_value": 5e-324, "interval_seconds": 0}),
            )
        ],
    )


@pytest.fixture(scope="module")
def market(server: TestServer) -> Generator[str]:
    with server.prepared_database("exported", _install) as url:
        yield url


@pytest.fixture(autouse=True)
def program(market: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRONFORGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("IRONFORGE_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    monkeypatch.setenv("IRONFORGE_READ_URL", market)
    # So that some hundred rows come in many pieces.
    monkeypatch.setattr(exported_rows, "ROWS_AT_ONCE", 100)
    monkeypatch.setattr(bulk, "_PIECE_BYTES", 1_000)


def run(*arguments: str, status: int = 0) -> Any:
    ended = CliRunner().invoke(app, ["export", *arguments], catch_exceptions=False)
    assert ended.exit_code == status, ended.stderr
    return ended


def read(content: bytes, form: str, schema: Any) -> list[dict[str, Any]]:
    """The rows of a file by readers of others; times as ISO 8601, lists joined."""
    match form:
        case "parquet":
            rows = pq.read_table(io.BytesIO(content)).to_pylist()
        case "csv":
            types = {field.name: pa.string() if pa.types.is_list(field.type) else field.type for field in schema}
            table = arrow_csv.read_csv(
                io.BytesIO(content),
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
                ),
            )
            rows = table.to_pylist()
        case _:
            rows = [json.loads(line) for line in content.decode().split("\n")[:-1]]
    return [{name: plain(value) for name, value in row.items()} for row in rows]


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, list):
        return ";".join(cast("list[str]", value))
    if isinstance(value, str) and value[:3] == "202" and value.endswith("Z"):
        return datetime.fromisoformat(value)
    return value


def stored(market: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(conninfo(market)) as connection, connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET timezone TO 'UTC'")
        return list(cursor.execute(query.encode()))


def key(row: dict[str, Any]) -> str:
    return repr([(name, str(value)) for name, value in row.items()])


def exported(tmp_path: Path, form: str, *arguments: str) -> list[dict[str, Any]]:
    """What a file of a format holds, read by the types that the same rows have as Parquet."""
    typed, file = tmp_path / "rows.parquet", tmp_path / f"rows.{form}"
    for one in {typed, file}:
        run(*arguments, "--output", str(one))
    return read(file.read_bytes(), form, pq.read_schema(typed))


EVERYTHING = "SELECT '{0}' AS region, * FROM {0}_commodity_price_stats"
BOOK = """
    SELECT region, item_id, snapshot_time, unit_price AS price, sum(quantity)::bigint AS quantity, count(*) AS auctions
    FROM (SELECT 'eu' AS region, * FROM auction_snapshots_eu UNION ALL SELECT 'us', * FROM auction_snapshots_us) AS raw
    GROUP BY region, item_id, snapshot_time, unit_price
"""


@pytest.mark.parametrize("form", FORMATS)
def test_statistics_read_back_as_they_are_stored(form: str, market: str, tmp_path: Path) -> None:
    found = exported(tmp_path, form, "statistics")
    wanted = stored(market, f"{EVERYTHING.format('eu')} UNION ALL {EVERYTHING.format('us')}")
    assert len(found) == 1_217
    assert set(found[0]) == set(wanted[0])
    assert list(found[0])[:3] == ["region", "timestamp", "item_id"]
    names = list(found[0])
    assert sorted(map(key, found)) == sorted(
        key({name: row[name] for name in names}) for row in as_written(wanted, form)
    )


def as_written(rows: list[dict[str, Any]], form: str) -> list[dict[str, Any]]:
    """JSON knows one kind of numbers: a whole one reads back without its fraction."""
    if form != "jsonl":
        return rows
    return [
        {
            name: int(one) if isinstance(one, float) and one.is_integer() and one < 1e15 else one
            for name, one in row.items()
        }
        for row in rows
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_a_book_holds_each_level_of_each_item(form: str, market: str, tmp_path: Path) -> None:
    found = exported(tmp_path, form, "book")
    wanted = sorted(stored(market, BOOK), key=lambda row: (row["region"], row["item_id"], row["price"]))
    units = cost = 0
    for before, row in zip([None, *wanted], wanted, strict=False):
        if before is None or (before["region"], before["item_id"]) != (row["region"], row["item_id"]):
            units = cost = 0
        units += row["quantity"]
        cost += row["quantity"] * row["price"]
        row |= {"cumulative_quantity": units, "cumulative_cost": cost}
    assert found == wanted
    assert "auction_id" not in found[0]


@pytest.mark.parametrize("form", FORMATS)
def test_token_prices_keep_their_milliseconds(form: str, market: str, tmp_path: Path) -> None:
    query = "SELECT '{0}' AS region, timestamp, price FROM {0}_token_price"
    wanted = stored(market, f"{query.format('eu')} UNION ALL {query.format('us')} ORDER BY region, timestamp")
    assert {row["timestamp"].microsecond for row in wanted} == {0, 500_000, 789_000}
    assert exported(tmp_path, form, "tokens") == wanted


@pytest.mark.parametrize("form", FORMATS)
def test_names_of_items_survive_quotes_ends_of_lines_and_nothing(form: str, tmp_path: Path) -> None:
    found = {row["item_id"]: row for row in exported(tmp_path, form, "items")}
    assert {number: found[number]["name"] for number in ODD_NAMES} == ODD_NAMES
    assert (found[12]["name"], found[12]["rank"], found[12]["total_quantity"]) == ("Dracothyst", 1, 411)
    assert (found[16]["name"], found[16]["quality"], found[70]["total_quantity"]) == (None, None, 0)


@pytest.mark.parametrize("form", FORMATS)
def test_recipes_hold_what_each_makes_and_takes(form: str, tmp_path: Path) -> None:
    found = exported(tmp_path, form, "recipes")
    second = [row for row in found if row["recipe_id"] == 2]
    told = [(row["part"], row["slot"], row["item_id"], row["quantity"], row["required"]) for row in second]
    assert told == [
        ("makes", None, 14, 5, None),
        ("takes", 1, 12, 3, True),
        ("takes", 1, 13, 3, True),
        ("takes", 2, 16, 1, False),
    ]
    assert {row["recipe_id"] for row in found} == set(range(1, 10))
    assert [row["source"] for row in second] == ["file", None, None, None]


@pytest.mark.parametrize("form", FORMATS)
def test_crafts_are_those_of_the_question_with_those_that_are_unknown(form: str, tmp_path: Path) -> None:
    asked = CliRunner().invoke(app, ["crafts", "--all", "--max-age", "36500d", "--format", "json"])
    wanted = [{name: plain(value) for name, value in row.items()} for row in json.loads(asked.stdout)]
    assert len(wanted) > 10
    assert any(row["profit"] is None for row in wanted)
    assert exported(tmp_path, form, "crafts") == wanted


def test_parquet_says_what_its_values_are(tmp_path: Path) -> None:
    run("crafts", "--output", str(tmp_path / "crafts.parquet"))
    run("statistics", "--item", "11", "--output", str(tmp_path / "statistics.parquet"))
    crafts, statistics = (pq.read_schema(tmp_path / f"{name}.parquet") for name in ("crafts", "statistics"))
    assert crafts.field("reasons").type == pa.list_(pa.string())
    assert statistics.field("timestamp").type == pa.timestamp("us", tz="UTC")
    assert (statistics.field("item_id").type, statistics.field("evidence").type) == (pa.int32(), pa.int16())
    assert (statistics.field("min_price").type, statistics.field("market_value").type) == (pa.int64(), pa.float64())


def test_a_month_that_lies_by_item_is_exported_like_one_that_lies_by_time(server: TestServer) -> None:
    arguments = ("statistics", "--region", "eu", "--until", "2026-01-01", "--format", "jsonl")
    before = run(*arguments).stdout.splitlines()
    with server.prepared_database("exported", _install) as url, psycopg.connect(conninfo(url)) as own:
        own.close()
        database = Database(url)
        with database.transaction() as connection:
            statistics_months.begin_copying(connection, DECEMBER)
        with database.transaction() as connection:
            statistics_months.copy_by_item(connection, DECEMBER, out_of=DECEMBER.name)
        with database.transaction() as connection:
            statistics_months.put_in_place(connection, [DECEMBER], instead_of=DECEMBER.name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IRONFORGE_READ_URL", url)
            after = run(*arguments).stdout.splitlines()
            # Who was granted the whole table alone reads it through that.
            with database.transaction() as connection:
                connection.execute(text("CREATE ROLE of_all LOGIN PASSWORD 'x'"))
                connection.execute(
                    text("GRANT SELECT ON eu_commodity_price_stats, us_commodity_price_stats, snapshots TO of_all")
                )
            with database.transaction() as connection:
                connection.execute(text("SET LOCAL ROLE of_all"))
                parts = exported_rows.statistics_parts(
                    connection, [Region.EU], since=None, until={Region.EU: DECEMBER.ends_at}, items=None
                )
                through = [line for part in parts for line in exported_rows.as_json_lines(connection, part)]
            with database.transaction() as connection:
                connection.execute(text("DROP OWNED BY of_all"))
                connection.execute(text("DROP ROLE of_all"))
        database.close()
    assert len(before) == 9
    assert sorted(after) == sorted(before)
    assert [json.loads(line)["item_id"] for line in after] == [11] * 3 + [12] * 3 + [2**31 - 1] * 3
    assert sorted(b"".join(through).decode().splitlines()) == sorted(before)


def test_spans_end_with_what_they_name_and_begin_after_it() -> None:
    def times(*arguments: str) -> list[str]:
        rows = run("statistics", "--item", "14", "--region", "eu", "--format", "jsonl", *arguments).stdout
        return [json.loads(row)["timestamp"][:16] for row in rows.splitlines()]

    assert times("--since", "2h") == ["2026-01-14T11:03", "2026-01-14T12:03"]
    edge = (NEWEST - timedelta(hours=1)).isoformat()
    assert times("--since", edge) == ["2026-01-14T12:03"]
    assert times("--since", "2h", "--until", edge) == ["2026-01-14T10:03", "2026-01-14T11:03"]
    assert times("--since", "2026-02-01") == []


def test_without_rows_there_is_a_heading_and_a_schema(tmp_path: Path) -> None:
    arguments = ("tokens", "--since", "2026-02-01")
    assert run(*arguments).stdout == "region,timestamp,price\n"
    assert run(*arguments, "--format", "jsonl").stdout == ""
    run(*arguments, "--output", str(tmp_path / "none.parquet"))
    assert pq.read_table(tmp_path / "none.parquet").to_pylist() == []


def test_a_file_is_packed_by_its_name_and_said_unless_quiet(tmp_path: Path) -> None:
    plainly = run("items").stdout.encode()
    said = run("items", "--output", str(tmp_path / "items.csv.gz")).stdout
    assert said.startswith(f"{tmp_path}/items.csv.gz: 11 rows, ")
    quiet = CliRunner().invoke(app, ["-q", "export", "items", "--output", str(tmp_path / "items.jsonl.zst")])
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")
    assert gzip.decompress((tmp_path / "items.csv.gz").read_bytes()) == plainly
    packed = io.BytesIO((tmp_path / "items.jsonl.zst").read_bytes())
    lines = zstandard.ZstdDecompressor().stream_reader(packed).read().decode()
    assert lines == run("items", "--format", "jsonl").stdout
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_file()) == ["items.csv.gz", "items.jsonl.zst"]


def test_a_dash_is_stdout_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("tokens", "--output", "-").stdout == run("tokens").stdout
    assert list(tmp_path.iterdir()) == []


def test_a_name_s_ending_counts_in_any_case_and_one_of_another_format_is_refused(tmp_path: Path) -> None:
    run("tokens", "--output", str(tmp_path / "T.JSONL.GZ"))
    assert gzip.decompress((tmp_path / "T.JSONL.GZ").read_bytes()).decode() == run("tokens", "--format", "jsonl").stdout
    assert format_of(None, "x.ndjson.zst") is ExportFormat.JSONL
    for name in ("x.json", "x.XLSX", "x.json.gz", "x.tsv"):
        with pytest.raises(UsageError, match="--format"):
            format_of(None, name)
        assert format_of(ExportFormat.CSV, name) is ExportFormat.CSV


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["items", "--output", "{0}/none/items.csv"], "name a file in a folder of yours"),
        (["items", "--output", "{0}"], "is a folder"),
        (["items", "--output", "{0}/items.parquet.gz"], "Parquet packs its pages itself"),
        (["items", "--format", "xlsx"], "xlsx"),
        (["items", "--item", "999999"], "There is no item 999999"),
        (["items", "--since", "3d"], "--since"),
        (["statistics", "--since", "2026-01-10", "--until", "2026-01-09"], "--since"),
        (["book", "--at", "2026-01-08"], "not held"),
        (["book", "--at", "2020-01-08"], "nothing is stored"),
    ],
)
def test_what_can_not_be_exported_is_refused_and_leaves_no_file(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    ended = run(*(one.format(tmp_path) for one in arguments), status=2)
    assert ended.stdout == ""
    assert said in ended.stderr
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


def test_parquet_without_pyarrow_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arrow.arrow.cache_clear()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ended = run("items", "--output", str(tmp_path / "items.parquet"), status=78)
    assert "pip install 'ironforge-cli[archive]'" in ended.stderr
    assert list(tmp_path.glob("*.parquet")) == []


class Ending:
    """Somebody who asks for the end after so many pieces."""

    def __init__(self, pieces: int) -> None:
        self.left = pieces

    def step(self, region: Region | None, name: str) -> None:
        assert region in {None, Region.EU}
        assert " rows, " in name
        self.left -= 1

    def check(self) -> None:
        if self.left < 0:
            raise InterruptedRunError("SIGINT")


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl.gz", "rows.parquet"])
def test_an_export_that_is_ended_leaves_what_was_there_and_nothing_else(name: str, market: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("before")
    form = next(one for one in ExportFormat if f".{one}" in name)
    with closing(Database(market)) as database:
        asking = Asking(database, (Region.EU,), NEWEST, timedelta.max)
        with (
            pytest.raises(InterruptedRunError),
            sources.statistics(asking, sources.Span(), []) as rows,
            written_whole(tmp_path / name) as stream,
        ):
            export(rows, form, stream, watching=Ending(2))
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == [name]
    assert (tmp_path / name).read_text() == "before"


def test_a_reader_that_left_is_no_error() -> None:
    program = (
        "import sys; from ironforge_cli.db import bulk; bulk._PIECE_BYTES = 1_000;"
        " from ironforge_cli.__main__ import main; main()"
    )
    call = [sys.executable, "-c", program, "export", "statistics"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"region,")
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)


def test_parquet_goes_into_a_pipe_and_not_to_a_terminal() -> None:
    piped = run("tokens", "--format", "parquet").stdout_bytes
    assert len(pq.read_table(io.BytesIO(piped))) == 64
    with Terminal(columns=120) as terminal:
        assert terminal.run_here("export", "tokens", "--format", "parquet") == 2
        assert "name a file with --output" in " ".join(terminal.final())


def test_a_full_disk_is_said_and_leaves_nothing() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    rows = RecordRows({"id": ValueType.INT64}, ({"id": number} for number in range(3)))
    with pytest.raises(OutputError, match="make room"), written_whole(Path("/dev/full")) as stream:
        export(rows, ExportFormat.CSV, stream, watching=Ending(2))
    assert Path("/dev/full").is_char_device()
    assert run("items", "--output", "/dev/null").stdout.startswith("/dev/null: 11 rows")
    assert Path("/dev/null").is_char_device()


def test_a_terminal_shows_how_far_it_is_and_keeps_the_result_alone(tmp_path: Path) -> None:
    with Terminal(columns=160) as terminal:
        assert terminal.run_here("export", "tokens", "--output", str(tmp_path / "tokens.csv")) == 0
        shown = terminal.final()
        assert b"MB in all" in terminal.bytes
    assert [line.partition(": ")[2].partition(",")[0] for line in shown] == ["64 rows"]
