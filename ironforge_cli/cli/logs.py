"""Messages on stderr: lines for people, or one JSON object a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from ironforge_cli.cli.options import LogFormat

if TYPE_CHECKING:
    from logging import LogRecord

PACKAGE = "ironforge_cli"
_TRACEBACKS_FROM = 2


class _TextFormatter(logging.Formatter):
    """`2024-01-15T03:48:02Z WARNING EU: …`; tracebacks only where they were asked for."""

    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__()
        self._tracebacks = tracebacks

    def format(self, record: LogRecord) -> str:
        """One line, or more with a traceback."""
        line = f"{_time(record)} {record.levelname} {record.getMessage()}"
        if not record.exc_info:
            return line
        if self._tracebacks:
            return f"{line}\n{self.formatException(record.exc_info)}"
        return f"{line}: {record.exc_info[1]}"


class _JsonFormatter(logging.Formatter):
    """One object a line, with the traceback where there is one."""

    def format(self, record: LogRecord) -> str:
        """One line of JSON."""
        entry: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def _time(record: LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def set_up(stream: TextIO, *, level: str, form: LogFormat, verbose: int, quiet: bool) -> logging.Handler:
    """Send the package's messages to a stream; `-v` and `-q` are stronger than the level of the settings.

    Libraries' messages stay out below a warning: some of theirs quote requests.
    """
    handler = logging.StreamHandler(stream)
    tracebacks = verbose >= _TRACEBACKS_FROM
    handler.setFormatter(_JsonFormatter() if form is LogFormat.JSON else _TextFormatter(tracebacks=tracebacks))
    logger = logging.getLogger(PACKAGE)
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel("ERROR" if quiet else "DEBUG" if verbose else level.upper())
    return handler
