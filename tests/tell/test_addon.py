"""The addon: what it says in the game, of what it was given; and how its files are written."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from typer.testing import CliRunner

from ironforge_cli.cli.app import app
from ironforge_cli.db.engine import conninfo
from ironforge_cli.errors import OutputError, UsageError
from ironforge_cli.regions import Region
from ironforge_cli.tell import files
from ironforge_cli.tell.addon import addon_files, write_addon
from tests.answers import chain
from tests.tell.game import PlayedGame, figures_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.servers import TestServer

AT = datetime(2026, 1, 14, 12, 3, 7, tzinfo=UTC)
NOW = AT + timedelta(minutes=41)
NAN = math.nan
ORE, CHEAP, GONE, UNKNOWN, DEAR = 210930, 2589, 15, 999_000, 2_147_483_647
FIGURES = figures_of(
    AT,
    {
        ORE: (123_456.0, 118_049.0, 110_000.0, 120.4, 340.2, 900.0, 0),
        CHEAP: (37.2, 99.7, 12.0, 0.0, 0.001, 12.345, 0),
        GONE: (NAN, 90_000.0, NAN, 0.0, 0.0, 0.0, 3),
        UNKNOWN: (5_000.0, NAN, 4_900.0, NAN, NAN, NAN, 0),
        DEAR: (99_999_999_900.0, 1_234_567_800.0, 99_999_999_900.0, 1_234.0, 123_456.7, 7_654_321.0, 0),
    },
)
# As the game writes them: with a crafting quality, with bonus ids, in the newer form of colours.
LINKS = (
    "|cff1eff00|Hitem:210930::::::::80:::::::::|h[Bismuth |A:Professions-ChatIcon-Quality-Tier2:17:15::1|a]|h|r",
    "|cnIQ2:|Hitem:210930::::::::80:577:::2:38:2:40:5:::::|h[Bismuth]|h|r",
    "|cffa335ee|Hitem:210930::::::::80:102::3:6:4:10355:10257:1498:8767:1:28:2462:::::|h[Bismuth]|h|r",
    "item:210930",
    "item:210930::::::::80:::::::::",
    "i:210930",
    " 210930 ",
    "Bismuth",
)


@pytest.fixture
def game() -> PlayedGame:
    played = PlayedGame.of(FIGURES, now=NOW)
    played.lua.execute(f'Game.names["Bismuth"] = {ORE}')
    assert played.errors == []
    return played


# Tooltips


def test_a_tooltip_shows_price_usual_price_and_what_sells_a_day(game: PlayedGame) -> None:
    assert game.point_at(LINKS[0], ORE) == [
        "Ironforge EU | 41 min ago",
        "Price | 12g 35s",
        "Usual price | 11g 80s",
        "Sold a day | 340 (120 to 900)",
    ]
    assert game.log_in() == ""


def test_what_is_not_known_is_said_and_never_0(game: PlayedGame) -> None:
    assert game.point_at("", GONE)[1:] == ["Price | none for sale", "Usual price | 9g", "Sold a day | 0 (0 to 0)"]
    assert game.point_at("", UNKNOWN)[1:] == ["Price | 50s", "Usual price | unknown", "Sold a day | unknown"]
    assert game.point_at("", CHEAP)[1:] == ["Price | 37c", "Usual price | 1s", "Sold a day | 0.01 (0 to 12)"]
    assert game.point_at("", DEAR)[1:] == [
        "Price | 10,000,000g",
        "Usual price | 123,457g",
        "Sold a day | 123,457 (1,234 to 7,654,321)",
    ]
    for other in (1, 930, 210_931, 211_930, 589, None):
        assert game.point_at("", other) == []


@pytest.mark.parametrize(
    ("old", "said"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=1), "24 h ago"),
        (timedelta(days=1, seconds=1), "24 h ago (red)"),
        (timedelta(days=3), "3 days ago (red)"),
        (timedelta(hours=-1), "just now"),
        (timedelta(hours=-2), "dated ahead (red)"),
    ],
)
def test_the_age_is_said_in_red_when_it_is_over_a_day(game: PlayedGame, old: timedelta, said: str) -> None:
    game.at(AT + old)
    assert game.point_at("", ORE)[0] == f"Ironforge EU | {said}"
    assert ("|cffff" in game.type("")) == said.endswith("(red)")


def test_numbers_beyond_32_bits_are_whole() -> None:
    many = PlayedGame.of(figures_of(AT, {ORE: (3e13, NAN, 3e13, 0.0, 5e9, 6e9, 0)}), now=NOW)
    assert many.point_at("", ORE)[1:] == [
        *("Price | 3,000,000,000g", "Usual price | unknown"),
        "Sold a day | 5,000,000,000 (0 to 6,000,000,000)",
    ]


def test_figures_of_another_region_than_the_player_s_are_marked(game: PlayedGame) -> None:
    game.stub.region = 1
    assert game.point_at("", ORE)[0] == "Ironforge EU (you play in US) | 41 min ago (red)"


def test_a_tooltip_that_is_not_to_be_touched_or_that_hides_its_item_gets_no_lines(game: PlayedGame) -> None:
    game.lua.execute("GameTooltip.isForbidden = true")
    assert game.point_at("", ORE) == []
    game.lua.execute(f"GameTooltip.isForbidden = false; function issecretvalue(value) return value == {ORE} end")
    assert game.point_at("", ORE) == []
    assert game.asks(ORE) == {"input": ORE}


def test_an_older_game_gets_the_lines_once_by_its_own_way() -> None:
    game = PlayedGame.of(FIGURES, now=NOW, is_old=True)
    assert game.errors == []
    for _ in range(2):
        assert [line.partition(" |")[0] for line in game.point_at(LINKS[2])] == [
            "Ironforge EU",
            "Price",
            "Usual price",
            "Sold a day",
        ]
    game.lua.execute(f'function GetItemInfoInstant(name) return name == "Bismuth" and {ORE} or nil end')
    assert (game.asks("Bismuth") or {})["itemid"] == ORE


# Functions for other addons


@pytest.mark.parametrize("item", [ORE, *LINKS])
@pytest.mark.parametrize("name", ["IronforgeMarketInfo", "OEMarketInfo"])
def test_an_item_is_known_by_number_link_item_string_and_name(game: PlayedGame, item: object, name: str) -> None:
    assert game.asks(item, name) == {
        "input": item,
        "itemid": ORE,
        "market": 123_500,
        "region": 118_000,
        "usual": 118_000,
        "cheapest": 110_000,
        "soldLow": 120,
        "sold": 340,
        "soldHigh": 900,
        "days": 0,
        "age": 41 * 60,
    }


@pytest.mark.parametrize(
    "item",
    [
        *(0, -7, 1.5, math.inf, NAN, 2**31, "", " ", "item:", "item:0", "Nobody's Ore", "0", "9" * 40),
        *("|cff0070dd|Hbattlepet:868:1:3:158:10:12:0:0|h[Pandaren Water Spirit]|h|r", "battlepet:868", True),
    ],
)
def test_what_is_no_item_has_neither_number_nor_price(game: PlayedGame, item: object) -> None:
    assert set(game.asks(item) or {}) == {"input"}


def test_unknown_figures_are_nil(game: PlayedGame) -> None:
    assert game.asks(None) is None
    assert game.asks(4) == {"input": 4, "itemid": 4}
    usual = {"region": 90_000, "usual": 90_000}
    sold = {"soldLow": 0, "sold": 0, "soldHigh": 0}
    assert game.asks(GONE) == {"input": GONE, "itemid": GONE, **usual, **sold, "days": 3, "age": 41 * 60}
    assert set(game.asks(UNKNOWN) or {}) == {"input", "itemid", "market", "cheapest", "days", "age"}
    assert (game.asks(CHEAP) or {})["market"] == 37


def test_a_table_of_one_s_own_is_emptied_and_filled(game: PlayedGame) -> None:
    game.lua.execute(f"mine = {{ market = 1, other = 2 }}; same = OEMarketInfo({GONE}, mine) == mine")
    assert game.lua.globals().same is True
    assert dict(game.lua.globals().mine.items()) == game.asks(GONE)
    game.lua.execute("none = OEMarketInfo(nil, mine) == mine and next(mine) == nil")
    assert game.lua.globals().none is True


def test_another_addon_s_own_function_stays() -> None:
    game = PlayedGame.of(FIGURES, now=NOW, before="function OEMarketInfo() return { market = 1 } end")
    assert game.asks(ORE, "OEMarketInfo") == {"market": 1}
    assert (game.asks(ORE) or {})["market"] == 123_500


# The command in the chat


def test_the_command_says_what_is_known_of_an_item(game: PlayedGame) -> None:
    assert game.type(f"  {LINKS[0]} ").splitlines() == [
        f"Ironforge EU, {LINKS[0]}: 41 min ago",
        "  Price: 12g 35s",
        "  Usual price: 11g 80s",
        "  Sold a day: 340 (120 to 900)",
        "  Cheapest: 11g",
    ]
    assert "5 items of EU, 41 min ago" in game.type("")
    assert "the game knows no item" in game.type("Nobody's Ore")
    assert "nothing is known of item 4" in game.type("4")


def test_the_command_turns_the_lines_in_tooltips_off_and_on(game: PlayedGame) -> None:
    assert game.type("tooltip").endswith("off.")
    assert game.point_at("", ORE) == []
    assert game.type("Tooltip").endswith("on.")
    assert len(game.point_at("", ORE)) == 4


# Damaged files


def broken(game: PlayedGame) -> None:
    """That an addon without figures says so, and fails nobody."""
    for said in (game.log_in(), game.type(""), game.type("Bismuth"), " ".join(game.point_at("", ORE))):
        assert "ironforge export addon" in said
    assert game.asks(ORE) == {"input": ORE, "itemid": ORE}


def test_a_data_file_that_is_cut_anywhere_is_said_to_be_damaged() -> None:
    whole = addon_files(FIGURES)
    data = whole["Data.lua"]
    places = [*range(0, len(data) - 2, 23), len(data) // 2, len(data) - 2]
    for place in places:
        broken(PlayedGame({**whole, "Data.lua": data[:place]}, now=NOW))
    assert PlayedGame({**whole, "Data.lua": data[:-1]}, now=NOW).point_at("", ORE)


def test_a_data_file_that_is_missing_or_of_another_version_is_said_so() -> None:
    whole = addon_files(FIGURES)
    broken(PlayedGame({name: one for name, one in whole.items() if name != "Data.lua"}, now=NOW))
    newer = PlayedGame({**whole, "Data.lua": whole["Data.lua"].replace(b"format=1", b"format=2")}, now=NOW)
    broken(newer)
    assert "two versions" in newer.log_in()


# A whole market


def market(items: int) -> Any:
    """A market of which everything is known, with numbers as long as they come."""
    chance = random.Random(7)  # noqa: S311 - a market made up, the same each time
    rows = {
        number: (
            *(chance.lognormvariate(11, 2.5) for _ in range(3)),
            *sorted(chance.lognormvariate(6, 3) for _ in range(3)),
            0.0,
        )
        for number in chance.sample(range(1, 260_000), items)
    }
    return figures_of(AT, rows)


def test_twelve_thousand_items_take_less_than_a_megabyte_and_each_is_found() -> None:
    figures = market(12_000)
    written = addon_files(figures)
    assert sum(map(len, written.values())) < 1_000_000
    game = PlayedGame(written, now=NOW)
    assert game.errors == []
    for place in range(0, 12_000, 37):
        told = game.asks(int(figures.item_id[place])) or {}
        assert told["market"] == pytest.approx(figures.market_value[place], abs=50.5)
        assert told["sold"] == pytest.approx(figures.sold_per_day[place], rel=0.006, abs=0.01)
        assert told["soldLow"] <= told["sold"] <= told["soldHigh"]


PLAIN = """
local folder = ...
local function read(name)
    local file = assert(io.open(folder .. "/" .. name, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end
local stub, code, data = read("game.lua"), read("Ironforge.lua"), read("Data.lua")
local out = io.stdout
assert(loadstring(stub))()
Game.now = 1768392187 + 60
local shared = {}
Game.load("Ironforge", code, "Ironforge.lua", shared)
local began = Game.clock()
Game.load("Ironforge", data, "Data.lua", shared)
local took = Game.clock() - began
for _, line in ipairs(Game.pointAt("", 210930)) do out:write(line.left, "=", line.right, "\\n") end
out:write(#Game.errors, " errors, ", string.format("%.0f", took * 1000), " ms\\n")
"""


def test_debian_s_own_lua_reads_it_too(tmp_path: Path) -> None:
    program = shutil.which("lua5.1", path="/usr/bin:/bin")
    if program is None:
        pytest.skip("lua5.1 is not installed (Debian: apt-get install lua5.1)")
    for name, content in addon_files(FIGURES).items():
        (tmp_path / name).write_bytes(content)
    shutil.copy(Path(__file__).parent / "game.lua", tmp_path)
    (tmp_path / "plain.lua").write_text(PLAIN)
    told = subprocess.run(
        [program, str(tmp_path / "plain.lua"), str(tmp_path)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert told[:2] == ["Ironforge EU=1 min ago", "Price=12g 35s"]
    assert told[-1].startswith("0 errors")


# Its files


def test_files_are_plain_ascii_and_name_the_game_s_versions() -> None:
    written = addon_files(FIGURES)
    assert list(written) == ["Ironforge.lua", "Ironforge.toc", "Data.lua"]
    assert all(content.isascii() for content in written.values())
    toc = written["Ironforge.toc"].decode()
    assert re.search(r"^## Interface: \d{6}(, \d{6})+$", toc, re.M)
    assert "http" not in "".join(content.decode() for content in written.values())


def test_what_is_the_same_is_not_written_again_and_data_come_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into = tmp_path / "Interface" / "AddOns"
    assert write_addon(FIGURES, into).written == ("Ironforge.lua", "Ironforge.toc", "Data.lua")
    before = {one.name: one.stat().st_mtime_ns for one in (into / "Ironforge").iterdir()}
    assert write_addon(FIGURES, into).written == ()
    assert {one.name: one.stat().st_mtime_ns for one in (into / "Ironforge").iterdir()} == before
    later = figures_of(AT + timedelta(hours=1), {ORE: (1.0,) * 7}, Region.US)
    assert write_addon(later, into).written == ("Data.lua",)
    (into / "Ironforge" / "Ironforge.lua").write_text("-- an older one")
    order: list[str] = []
    place = files.put_where_changed

    def noted(path: Path, content: bytes) -> bool:
        order.append(path.name)
        return place(path, content)

    monkeypatch.setattr("ironforge_cli.tell.addon.put_where_changed", noted)
    assert write_addon(FIGURES, into).written == ("Ironforge.lua", "Data.lua")
    assert order[-1] == "Data.lua"
    assert sorted(one.name for one in into.rglob("*")) == ["Data.lua", "Ironforge", "Ironforge.lua", "Ironforge.toc"]


def test_a_disk_that_fails_in_between_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            write_addon(FIGURES, tmp_path)
    assert list(tmp_path.iterdir()) == []
    write_addon(FIGURES, tmp_path)
    before = (tmp_path / "Ironforge" / "Data.lua").read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError):
        write_addon(figures_of(AT, {ORE: (1.0,) * 7}), tmp_path)
    assert (tmp_path / "Ironforge" / "Data.lua").read_bytes() == before
    assert len(list((tmp_path / "Ironforge").iterdir())) == 3


def test_a_place_that_can_not_be_meant_is_refused(tmp_path: Path) -> None:
    write_addon(FIGURES, tmp_path)
    with pytest.raises(UsageError, match="is the addon itself"):
        write_addon(FIGURES, tmp_path / "Ironforge")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        write_addon(FIGURES, tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "Ironforge").write_text("")
    with pytest.raises(UsageError, match="in the way"):
        write_addon(FIGURES, tmp_path / "other")


# The command


@pytest.fixture
def asked(server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    monkeypatch.setenv("IRONFORGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("IRONFORGE_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    with server.prepared_database("asked", chain.install) as url:
        monkeypatch.setenv("IRONFORGE_READ_URL", url)
        yield url


def run(*arguments: str, status: int = 0) -> Any:
    ended = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    assert ended.exit_code == status, ended.stderr
    return ended


def test_the_game_shows_what_price_says(asked: str, tmp_path: Path) -> None:
    with psycopg.connect(conninfo(asked), autocommit=True) as connection:
        # So that one was last seen days ago.
        gone = (chain.NEWEST - timedelta(days=3)).isoformat()
        connection.execute("DELETE FROM us_commodity_price_stats WHERE item_id = 14 AND timestamp > %s", [gone])
    wanted = json.loads(run("price", *map(str, chain.ITEMS), "--region", "us", "--format", "json").stdout)
    said = run("export", "addon", "--region", "us", "--output", str(tmp_path)).stdout
    written = "written (Ironforge.lua, Ironforge.toc, Data.lua)"
    assert said == f"{tmp_path}/Ironforge: {written}; 6 items of US, 2026-01-14 12:03 UTC.\n"
    found = {one.name: one.read_bytes() for one in (tmp_path / "Ironforge").iterdir()}
    game = PlayedGame(found, now=chain.NEWEST)
    pairs = {"market": "market_value", "usual": "usual_price", "cheapest": "min_price", "sold": "sold_per_day"}
    for row in wanted:
        told = game.asks(row["item_id"]) or {}
        for name, column in pairs.items():
            if row[column] is None:
                assert name not in told
            else:
                assert told[name] == pytest.approx(row[column], abs=0.6 if name == "sold" else 50)
        assert told["days"] == (3 if row["item_id"] == 14 else 0)
    assert [row["item_id"] for row in wanted if row["market_value"] is None] == [14, chain.GONE]
    again = run("-q", "export", "addon", "--region", "us", "--output", str(tmp_path))
    assert (again.stdout, again.stderr) == ("", "")
    assert "unchanged" in run("export", "addon", "--region", "us", "--output", str(tmp_path)).stdout


@pytest.mark.usefixtures("asked")
def test_an_addon_is_of_one_region_of_which_something_is_stored(tmp_path: Path) -> None:
    two = run("export", "addon", "--region", "eu,us", "--output", str(tmp_path), status=2)
    assert "one region" in two.stderr
    none = run("export", "addon", "--region", "kr", "--output", str(tmp_path), status=2)
    assert "nothing is stored yet" in none.stderr
    assert not (tmp_path / "Ironforge").exists()
    assert "6 items of EU" in run("export", "addon", "--output", str(tmp_path)).stdout
