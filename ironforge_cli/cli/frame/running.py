"""Running one command: its messages, its signals, its result, and the exit code of whatever goes wrong."""

from __future__ import annotations

import io
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.cli.frame import logs, pings
from ironforge_cli.cli.frame.options import LogFormat
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show import output
from ironforge_cli.cli.show.encodings import PLAIN_CHARACTERS
from ironforge_cli.errors import ExitStatus, IronforgeError
from ironforge_cli.ownership import owners_rights

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ironforge_cli.cli.frame.options import Shared
    from ironforge_cli.cli.frame.wiring import Stop
    from ironforge_cli.cli.show.render import Report

log = logging.getLogger(__name__)

# Of errors.log there is one more file, the one before it.
_LONGEST_ERROR_LOG: Final = 1_000_000
_LONGEST_TRACEBACK: Final = 100_000
# By Ctrl-C, or by closing the terminal.
_ENDED_BY_PERSON: Final = frozenset({ExitStatus.INTERRUPTED, ExitStatus.HANGUP})
# Nobody sends it to programs, and without a handler it does nothing.
_NUDGE: Final = signal.SIGURG
_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def run_command(
    function: Callable[..., Report | None], options: dict[str, Any], *, shared: Shared, name: str
) -> ExitStatus:
    """Run a command's function and return its exit code; what goes wrong is said on stderr."""
    invocation = Invocation(environment=os.environ, shared=shared, command=name)
    # A daemon may have closed them; what nobody reads must not cost the work.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lasts as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lasts as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names come in every script there is, and a terminal's encoding may lack some of them.
            stream.reconfigure(errors=PLAIN_CHARACTERS)
    with logs.written_to(sys.stderr, shared, environment=os.environ):
        logs.keep_tracebacks(lambda trace: _kept_traceback(invocation, trace))
        last_lines = logs.last_lines()
        with _signals(invocation.stop):
            health_check = pings.health_check(invocation, options)
            if health_check is None:
                return _run(function, options, invocation)
            if not invocation.stop.is_at_terminal:
                # What a person begins, and may break off, is none of the check's business before it ended.
                invocation.at_work = health_check.begin
            status = _run(function, options, invocation)
            if not (invocation.stop.is_at_terminal and status in _ENDED_BY_PERSON):
                health_check.end(status, said=last_lines(), tells_begin=not invocation.stop.is_at_terminal)
            return status


def _run(function: Callable[..., Report | None], options: dict[str, Any], invocation: Invocation) -> ExitStatus:
    shared, name = invocation.shared, invocation.command
    try:
        with invocation:
            try:
                report = function(invocation, **options)
            finally:
                invocation.stand_still()
            if report is None:
                return ExitStatus.DONE
            is_cron = pings.is_run_by_cron(name, options)
            is_silent = shared.quiet and is_cron and report.is_told_by_silence
            status = report.status if is_silent else output.write(report, shared)
            for warning in report.warnings:
                logs.insist(warning)
            for failure in report.failures:
                log.error("%s", failure)
            return status
    except IronforgeError as error:
        if error.status is ExitStatus.BUG or shared.verbose > 1:
            log.exception("ironforge %s", name)
        else:
            log.error("%s", error)  # noqa: TRY400 - the message says what to do; a traceback would bury it
        return error.status
    except KeyboardInterrupt:
        log.error("Ended by SIGINT, at once.")  # noqa: TRY400 - nothing more is known
        return ExitStatus.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - nothing above it could tell what to do
        # The last resort: an unexpected error is a bug, told with all that helps to mend it.
        _report_bug(invocation, error)
        return ExitStatus.BUG


def _report_bug(invocation: Invocation, error: Exception) -> None:
    """Say that there is a bug, and keep its traceback: in the messages where they are JSON, else in a file."""
    if logs.form_in_force() is LogFormat.JSON:
        log.error("An unexpected error in ironforge %s; please report it", invocation.command, exc_info=error)
        return
    where = _kept_traceback(invocation, "".join(traceback.format_exception(error)))
    if invocation.shared.verbose > 1:
        log.error("The traceback", exc_info=error)
    log.error(
        "An unexpected error in ironforge %s: %s: %s. Please report it; %s.",
        invocation.command,
        type(error).__name__,
        error,
        where,
    )


def _kept_traceback(invocation: Invocation, trace: str) -> str:
    """Append a traceback to the log file of errors, and say where it can be found."""
    try:
        file = (invocation.home_in_use or invocation.settings.home) / "errors.log"
        when = invocation.clock.now().isoformat()
        with owners_rights(file.parent):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if file.exists() and file.stat().st_size > _LONGEST_ERROR_LOG:
                file.rename(file.with_name(f"{file.name}.1"))
            file.touch(mode=0o600)
            with file.open("a", encoding="utf-8") as stream:
                stream.write(f"{when} ironforge {invocation.command}\n{_shortened(trace)}")
    except (OSError, IronforgeError) as error:
        log.warning("The traceback could not be kept: %s", error)
        return "run it again with -vv for the traceback"
    return f"the traceback is in {file}"


def _shortened(trace: str) -> str:
    """A traceback without its middle, where a recursion or a statement made it very long."""
    half = _LONGEST_TRACEBACK // 2
    return trace if len(trace) <= _LONGEST_TRACEBACK else f"{trace[:half]}\n… shortened …\n{trace[-half:]}"


@contextmanager
def _signals(stop: Stop) -> Generator[None]:
    """Let the first signal end the work after its step; a second Ctrl-C ends it at once.

    A signal that the caller has switched off, as nohup does, stays off.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def received(number: int, _: object) -> None:
        if stop.is_asked and number == signal.SIGINT:
            # An exception would wait for every thread; what is not stored yet, the database rolls back.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
        stop.ask(signal.Signals(number).name)

    previous = {
        number: signal.signal(number, received) for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        with _main_thread_woken():
            yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _main_thread_woken() -> Generator[None]:
    """Wake the main thread when a signal comes, whichever thread the system gives it to.

    Python calls handlers in the main thread alone, and only when it does something. While it waits for another
    thread's work, and that thread is given the signal, the handler would be called when the work is done: a window of
    half an hour would go on to its end.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)  # noqa: FBT003 - the library calls it so
    main = threading.get_ident()

    def watch() -> None:
        # Python writes the number of each signal that came, when its handler is waiting to be called.
        while numbers := ours.recv(64):
            if set(numbers) != {_NUDGE}:
                signal.pthread_kill(main, _NUDGE)

    watching = threading.Thread(target=watch, name="signals", daemon=True)
    nudged = signal.signal(_NUDGE, _nothing)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watching.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        theirs.close()
        watching.join()
        ours.close()
        signal.signal(_NUDGE, nudged)


def _nothing(number: int, frame: object) -> None:
    """Let the main thread look for handlers to call."""
