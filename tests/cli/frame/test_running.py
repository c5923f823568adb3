"""What a command's end becomes: its exit code, its messages, its signals. In this process, without a command's work."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from ironforge_cli.cli.app import app
from ironforge_cli.cli.frame import running
from ironforge_cli.cli.frame.options import Format, LogFormat, Shared
from ironforge_cli.cli.frame.running import run_command
from ironforge_cli.cli.show.render import Report
from ironforge_cli.errors import (
    ConfigurationError,
    ExitStatus,
    InterruptedRunError,
    IronforgeError,
    LockedError,
    UnavailableError,
)
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ironforge_cli.cli.frame.wiring import Invocation

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ended(function: Callable[..., Any], *, shared: Shared | None = None, **options: Any) -> ExitStatus:
    return run_command(function, options, shared=shared or Shared(), name="try it")


def raising(error: BaseException) -> Callable[..., None]:
    def work(_: Invocation, **__: object) -> None:
        raise error

    return work


def nothing(_: Invocation) -> None:
    """A command that does its work and has nothing to say."""


def reporting(made: Report) -> Callable[..., Report]:
    def work(_: Invocation) -> Report:
        return made

    return work


def report(**changed: Any) -> Report:
    usual: dict[str, Any] = {"records": [{"n": 1}], "show": nothing, "format": Format.JSON}
    return Report(**{**usual, **changed})


# Exit codes


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnavailableError("503."), ExitStatus.UNAVAILABLE),
        (ConfigurationError("Wrong."), ExitStatus.CONFIGURATION),
        (LockedError("Held."), ExitStatus.LOCKED),
        (InterruptedRunError("SIGHUP"), ExitStatus.HANGUP),
        (KeyboardInterrupt(), ExitStatus.INTERRUPTED),
        (ZeroDivisionError("of all things"), ExitStatus.BUG),
        (IronforgeError("Odd."), ExitStatus.BUG),
    ],
)
def test_an_error_is_its_exit_code_and_is_said_on_stderr(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: ExitStatus
) -> None:
    assert ended(raising(error)) is status
    said = capsys.readouterr()
    assert said.out == ""
    assert (str(error) or "Ended by SIGINT") in said.err
    assert "Traceback" not in said.err


def test_a_command_that_returns_nothing_did_its_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(nothing) is ExitStatus.DONE
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("status", [ExitStatus.DONE, ExitStatus.PARTIAL, ExitStatus.UNHEALTHY])
def test_a_report_is_written_with_its_warnings_its_failures_and_its_status(
    capsys: pytest.CaptureFixture[str], status: ExitStatus
) -> None:
    made = report(status=status, warnings=("EU: nothing was published.",), failures=("US: away.", "US: still away."))
    assert ended(reporting(made)) is status
    said = capsys.readouterr()
    assert json.loads(said.out) == [{"n": 1}]
    assert [line.split(" ", 1)[1] for line in said.err.splitlines()] == [
        "WARNING EU: nothing was published.",
        "ERROR US: away.",
        "ERROR US: still away.",
    ]


def test_a_warning_of_a_report_is_said_under_quiet_too(capsys: pytest.CaptureFixture[str]) -> None:
    made = report(warnings=("EU: nothing was published.",))
    assert ended(reporting(made), shared=Shared(quiet=True)) is ExitStatus.DONE
    assert "EU: nothing was published." in capsys.readouterr().err


def test_options_and_what_is_opened_are_the_command_s_and_end_with_it() -> None:
    events: list[object] = []

    class Resource:
        def __enter__(self) -> None:
            events.append("opened")

        def __exit__(self, *_: object) -> None:
            events.append("closed")

    def work(run: Invocation, *, limit: int) -> None:
        run.close_with(Resource())
        events.append((run.command, limit, run.shared.verbose, run.environment.get("IRONFORGE_HOME")))
        raise UnavailableError("503.")

    assert ended(work, limit=3, shared=Shared(verbose=1)) is ExitStatus.UNAVAILABLE
    assert events == ["opened", ("try it", 3, 1, os.environ["IRONFORGE_HOME"]), "closed"]


# Tracebacks


@pytest.mark.parametrize(
    ("error", "verbose", "shows"),
    [
        (UnavailableError("503."), 0, False),
        (UnavailableError("503."), 1, False),
        (UnavailableError("503."), 2, True),
        (ZeroDivisionError("of all things"), 1, False),
        (ZeroDivisionError("of all things"), 2, True),
        (IronforgeError("Odd."), 1, False),
        (IronforgeError("Odd."), 2, True),
    ],
)
def test_a_traceback_is_shown_to_who_asks_twice(
    capsys: pytest.CaptureFixture[str], error: Exception, verbose: int, *, shows: bool
) -> None:
    ended(raising(error), shared=Shared(verbose=verbose))
    assert ("Traceback" in capsys.readouterr().err) is shows


def kept() -> str:
    file = Path(os.environ["IRONFORGE_HOME"]) / "errors.log"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def test_only_the_traceback_of_a_bug_is_kept_and_each_beside_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    ended(raising(UnavailableError("503.")))
    assert kept() == ""
    for what in ("first", "second"):
        ended(raising(ZeroDivisionError(what)))
    assert kept().count("ironforge try it\nTraceback") == 2
    assert kept().index("ZeroDivisionError: first") < kept().index("ZeroDivisionError: second")
    assert f"the traceback is in {os.environ['IRONFORGE_HOME']}/errors.log" in capsys.readouterr().err


def test_the_file_of_tracebacks_has_an_end_whatever_goes_wrong_and_how_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "_LONGEST_ERROR_LOG", 10_000)
    monkeypatch.setattr(running, "_LONGEST_TRACEBACK", 2_000)
    for number in range(40):
        ended(raising(ZeroDivisionError(f"{number} " + "x" * 100_000)))
    home = Path(os.environ["IRONFORGE_HOME"])
    assert sorted(path.name for path in home.iterdir()) == ["errors.log", "errors.log.1"]
    assert all(path.stat().st_size < 13_000 for path in home.iterdir())
    assert "x" * 100 in kept()
    assert "… shortened …" in kept()
    assert kept().count("ironforge try it\nTraceback") > 1


def test_a_bug_of_a_demo_is_kept_in_the_demo_s_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of the demo")

    monkeypatch.setattr("ironforge_cli.cli.frame.wiring.Invocation.embedded_database", broken)
    with open_folder() as folder:
        done = CliRunner().invoke(app, ["demo", "--home", str(folder / "demo"), "--auctions", "100"])
        assert done.exit_code == ExitStatus.BUG
        assert "of the demo" in (folder / "demo" / "errors.log").read_text(encoding="utf-8")
    assert kept() == ""


def test_a_bug_that_was_met_below_a_command_is_kept_too() -> None:
    def work(_: Invocation) -> None:
        try:
            divmod(1, 0)
        except ZeroDivisionError:
            logging.getLogger("ironforge_cli.of_this_test").exception("EU: it went wrong")

    assert ended(work) is ExitStatus.DONE
    assert "ZeroDivisionError" in kept()


def test_where_messages_are_json_the_traceback_of_a_bug_is_in_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended(raising(ZeroDivisionError("odd")), shared=Shared(log_format=LogFormat.JSON)) is ExitStatus.BUG
    (line,) = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError: odd" in json.loads(line)["traceback"]
    assert kept() == ""


# Signals


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, ExitStatus.INTERRUPTED),
        (signal.SIGTERM, ExitStatus.TERMINATED),
        (signal.SIGHUP, ExitStatus.HANGUP),
    ],
)
def test_a_signal_ends_the_work_after_its_step_and_handlers_are_put_back(
    number: signal.Signals, status: ExitStatus
) -> None:
    steps: list[str] = []

    def work(run: Invocation) -> None:
        signal.raise_signal(number)
        steps.append("the step that was begun")
        run.clock.check()
        steps.append("the next one")

    before = handlers()
    with switched_on(number):
        assert ended(work) is status
    assert steps == ["the step that was begun"]
    assert handlers() == before


@contextmanager
def switched_on(number: signal.Signals) -> Generator[None]:
    """Let a signal be on that whoever started the tests has switched off, as nohup does."""
    before = signal.signal(number, signal.SIG_DFL)
    yield
    signal.signal(number, before)


def test_a_signal_that_is_switched_off_stays_off() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def work(run: Invocation) -> None:
            signal.raise_signal(signal.SIGHUP)
            run.clock.check()

        assert ended(work) is ExitStatus.DONE
        assert signal.signal(signal.SIGHUP, before) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_ctrl_c_ends_it_at_once_and_a_second_other_signal_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []
    send = signal.raise_signal

    def work(_: Invocation) -> None:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert raised == []
        monkeypatch.setattr(signal, "raise_signal", raised.append)
        send(signal.SIGINT)
        assert raised == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL

    assert ended(work) is ExitStatus.DONE


def test_a_command_can_run_beside_the_main_thread() -> None:
    found: list[object] = []

    def work(_: Invocation) -> None:
        found.append(handlers())

    def beside() -> None:
        found.append(ended(work, shared=Shared(quiet=True)))

    before = handlers()
    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    assert found == [before, ExitStatus.DONE]


# Streams


def test_streams_that_a_daemon_closed_cost_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        patched.setattr(sys, "stderr", None)
        made = report(failures=("US: away.",), status=ExitStatus.DATABASE)
        assert ended(reporting(made)) is ExitStatus.DATABASE
        for stream in (sys.stdout, sys.stderr):
            assert stream is not None
            stream.close()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_a_thread_at_work_is_given_ends_the_run_too(number: signal.Signals) -> None:
    def work(run: Invocation) -> None:
        def given() -> bool:
            # By then the main thread has long begun to wait; were it not, nothing would be tried.
            threading.Event().wait(0.3)
            signal.pthread_kill(threading.get_ident(), number)
            return run.stop.event.wait(10)

        with ThreadPoolExecutor(1) as pool:
            # As a window does, the main thread waits for a thread, and for nothing else.
            assert pool.submit(given).result()
        run.stop.check()

    before = signal.getsignal(signal.SIGURG), signal.set_wakeup_fd(-1)
    with switched_on(number):
        assert run_command(work, {}, shared=Shared(quiet=True), name="poll") == 128 + number
    assert (signal.getsignal(signal.SIGURG), signal.set_wakeup_fd(-1)) == before
