"""What is read plainly is what Typer would read, for every option of every command; the rest is left to it."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.main import get_command

from ironforge_cli.cli.frame.help import ReadableCommand
from ironforge_cli.cli.frame.plain_values import NotPlainError, plain, read_plainly
from tests.cli.frame.test_limits_of_options import OPTIONS

if TYPE_CHECKING:
    from pathlib import Path

GIVEN = (
    *("", " ", "0", "1", "-1", "+5", "007", " 5", "1_000", "1e3", "2.5", "٣", "²", "9" * 18, "9" * 19, "9" * 400),
    *("json", "JSON", "table", "csv", "x", "eu", "EU,us", "eu,", "xx", "true", "no", "yesterday", "2024-01-15"),
    *("1h30m", "2d", "15g", "-3", "\udcff", "\x00", "Gold Ore", "a\nb", "profit", "-profit", "."),
)
TAKEN = [one for _, one in OPTIONS if one.type_descriptor.annotation is not bool]


def outcome(read: Any) -> Any:
    try:
        found = read()
    except NotPlainError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a value
        return type(error)
    # "2h" is as long before now as ever.
    return (type(found), found.replace(second=0, microsecond=0) if isinstance(found, datetime) else found)


def test_every_plain_value_is_what_typer_would_read() -> None:
    context: Any = None
    plainly = 0
    for option in TAKEN:
        descriptor = option.type_descriptor
        option._runtime_param = None
        theirs = option.get_runtime_param()
        several = option.multiple or option.nargs == -1
        for text in GIVEN:
            value = (text,) if several else text
            try:
                ours = outcome(lambda: plain(value, descriptor.annotation, descriptor.parameter_info))  # noqa: B023 - called at once
            except NotPlainError:
                continue
            plainly += 1
            assert ours == outcome(lambda: theirs.coerce(value, param=option, ctx=context)), (option.name, text)  # noqa: B023 - called at once
    assert plainly > len(TAKEN)


def test_every_default_is_read_as_typer_would() -> None:
    for option in TAKEN:
        value = option.default() if callable(option.default) else option.default
        option._runtime_param = None
        theirs = option.get_runtime_param().coerce(value, param=option, ctx=None)
        option._runtime_param = None
        read_plainly([option])
        assert option.get_runtime_param().coerce(value, param=option, ctx=None) == theirs, option.name


def test_words_of_choices_may_be_written_as_anybody_likes() -> None:
    chosen = [
        one for one in TAKEN if one.type_descriptor.is_choice and one.type_descriptor.parameter_info.parser is None
    ]
    assert {"--format", "--log-format"} <= {name for one in chosen for name in one.opts}
    for one in chosen:
        for choice in one.type_descriptor.choices:
            text = choice.value if isinstance(choice, Enum) else choice
            assert one.get_runtime_param().coerce(text.upper(), param=one, ctx=None) == choice, one.name


def test_where_typer_keeps_no_reader_of_values_it_reads_all() -> None:
    read_plainly([object()])
    alone = typer.Typer(add_completion=False)
    seen: list[Any] = []

    @alone.command(cls=ReadableCommand)
    def look(number: int = 3, *, also: float = 0.5) -> None:
        seen.append((number, also))

    command: Any = get_command(alone)
    command.main(["--number", "4", "--also", "2.5"], standalone_mode=False)
    assert seen == [(4, 2.5)]


@pytest.mark.parametrize(
    ("words", "code"),
    [("config show", 0), ("spool list", 0), ("config show --format json", 0), ("status --region eu -v", 74)],
)
def test_a_command_waits_for_no_library_that_checks_values(words: str, code: int, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ironforge_cli", *words.split()],
        check=False,
        capture_output=True,
        text=True,
        env={"IRONFORGE_HOME": str(tmp_path / "home"), "IRONFORGE_DATABASE_URL": "postgresql://127.0.0.1:1/none"},
    )
    assert ran.returncode == code, ran.stdout
    assert " ironforge_cli.cli.app" in ran.stderr
    assert " pydantic" not in ran.stderr
