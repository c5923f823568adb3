"""The program as a person calls it: in this process by Typer's runner, or as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from functools import cache
from typing import IO, TYPE_CHECKING, Any, Protocol

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ironforge_cli.cli.app import app
from ironforge_cli.cli.frame.options import Shared
from ironforge_cli.cli.frame.wiring import Invocation
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from ironforge_cli.sandbox.stand_in import Sandbox

NOBODY = "postgresql://127.0.0.1:1/x"


class Result(Protocol):
    """How a command ended."""

    @property
    def exit_code(self) -> int: ...

    @property
    def stdout(self) -> str: ...

    @property
    def stderr(self) -> str: ...


class Command(Protocol):
    """Runs the program on a job that has ended already."""

    def __call__(self, *arguments: str) -> Result: ...


class Run(Protocol):
    """Runs the program with arguments and returns how it ended."""

    def __call__(self, *arguments: str, stdin: str | bytes | None = None, **variables: str) -> Result: ...


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the program folders of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("IRONFORGE_HOME", str(tmp_path / "home"))
    # Usage errors are drawn as wide as the terminal.
    monkeypatch.setenv("TERMINAL_WIDTH", "200")


@pytest.fixture(scope="session", autouse=True)
def built_once() -> Generator[None]:
    """Let Typer's runner make the tree of commands once: made anew for each call, it is half of what a call costs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture
def run() -> Run:
    """Run the program in this process; what it does not catch itself fails the test."""

    def called(*arguments: str, stdin: str | bytes | None = None, **variables: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=variables, input=stdin, catch_exceptions=False)

    return called


@pytest.fixture
def invoke(tmp_path: Path) -> Callable[..., Invocation]:
    """An invocation with settings of its own and a database of an operator's, which nobody has to reach."""

    def made(*, shared: Shared | None = None, **variables: str) -> Invocation:
        environment = {"IRONFORGE_HOME": str(tmp_path / "home"), "IRONFORGE_DATABASE_URL": NOBODY, **variables}
        return Invocation(environment=environment, shared=shared or Shared(), command="collect")

    return made


@pytest.fixture
def told(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Command]:
    """Let a job end in some way, and the command that asks for it say so."""
    monkeypatch.setenv("IRONFORGE_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    monkeypatch.setenv("BLIZZARD_CLIENT_ID", "me")
    monkeypatch.setenv("BLIZZARD_CLIENT_SECRET", "hidden")

    def of(job: str, ending: Any) -> Command:
        def job_itself(*_: Any, **__: Any) -> Any:
            return ending

        monkeypatch.setattr(f"ironforge_cli.jobs.{job}", job_itself)

        def called(*arguments: str) -> Result:
            return run(*arguments, IRONFORGE_LOG_LEVEL="error")

        return called

    return of


@pytest.fixture
def start() -> Generator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the program as a process of its own, which ends with the test at the latest."""
    with ExitStack() as running:

        def started(
            *arguments: str,
            ignoring: tuple[signal.Signals, ...] = (),
            stdout: int | IO[Any] = subprocess.PIPE,
            stderr: int | IO[Any] = subprocess.PIPE,
            **variables: str,
        ) -> subprocess.Popen[bytes]:
            # A shell that runs the tests in the background switches SIGINT off for all that they start.
            program = (
                "import signal\n"
                f"for number in {[int(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]}:\n"
                f"    ignored = number in {[int(number) for number in ignoring]}\n"
                "    default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL\n"
                "    signal.signal(number, signal.SIG_IGN if ignored else default)\n"
                "from ironforge_cli.__main__ import main\n"
                "main()\n"
            )
            process = subprocess.Popen(
                [sys.executable, "-c", program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, **variables},
            )
            running.enter_context(process)
            running.callback(process.kill)
            return process

        yield started


@pytest.fixture
def api(sandbox: Sandbox) -> Mapping[str, str]:
    """The variables that lead the program to a sandbox."""
    return sandbox.address.environment


@pytest.fixture
def short_home(monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A home for an embedded server: any account can reach it, and its path is short enough for a socket."""
    with open_folder() as folder:
        monkeypatch.setenv("IRONFORGE_HOME", str(folder / "home"))
        yield folder / "home"
