from __future__ import annotations

import io
import json
import logging
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.cli.frame import logs
from ironforge_cli.cli.frame.options import LogFormat, Shared
from ironforge_cli.errors import DatabaseError, IronforgeError

if TYPE_CHECKING:
    from collections.abc import Generator

log = logging.getLogger("ironforge_cli.of_a_test")
LEVELS = ("debug", "info", "warning", "error")


@contextmanager
def written(shared: Shared | None = None, **environment: str) -> Generator[io.StringIO]:
    """What is written of messages while a command runs."""
    stream = io.StringIO()
    variables = {f"IRONFORGE_LOG_{name}": value for name, value in environment.items()}
    with logs.written_to(stream, shared or Shared(), environment=variables):
        yield stream


def heard(shared: Shared | None = None, **environment: str) -> list[str]:
    """The levels of those messages that are written."""
    with written(shared, **environment) as stream:
        for level in LEVELS:
            log.log(logging.getLevelNamesMapping()[level.upper()], "said")
    return [line.split()[1].lower() for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("shared", "level", "least"),
    [
        (Shared(), "", "info"),
        (Shared(), "debug", "debug"),
        (Shared(), " WARNING ", "warning"),
        (Shared(), "error", "error"),
        (Shared(), "critical", "info"),
        (Shared(), "nonsense", "info"),
        (Shared(verbose=1), "error", "debug"),
        (Shared(quiet=True), "debug", "error"),
        # Whoever asks for both hears less.
        (Shared(quiet=True, verbose=1), "", "error"),
    ],
)
def test_messages_below_the_level_stay_out_and_the_command_line_is_stronger(
    shared: Shared, level: str, least: str
) -> None:
    assert heard(shared, LEVEL=level) == list(LEVELS[LEVELS.index(least) :])


def test_the_settings_level_comes_after_that_of_the_environment_and_before_the_options() -> None:
    for shared, least in ((Shared(), "warning"), (Shared(verbose=1), "debug"), (Shared(quiet=True), "error")):
        with written(shared, LEVEL="info") as stream:
            logs.adjust(shared, level="warning", form=LogFormat.TEXT)
            for level in LEVELS:
                log.log(logging.getLevelNamesMapping()[level.upper()], "said")
        found = [line.split()[1].lower() for line in stream.getvalue().splitlines()]
        assert found == list(LEVELS[LEVELS.index(least) :])


@pytest.mark.parametrize(
    ("given", "environment", "form"),
    [
        (None, "", LogFormat.TEXT),
        (None, "JSON ", LogFormat.JSON),
        (None, "xml", LogFormat.TEXT),
        (LogFormat.TEXT, "json", LogFormat.TEXT),
        (LogFormat.JSON, "text", LogFormat.JSON),
    ],
)
def test_messages_are_text_or_json_and_the_command_line_is_stronger(
    given: LogFormat | None, environment: str, form: LogFormat
) -> None:
    with written(Shared(log_format=given), FORMAT=environment) as stream:
        assert logs.form_in_force() is form
        log.warning("said")
    assert stream.getvalue().startswith("{") is (form is LogFormat.JSON)
    with written(Shared(log_format=given)) as stream:
        logs.adjust(Shared(log_format=given), level="info", form=LogFormat.JSON)
        assert logs.form_in_force() is (given or LogFormat.JSON)


def fail(error: Exception) -> None:
    try:
        raise error
    except type(error):
        log.exception("it failed")


@pytest.mark.parametrize(("verbose", "traceback"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_traceback_is_written_where_it_was_asked_for(verbose: int, *, traceback: bool) -> None:
    with written(Shared(verbose=verbose)) as stream:
        fail(KeyError("item"))
    first, *more = stream.getvalue().splitlines()
    assert first.endswith(" ERROR it failed" if traceback else " ERROR it failed: 'item'")
    assert bool(more) is traceback
    assert ("Traceback" in stream.getvalue()) is traceback


def test_a_message_of_json_has_time_level_logger_fields_and_traceback() -> None:
    moment = datetime(2026, 1, 14, 12, 3, 7, tzinfo=UTC)
    with written(FORMAT="json") as stream:
        log.warning("Öl %s", "läuft", extra={"fields": {"at": moment, "path": LogFormat, "count": 3}})
        fail(KeyError("item"))
    said, failed = (json.loads(line) for line in stream.getvalue().splitlines())
    assert "Öl läuft" in stream.getvalue()
    assert datetime.fromisoformat(said.pop("time")).utcoffset() is not None
    assert said == {
        "level": "warning",
        "logger": "ironforge_cli.of_a_test",
        "message": "Öl läuft",
        "at": "2026-01-14T12:03:07Z",
        "path": str(LogFormat),
        "count": 3,
    }
    assert failed["traceback"].startswith("Traceback")


def test_the_time_of_a_message_is_its_own_in_utc() -> None:
    record = log.makeRecord(log.name, logging.INFO, __file__, 1, "said", (), None)
    record.created = 1_768_392_187.9
    with written() as stream:
        log.handle(record)
    assert stream.getvalue() == "2026-01-14T12:03:07Z INFO said\n"


def test_after_a_command_all_is_as_it_was_however_it_ended() -> None:
    logger = logging.getLogger("ironforge_cli")
    own = logging.NullHandler()
    logger.addHandler(own)

    def end_badly() -> None:
        with written(Shared(verbose=1)):
            assert own not in logger.handlers
            assert (len(logger.handlers), logger.propagate) == (1, False)
            raise KeyError

    try:
        before = logger.handlers[:], logger.propagate, logger.level
        with pytest.raises(KeyError):
            end_badly()
        assert (logger.handlers[:], logger.propagate, logger.level) == before
    finally:
        logger.removeHandler(own)


def test_a_warning_that_is_insisted_on_is_written_whatever_the_level() -> None:
    with written(Shared(quiet=True)) as stream:
        log.warning("not this")
        logs.insist("100% of it")
    assert stream.getvalue().split(" ", 1)[1] == "WARNING 100% of it\n"


def test_tracebacks_of_bugs_are_kept_and_those_of_errors_that_tell_what_to_do_are_not() -> None:
    kept: list[str] = []
    with written():
        logs.keep_tracebacks(kept.append)
        fail(DatabaseError("The database is away."))
        fail(IronforgeError("An odd end."))
        log.error("without any")
        log.warning("a smaller one", exc_info=ValueError("small"))
        assert kept == []
        fail(KeyError("item"))
        log.error("a given one", exc_info=ValueError("given"))
    assert [trace.splitlines()[-1] for trace in kept] == ["KeyError: 'item'", "ValueError: given"]
    assert kept[0].startswith("Traceback")


def test_where_messages_are_json_tracebacks_are_in_them_already() -> None:
    kept: list[str] = []
    with written(FORMAT="json"):
        logs.keep_tracebacks(kept.append)
        fail(KeyError("item"))
    assert kept == []


def test_the_last_thirty_lines_are_remembered_as_they_were_written_and_cut_where_they_are_endless() -> None:
    with written() as stream:
        log.info("before")
        said = logs.last_lines()
        assert said() == ""
        for number in range(29):
            log.info("line %d", number)
        log.debug("not written")
        assert said() == stream.getvalue().partition("\n")[2].rstrip("\n")
        log.info("two\nlines")
        lines = said().splitlines()
        assert len(lines) == 30
        assert lines[0].endswith("INFO line 1")
        assert lines[-2:] == [f"{lines[-2]}", "lines"]
        log.info("x" * 2_000)
        assert len(said().splitlines()[-1]) == 1_000
        assert len(stream.getvalue().splitlines()[-1]) > 2_000
