"""Messages on stderr: lines for people, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections import deque
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from ironforge_cli.cli.frame.options import LogFormat
from ironforge_cli.cli.show.wrapping import terminal_width, wrapped
from ironforge_cli.errors import IronforgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from logging import LogRecord

    from ironforge_cli.cli.frame.options import Shared

PACKAGE = "ironforge_cli"
_LEVELS = ("debug", "info", "warning", "error")
_TRACEBACKS_FROM = 2
_LAST_LINES = 30
_PLAIN = "\x1b[0m"
_WORDS = {
    logging.DEBUG: ("\x1b[2m", "debug"),
    logging.WARNING: ("\x1b[33m", "warning"),
    logging.ERROR: ("\x1b[1;31m", "error"),
}
_LONGEST_LINE = 1_000


class _TextFormatter(logging.Formatter):
    """`2024-01-15T03:48:02Z WARNING EU: …`; tracebacks only where they were asked for."""

    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__()
        self._tracebacks = tracebacks

    def line(self, record: LogRecord) -> str:
        """The message with what stands before it."""
        return f"{_time(record)} {record.levelname} {record.getMessage()}"

    def format(self, record: LogRecord) -> str:
        """One line, or more with a traceback."""
        line = self.line(record)
        if not record.exc_info:
            return line
        if self._tracebacks:
            return f"{line}\n{self.formatException(record.exc_info)}"
        return f"{line}: {record.exc_info[1]}"


class _TerminalFormatter(_TextFormatter):
    """`error: EU: …` for who sits there and has a clock, in colour where that is wanted."""

    def __init__(self, *, tracebacks: bool, color: bool, stream: TextIO) -> None:
        super().__init__(tracebacks=tracebacks)
        self._color = color
        self._stream = stream

    def line(self, record: LogRecord) -> str:
        """The message after a word that says how bad it is."""
        color, word = _WORDS.get(record.levelno, ("", ""))
        # Asked for each line: a window may be made wider meanwhile.
        width = terminal_width(self._stream)
        line = wrapped(f"{word}: {record.getMessage()}" if word else record.getMessage(), width)
        return line.replace(f"{word}:", f"{color}{word}:{_PLAIN}", 1) if word and self._color else line


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes messages to stderr: above what moves there, where something does."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.say_above: Callable[[str], None] | None = None

    def emit(self, record: LogRecord) -> None:
        """Write a message."""
        if self.say_above is None:
            super().emit(record)
            return
        try:
            self.say_above(self.format(record))
        except Exception:  # noqa: BLE001 - as in every handler of the library's: a message that can't be written is told
            self.handleError(record)


class _JsonFormatter(logging.Formatter):
    """One object a line, with the traceback where there is one."""

    def format(self, record: LogRecord) -> str:
        """One line of JSON."""
        entry: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=_isoformat)


def _isoformat(value: object) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def _time(record: LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@contextmanager
def written_to(stream: TextIO, shared: Shared, *, environment: Mapping[str, str]) -> Generator[None]:
    """Send the package's messages to a stream while a command runs; afterwards all is as before.

    The environment's level and format are known before any other setting, so that errors of those are written so, too.
    Libraries' messages stay out below a warning: some of theirs quote requests.
    """
    logger = logging.getLogger(PACKAGE)
    before = logger.handlers[:], logger.propagate, logger.level
    logger.handlers[:] = [_Stderr(stream)]
    logger.propagate = False
    level, form = (environment.get(f"IRONFORGE_LOG_{name}", "").strip().lower() for name in ("LEVEL", "FORMAT"))
    adjust(
        shared, level=level if level in _LEVELS else "info", form=LogFormat(form if form in list(LogFormat) else "text")
    )
    try:
        yield
    finally:
        logger.handlers[:], logger.propagate, level_before = before
        logger.setLevel(level_before)


class _Bugs(logging.Handler):
    """Hands on the tracebacks of unexpected errors that were met below a command, and logged there."""

    def __init__(self, keep: Callable[[str], object]) -> None:
        super().__init__(logging.ERROR)
        self._keep = keep

    def emit(self, record: LogRecord) -> None:
        """Keep a traceback, unless its error is one that tells people what to do."""
        if record.exc_info and record.exc_info[1] and not isinstance(record.exc_info[1], IronforgeError):
            self._keep("".join(traceback.format_exception(record.exc_info[1])))


def keep_tracebacks(keep: Callable[[str], object]) -> None:
    """Hand tracebacks of bugs to `keep` while a command runs, where messages show one line of them."""
    if form_in_force() is LogFormat.TEXT:
        logging.getLogger(PACKAGE).addHandler(_Bugs(keep))


class _LastLines(logging.Handler):
    """Remembers the newest messages as they were written."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)

    def emit(self, record: LogRecord) -> None:
        """Remember a message, of which a traceback is many lines."""
        self._lines.extend(self.format(record).splitlines())

    def text(self) -> str:
        """The lines, long ones cut."""
        self.acquire()
        try:
            # Threads that are still at work may say more just now.
            return "\n".join(line[:_LONGEST_LINE] for line in self._lines)
        finally:
            self.release()


