"""Running one command: its messages, its signals, its result, and the exit code of whatever goes wrong."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.cli import logs
from ironforge_cli.cli.options import Format, LogFormat
from ironforge_cli.cli.render import PIPED_WIDTH, Report, written
from ironforge_cli.cli.wiring import Invocation
from ironforge_cli.errors import ExitStatus, IronforgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.console import Console

    from ironforge_cli.cli.options import Shared
    from ironforge_cli.cli.wiring import Stop

log = logging.getLogger(__name__)

_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def run_command(
    function: Callable[..., Report | None], options: dict[str, Any], *, shared: Shared, name: str
) -> ExitStatus:
    """Run a command's function and return its exit code; what goes wrong is said on stderr."""
    invocation = Invocation(environment=os.environ, shared=shared, command=name)
    form = shared.log_format or LogFormat(invocation.log_setting("log_format", LogFormat))
    logs.set_up(
        sys.stderr,
        level=invocation.log_setting("log_level", str),
        form=form,
        verbose=shared.verbose,
        quiet=shared.quiet,
    )
    try:
        with _signals(invocation.stop), invocation:
            report = function(invocation, **options)
            if report is None:
                return ExitStatus.DONE
            _write(report, shared)
            for failure in report.failures:
                log.error("%s", failure)
            return report.status
    except IronforgeError as error:
        if error.status is ExitStatus.BUG or shared.verbose > 1:
            log.exception("ironforge %s", name)
        else:
            log.error("%s", error)  # noqa: TRY400 - the message says what to do; a traceback would bury it
        return error.status
    except KeyboardInterrupt:
        log.error("Ended by SIGINT, at once.")  # noqa: TRY400 - nothing more is known
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.DONE
    except Exception as error:  # noqa: BLE001 - nothing above it could tell what to do
        # The last resort: an unexpected error is a bug, told with all that helps to mend it.
        _report_bug(invocation, error, traces=shared.verbose > 1 or form is LogFormat.JSON)
        return ExitStatus.BUG


def _report_bug(invocation: Invocation, error: Exception, *, traces: bool) -> None:
    if traces:
        log.error("An unexpected error in ironforge %s; please report it", invocation.command, exc_info=error)
        return
    where = "run it again with -vv for the traceback"
    try:
        file = invocation.settings.home / "errors.log"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(f"{invocation.clock.now().isoformat()} ironforge {invocation.command}\n")
            stream.write("".join(traceback.format_exception(error)))
        where = f"the traceback is in {file}"
    except (OSError, IronforgeError) as also:
        log.warning("The traceback could not be kept: %s", also)
    log.error(
        "An unexpected error in ironforge %s: %s: %s. Please report it; %s.",
        invocation.command,
        type(error).__name__,
        error,
        where,
    )


def _write(report: Report, shared: Shared) -> None:
    if report.format is Format.TABLE:
        report.show(stdout_console(shared))
    else:
        sys.stdout.write(written(report))
    sys.stdout.flush()


def stdout_console(shared: Shared) -> Console:
    """Where tables go: as wide as the terminal, or as a pipe can take."""
    # Rich takes long to import, and formats for programs don't need it.
    from rich.console import Console  # noqa: PLC0415

    piped = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(file=sys.stdout, width=piped, no_color=shared.no_color or None, highlight=False, soft_wrap=False)


@contextmanager
def _signals(stop: Stop) -> Generator[None]:
    """Let the first signal end the work after its step; a second Ctrl-C ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def received(number: int, _: object) -> None:
        if stop.is_asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.ask(signal.Signals(number).name)

    previous = {number: signal.signal(number, received) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
