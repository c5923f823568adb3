"""Files of rules: what they may say, and how what is wrong is told, with its line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.errors import UsageError
from ironforge_cli.regions import Region
from ironforge_cli.tell.amounts import Measure, amount, moment, said, span
from ironforge_cli.tell.rule_files import rules_in, rules_of, watch_name
from ironforge_cli.tell.rules import KEYS, WHATS
from tests.test_documentation import PAGES, fenced, read

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """# What I sell.
[[rule]]
item = "Bismuth"
what = "min_price"
below = "12g 50s"

[[rule]]
name = "flasks"
recipe = 4711
what = "craft_profit"
region = "eu"
above = "-1g 50s"
cooldown = "6h"
rearm = "10%"
snooze_until = 2026-12-01
note = "sell them"

[[rule]]
what = "token"
region = ["eu", "us"]
above = 3_000_000_000
"""
ONE = '[[rule]]\nitem = 14\nwhat = "min_price"\nbelow = 100\n'


def test_a_file_says_what_is_watched() -> None:
    cheap, flasks, token = rules_of(GOOD, name="rules.toml")
    assert (cheap.item, cheap.what, cheap.threshold.value, cheap.threshold.is_above) == (
        *("Bismuth", "min_price", 125_000),
        False,
    )
    assert (cheap.threshold.rearm, cheap.cooldown, cheap.regions) == (0.03, timedelta(), ())
    assert (flasks.recipe, flasks.item, flasks.threshold.value, flasks.threshold.rearm) == ("4711", None, -15_000, 0.1)
    assert (flasks.name, flasks.note, flasks.cooldown) == ("flasks", "sell them", timedelta(hours=6))
    assert (flasks.regions, flasks.snooze_until) == ((Region.EU,), datetime(2026, 12, 1, tzinfo=UTC))
    assert (token.item, token.regions, token.place) == (None, (Region.EU, Region.US), "rules.toml, line 18")


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("[[rule]\n", 1, "TOML"),
        (ONE + 'belwo = "1g"\n', 5, "did you mean 'below'"),
        (ONE + 'cooldwn = "1h"\n', 5, "did you mean 'cooldown'"),
        (ONE + "above = 3\n", 5, "make two rules"),
        (ONE.replace('"min_price"', '"minprice"'), 3, "did you mean 'min_price'"),
        (ONE.replace('"min_price"', '"cost_of_N"'), 3, "cost_of_200"),
        (ONE.replace('"min_price"', '"cost_of_0"'), 3, "from 1 on"),
        (ONE.replace('"min_price"', "7"), 3, "is not one of"),
        (ONE.replace("100", '"12 gold"'), 4, "no money"),
        (ONE.replace("100", "true"), 4, "no money"),
        (ONE.replace("100", "nan"), 4, "no money"),
        (ONE.replace("100", "inf"), 4, "no money"),
        (ONE.replace("100", "0"), 4, "never negative"),
        (ONE.replace("100", "-5"), 4, "never negative"),
        (ONE.replace("100", "9" * 30), 4, "more than there is"),
        (ONE.replace("item = 14", "item = true"), 2, "no number and no name"),
        (ONE.replace("item = 14", 'item = ""'), 2, "no number and no name"),
        (ONE.replace("item = 14", "recipe = 14"), 2, "a recipe is for craft_profit"),
        (ONE.replace("item = 14\n", ""), 1, "needs an item"),
        (ONE.replace('what = "min_price"\n', ""), 1, "`what` is missing"),
        (ONE.replace("below = 100\n", ""), 1, "`below` or `above` is missing, from where on it tells."),
        (ONE.replace('"min_price"', '"token"'), 2, "no item"),
        (ONE + 'region = "mars"\n', 5, "eu, us, kr, tw"),
        (ONE + "region = 3\n", 5, "eu, us, kr, tw"),
        (ONE.replace("min_price", "spread") + 'region = "eu,us,kr"\n', 5, "two regions"),
        (ONE + 'cooldown = "soon"\n', 5, '"90m"'),
        (ONE + "cooldown = 3600\n", 5, '"90m"'),
        (ONE + 'rearm = "-3%"\n', 5, "rearm"),
        (ONE + 'rearm = "far"\n', 5, "share"),
        (ONE + "rearm = 3\n", 5, "3%"),
        (ONE.replace("min_price", "below_usual").replace("below = 100", "above = 20"), 4, "20%"),
        (ONE.replace("min_price", "change_24h").replace("100", "-10"), 4, "can never be"),
        (ONE + 'snooze_until = "later"\n', 5, "2026-12-01"),
        (ONE + "snooze_until = 2026\n", 5, "2026-12-01"),
        (ONE + "snooze_until = 08:00:00\n", 5, "08:00:00 is no time"),
        (ONE + f'note = "{"x" * 301}"\n', 5, "300"),
        (ONE + 'name = ""\n', 5, "no text"),
        (ONE + 'name = "a"\n' + ONE + 'name = "a"\n', 6, "taken by the rule of rules.toml, line 1"),
        (f"{ONE}\n[[rules]]\nitem = 1\n", 6, "no key 'rules'"),
        ('[rule]\nitem = 14\nwhat = "min_price"\nbelow = 1\n', 1, "two brackets"),
        ("# nothing\n", None, "holds no rule"),
        ('rule = [{item = 14, what = "min_price"}]\n', None, "rule 1"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(text: str, line: int | None, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        rules_of(text, name="rules.toml")
    assert told in str(refused.value)
    if line is not None:
        assert str(refused.value).startswith(f"rules.toml, line {line}: ")


def test_lines_are_counted_in_the_rule_that_is_wrong() -> None:
    text = f"{ONE}# item\n\n{ONE}".replace("\n", "\r\n") + "below_ = 1\r\n"
    with pytest.raises(UsageError, match=r"^rules\.toml, line 11: there is no key 'below_' \(did you mean 'below'\?\)"):
        rules_of(text, name="rules.toml")


def test_a_file_that_can_not_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes("[[rule]]\nitem = 'É'".encode("latin-1"))
    (tmp_path / "marked").write_text(ONE, encoding="utf-8-sig")
    with pytest.raises(UsageError, match="UTF-8"):
        rules_in(tmp_path / "latin")
    with pytest.raises(UsageError, match="No such file"):
        rules_in(tmp_path / "none")
    with pytest.raises(UsageError, match="folder"):
        rules_in(tmp_path)
    assert len(rules_in(tmp_path / "marked")) == 1


def test_a_file_behind_a_link_is_remembered_by_the_link(tmp_path: Path) -> None:
    link = tmp_path / "rules.toml"
    names: list[str] = []
    for version in ("1", "2"):
        (tmp_path / version).write_text(ONE, encoding="utf-8")
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / version)
        names.append(watch_name(link))
    assert names == [f"{tmp_path.resolve()}/rules.toml"] * 2
    assert watch_name(tmp_path / "folder" / ".." / "rules.toml") == names[0]


@pytest.mark.parametrize(
    ("given", "measure", "value"),
    [
        ("12g 50s", Measure.MONEY, 125_000),
        ("12G50S7C", Measure.MONEY, 125_007),
        ("1,250g", Measure.MONEY, 12_500_000),
        ("0.5g", Measure.MONEY, 5_000),
        ("- 3s", Measure.MONEY, -300),
        ("125000", Measure.MONEY, 125_000),
        (" 20 % ", Measure.SHARE, 0.2),
        ("-12.5%", Measure.SHARE, -0.125),
        (".1", Measure.SHARE, 0.1),
        (1.25, Measure.RATIO, 1.25),
        ("125%", Measure.RATIO, 1.25),
    ],
)
def test_amounts_are_what_people_write(given: object, measure: Measure, value: float) -> None:
    assert amount(given, measure) == value


@pytest.mark.parametrize("given", ["", "g", "12x", "12g -3s", "1e9", "٣g", "20%", None, [1], "12g 50"])
def test_other_words_are_no_money(given: object) -> None:
    with pytest.raises(ValueError, match="12g 50s"):
        amount(given, Measure.MONEY)


@pytest.mark.parametrize("given", ["1,5g", "1,50g", "12,34,567c", "1_0", "1,2345", "1__000", "1g 1g", "50s 3c 2s"])
def test_a_number_that_could_mean_two_things_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="12g 50s"):
        amount(given, Measure.MONEY)
    assert amount("1,234,567.5c", Measure.MONEY) == 1_234_567.5
    assert amount("1_000g", Measure.MONEY) == 10_000_000


def test_spans_and_times_are_read_strictly() -> None:
    assert span("1d 12h") == timedelta(hours=36)
    for wrong in ("", "6", "h", "-6h", "99999999d"):
        with pytest.raises(ValueError, match=r"span|longer"):
            span(wrong)
    assert moment("2026-12-01T08:00+02:00") == datetime(2026, 12, 1, 6, tzinfo=UTC)
    for beyond in ("0001-01-01", "9999-12-31", "0001-01-01T00:00+23:00"):
        with pytest.raises(ValueError, match=r"years|no time"):
            moment(beyond)


def test_amounts_are_said_for_people() -> None:
    assert said(1_234_567_890, Measure.MONEY) == "123,457g"
    assert said(-150, Measure.MONEY) == "-1s 50c"
    assert said(0, Measure.MONEY) == "0c"


def test_the_page_s_rules_are_rules_and_it_names_all_that_can_be_watched() -> None:
    (shown,) = fenced(PAGES / "alerts.md", "toml")
    assert 18 <= len(shown.splitlines()) <= 22
    assert [rule.what for rule in rules_of(shown, name="alerts.md")] == ["min_price", "craft_profit", "token"]
    page = read(PAGES / "alerts.md")
    assert [what for what in WHATS if f"| `{what.replace('_N', '_200')}` |" not in page] == []
    assert [key for key in KEYS if key not in page] == []