def last_lines() -> Callable[[], str]:
    """Remember what is written from now on; the returned function gives the last lines of it."""
    logger = logging.getLogger(PACKAGE)
    remembering = _LastLines()
    remembering.setFormatter(
        _JsonFormatter() if form_in_force() is LogFormat.JSON else _TextFormatter(tracebacks=False)
    )
    logger.addHandler(remembering)
    return remembering.text


def adjust(shared: Shared, *, level: str, form: LogFormat) -> None:
    """Write messages as the settings say; the command line's own word is stronger."""
    logger = logging.getLogger(PACKAGE)
    logger.setLevel("ERROR" if shared.quiet else "DEBUG" if shared.verbose else level.upper())
    tracebacks = shared.verbose >= _TRACEBACKS_FROM
    for handler in logger.handlers:
        if (shared.log_format or form) is LogFormat.JSON:
            handler.setFormatter(_JsonFormatter())
        elif isinstance(handler, _Stderr) and is_terminal(handler.stream) and not shared.verbose:
            handler.setFormatter(
                _TerminalFormatter(tracebacks=tracebacks, color=has_color(shared), stream=handler.stream)
            )
        else:
            handler.setFormatter(_TextFormatter(tracebacks=tracebacks))


def is_terminal(stream: TextIO) -> bool:
    """Whether a person may be watching what is written there."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def has_color(shared: Shared) -> bool:
    """Whether a terminal is to be given colours."""
    return not (shared.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") in {"dumb", "unknown", ""})


@contextmanager
def above(say: Callable[[str], None]) -> Generator[None]:
    """Let messages be written by `say`, above what moves on the terminal, for as long as it does."""
    handlers = [handler for handler in logging.getLogger(PACKAGE).handlers if isinstance(handler, _Stderr)]
    for handler in handlers:
        handler.say_above = say
    try:
        yield
    finally:
        for handler in handlers:
            handler.say_above = None


@contextmanager
def warnings_alone(part: str, *, least: int = logging.WARNING) -> Generator[None]:
    """Leave out what a part of the program says below a warning, or `least`: it is shown at the end, all at once."""
    logger = logging.getLogger(part)
    before = logger.level
    logger.setLevel(least)
    try:
        yield
    finally:
        logger.setLevel(before)


def insist(text: str) -> None:
    """Write a warning whatever the level in force: `-q` and IRONFORGE_LOG_LEVEL leave it in."""
    logger = logging.getLogger(PACKAGE)
    logger.handle(logger.makeRecord(logger.name, logging.WARNING, __file__, 0, text, (), None))


def form_in_force() -> LogFormat:
    """How messages are written now."""
    handlers = logging.getLogger(PACKAGE).handlers
    is_json = any(isinstance(handler.formatter, _JsonFormatter) for handler in handlers)
    return LogFormat.JSON if is_json else LogFormat.TEXT
