from __future__ import annotations

import pytest

from ironforge_cli.market.lua_tables import LuaTableError, lua_tables


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x1F", 31),
        ("-0X10", -16),
        ("-7", -7),
        ("1.5", 1.5),
        ("2e3", 2_000.0),
        ("25E-1", 2.5),
        ("true", True),
        ("false", False),
        ("nil", None),
        (r'"a\"b\\\n\t\r\q"', 'a"b\\\n\t\rq'),
        ("'it\"s'", 'it"s'),
        ("{}", {}),
        ("{1; 2, 3;}", {1: 1, 2: 2, 3: 3}),
        # Words that are values count as items; others are keys.
        ("{true, nil, x = 1, false}", {1: True, 2: None, "x": 1, 3: False}),
        ("{[-1] = 'a', ['b'] = {2}, [1.5] = 3}", {-1: "a", "b": {1: 2}, 1.5: 3}),
        ("{ --[==[ ] } ]==] 1, -- 2,\n 3 }", {1: 1, 2: 3}),
    ],
)
def test_what_is_data_is_read(text: str, value: object) -> None:
    found = lua_tables(f"x = {text}")["x"]
    assert found == value
    assert type(found) is type(value)


def test_each_assignment_has_its_name_and_those_of_the_addon_are_none() -> None:
    assert lua_tables("local a, b = ...; ;ns.x.y = 1; local c = {2} d = 'e'") == {"ns.x.y": 1, "c": {1: 2}, "d": "e"}
    assert lua_tables("") == lua_tables(" -- nothing") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ny = os.time()", "line 2: 'os' is no data"),
        ("\n\nx = 1 + 2", "line 3: '\\+ 2' is no data"),
        ("x = {1\n2}", "line 2: ',' or '}' was expected, not '2'"),
        ("x = {1", "',' or '}' was expected, not 'the end'"),
        ("x = ", "'the end' is no data"),
        ("x = {[", "'the end' is no data"),
        ("x 1", "'=' was expected, not '1'"),
        ("x", "'=' was expected, not 'the end'"),
        ("return {}", "'return' is no table"),
        ("x. = 1", "'=' is no table"),
        ("'x' = 1", "is no table"),
        ("x = {end = 1}", "'end' is no table"),
        ("x = {[{}] = 1}", "a key is a number or a string"),
        ("x = {[nil] = 1}", "a key is a number or a string"),
        ("x = {[1 = 1}", "']' was expected, not '='"),
        ("x = {[1] 1}", "'=' was expected, not '1'"),
        ("x = {y 1}", "'=' was expected, not '1'"),
        ("x = y", "'y' is no data"),
        ("x = 'a\nb'", "line 1: \"'a"),
    ],
)
def test_what_is_none_is_refused_by_its_line(text: str, said: str) -> None:
    with pytest.raises(LuaTableError, match=said):
        lua_tables(text)


def test_tables_lie_in_each_other_to_a_depth() -> None:
    deepest = "{" * 32 + "7" + "}" * 32
    value = lua_tables(f"x = {deepest}")["x"]
    for _ in range(32):
        value = value[1]
    assert value == 7
    with pytest.raises(LuaTableError, match="more than 32 deep"):
        lua_tables(f"x = {{{deepest}}}")
