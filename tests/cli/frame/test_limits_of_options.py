"""What options with a number, a span or a time don't take: every one of every command, without doing its work."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest
from typer.main import get_command

from ironforge_cli.cli.app import app
from tests.cli.tree import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Command as Run

NO_NUMBERS = ("nan", "inf", "-inf", "1e999", "", "many", "9" * 400)
NO_SPANS = ("-1h", "nanh", "infd", "1e9s", "9" * 19 + "s", "9" * 400 + "d", "36501d", "", "3")
NO_TIMES = ("0001-01-01", "1969-12-31", "9000-01-01", "9999-12-31", "2024-02-30", "-1", "nan", "", "9" * 400)


def options() -> Iterator[tuple[tuple[str, ...], Any]]:
    """The words of each command, and each of its options and arguments."""
    root: Any = get_command(app)
    for words in COMMANDS:
        context = root.make_context("ironforge", [], resilient_parsing=True)
        for word in words:
            _, command, _ = context.command.resolve_command(context, [word])
            context = command.make_context(word, [], parent=context, resilient_parsing=True)
        yield from ((words, option) for option in context.command.params)


OPTIONS = list(options())


def kinds_of(option: Any) -> tuple[Any, ...]:
    """The types of the values that an option takes."""
    annotation = option.type_descriptor.annotation
    return get_args(annotation) or (annotation,)


def of_kind(*kinds: type) -> list[Any]:
    return [
        pytest.param(words, option, id=f"{' '.join(words)} {max(option.opts, key=len)}")
        for words, option in OPTIONS
        if not getattr(option, "is_flag", False)
        and not getattr(option, "count", False)
        and set(kinds).intersection(kinds_of(option))
        # A parser of its own says what it takes: gold in words, a share.
        and not (float in kinds and option.type_descriptor.parameter_info.parser)
    ]


def refused(run: Run, words: tuple[str, ...], option: Any, value: str) -> None:
    """Give a value and see that it is refused, by the option's name, before anything is done."""
    name = max(option.opts, key=len)
    is_argument = not name.startswith("-")
    given = ["--", value] if is_argument else [f"{name}={value}"]
    ended = run(*words, *given)
    assert ended.exit_code == 2, (value[:20], ended.stderr)
    assert "Traceback" not in ended.stderr
    assert (option.metavar if is_argument else name) in ended.stderr


def test_options_of_each_kind_are_found() -> None:
    assert [len(of_kind(*kinds)) >= 4 for kinds in ((int,), (timedelta,), (datetime, date))] == [True] * 3


@pytest.mark.parametrize(("words", "option"), of_kind(int, float))
def test_a_number_has_a_least_and_a_most(run: Run, words: tuple[str, ...], option: Any) -> None:
    assert None not in {option.min, option.max}
    for value in (*NO_NUMBERS, option.min - 1, option.max + 1):
        refused(run, words, option, str(value))


@pytest.mark.parametrize(("words", "option"), of_kind(timedelta))
def test_a_span_is_none_below_zero_and_none_of_ages(run: Run, words: tuple[str, ...], option: Any) -> None:
    for value in NO_SPANS:
        refused(run, words, option, value)


@pytest.mark.parametrize(("words", "option"), of_kind(datetime, date))
def test_a_time_is_one_that_can_be_computed_with(run: Run, words: tuple[str, ...], option: Any) -> None:
    for value in NO_TIMES:
        refused(run, words, option, value)
