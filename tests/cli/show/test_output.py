from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.cli.frame.options import Format, Shared
from ironforge_cli.cli.show import output
from ironforge_cli.cli.show.render import Report
from ironforge_cli.errors import ExitStatus
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.console import Console

RECORDS: list[dict[str, Any]] = [{"price": 7}]


def report(form: Format, *, text: str | None = None) -> Report:
    def show(console: Console) -> None:
        console.print("a table, ", console.width, style="red")

    return Report(records=RECORDS, show=show, format=form, text=text)


class Stream(io.StringIO):
    """stdout that is a terminal or not, and that can refuse what is written."""

    def __init__(self, *, terminal: bool = False, refusal: OSError | None = None, late: bool = False) -> None:
        super().__init__()
        self._terminal = terminal
        self._refusal = refusal
        self._late = late
        self._file = os.open(os.devnull, os.O_WRONLY)

    def isatty(self) -> bool:
        return self._terminal

    def fileno(self) -> int:
        return self._file

    def write(self, text: str, /) -> int:
        if self._refusal is not None and not self._late:
            raise self._refusal
        return super().write(text)

    def flush(self) -> None:
        if self._refusal is not None and not self.closed:
            raise self._refusal


@pytest.fixture
def stdout(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[..., Stream]]:
    made: list[Stream] = []

    def make(**options: Any) -> Stream:
        stream = Stream(**options)
        made.append(stream)
        monkeypatch.setattr(sys, "stdout", stream)
        return stream

    yield make
    for stream in made:
        os.close(stream.fileno())


@pytest.mark.parametrize(
    ("form", "text", "written"),
    [
        (Format.JSONL, None, '{"price": 7}\n'),
        (Format.CSV, None, "price\n7\n"),
        (Format.TABLE, None, "a table,  120\n"),
        # A format of the command's own stands in the place of the table, too.
        (Format.TABLE, "of its own\n", "of its own\n"),
        (Format.JSON, "of its own\n", "of its own\n"),
    ],
)
def test_a_report_is_written_in_its_format(
    stdout: Callable[..., Stream], form: Format, text: str | None, written: str
) -> None:
    stream = stdout()
    output.write(report(form, text=text), Shared())
    assert stream.getvalue() == written


def test_what_reads_like_the_name_of_a_picture_is_written_as_it_is(stdout: Callable[..., Stream]) -> None:
    def show(console: Console) -> None:
        console.print("/srv/:fire:/:100:", markup=False)

    stream = stdout()
    output.write(replace(report(Format.TABLE), show=show), Shared())
    assert stream.getvalue() == "/srv/:fire:/:100:\n"


@pytest.mark.parametrize(("no_color", "coloured"), [(False, True), (True, False)])
def test_a_table_is_as_wide_as_the_terminal_and_as_colourful_as_is_wanted(
    stdout: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch, *, no_color: bool, coloured: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = stdout(terminal=True)
    output.write(report(Format.TABLE), Shared(no_color=no_color))
    assert " 77" in stream.getvalue()
    assert ("\x1b[31m" in stream.getvalue()) is coloured


@pytest.mark.parametrize("late", [False, True], ids=["at once", "when it is flushed"])
@pytest.mark.parametrize("form", [Format.TABLE, Format.JSON])
def test_a_reader_that_left_is_no_error_and_nothing_more_reaches_it(
    stdout: Callable[..., Stream], caplog: pytest.LogCaptureFixture, *, form: Format, late: bool
) -> None:
    stream = stdout(refusal=BrokenPipeError(), late=late)
    reading, writing = os.pipe()
    os.dup2(writing, stream.fileno())
    output.write(report(form), Shared())
    os.write(stream.fileno(), b"the rest")
    os.close(writing)
    with os.fdopen(reading, "rb") as end:
        assert end.read() == b""
    assert caplog.records == []


@pytest.mark.parametrize("form", [Format.TABLE, Format.JSON])
def test_a_result_that_can_not_be_written_is_told_and_has_a_code_where_the_work_has_none(
    stdout: Callable[..., Stream], caplog: pytest.LogCaptureFixture, form: Format
) -> None:
    stream = stdout(refusal=OSError(28, "No space left on device"))
    reading, writing = os.pipe()
    os.dup2(writing, stream.fileno())
    assert output.write(report(form), Shared()) is ExitStatus.UNWRITTEN
    failed = replace(report(form), status=ExitStatus.PARTIAL)
    assert output.write(failed, Shared()) is ExitStatus.PARTIAL
    caplog.records.pop()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "The result could not be written (No space left on device).")
    ]
    os.write(stream.fileno(), b"the rest")
    os.close(writing)
    with os.fdopen(reading, "rb") as end:
        assert end.read() == b""


def test_a_line_is_said_at_once_and_to_nobody_where_the_reader_left(stdout: Callable[..., Stream]) -> None:
    stream = stdout()
    output.say("now")
    assert stream.getvalue() == "now\n"
    stdout(refusal=BrokenPipeError(), late=True)
    output.say("to nobody")


def test_a_terminal_that_was_closed_takes_nothing_and_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for refusing in (Stream(terminal=True, refusal=OSError(5, "I/O error")), Stream(refusal=OSError(5, "I/O error"))):
        monkeypatch.setattr(sys, "stderr", refusing)
        lasting = output.LastingStderr()
        assert lasting.isatty() is refusing.isatty()
        assert lasting.fileno() == refusing.fileno()
        assert lasting.write("bars") == 4
        lasting.flush()
    closed = Stream()
    monkeypatch.setattr(sys, "stderr", closed)
    lasting = output.LastingStderr()
    closed.close()
    assert lasting.write("bars") == 4
    lasting.flush()
    well = Stream()
    monkeypatch.setattr(sys, "stderr", well)
    lasting = output.LastingStderr()
    # Rich puts a stream of its own in the place of sys.stderr while bars move.
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert lasting.write("bars") == 4
    assert well.getvalue() == "bars"
