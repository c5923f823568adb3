"""What a person does at a terminal raises no alarm of a health check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.cli.frame import pings, wiring
from ironforge_cli.cli.frame.options import Shared
from ironforge_cli.cli.frame.running import run_command
from ironforge_cli.errors import ExitStatus, UsageError
from tests.blizzard.stub_server import Said, Stub, stub_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ironforge_cli.cli.frame.wiring import Invocation

UUID = "0b1e8f5c-7a6d-4c7e-9c55-2f1f9a7d6c11"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Generator[Stub]:
    """A health check that takes everything, however busy the machine is."""
    monkeypatch.setattr(pings, "PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(pings, "START_SECONDS", 60.0)
    with stub_server(lambda _: Said(body=b"OK")) as stub:
        monkeypatch.setenv("IRONFORGE_PING_URL", f"{stub.url}/{UUID}")
        yield stub


def ended(function: Callable[..., None]) -> ExitStatus:
    """Run a function as a command."""
    return run_command(function, {}, shared=Shared(), name="collect")


def good(_: Invocation) -> None:
    """A command that does its work."""


def told(stub: Stub) -> list[tuple[str, str]]:
    """What a health check heard, in order."""
    return [(asked.method, asked.path) for asked in stub.asked]


def test_a_call_that_can_not_work_is_no_run_and_tells_nothing(check: Stub) -> None:
    def mistyped(_: Invocation, **__: Any) -> None:
        raise UsageError("--interval is at least 1s.")

    assert ended(mistyped) is ExitStatus.USAGE
    assert told(check) == []


@pytest.mark.parametrize(
    ("signal_name", "expected"),
    [("SIGINT", []), ("SIGHUP", []), ("SIGTERM", [("POST", f"/{UUID}/fail")])],
)
def test_what_a_person_breaks_off_at_a_terminal_tells_nothing(
    check: Stub,
    monkeypatch: pytest.MonkeyPatch,
    signal_name: str,
    expected: list[tuple[str, str]],
) -> None:
    monkeypatch.setattr(wiring, "is_at_terminal", lambda: True)

    def broken_off(run: Invocation, **_: Any) -> None:
        run.at_work()
        run.stop.ask(signal_name)
        run.clock.check()

    ended(broken_off)
    assert told(check) == expected


def test_good_work_at_a_terminal_is_told_when_it_is_done(check: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "is_at_terminal", lambda: True)
    assert ended(good) is ExitStatus.DONE
    assert told(check) == [("GET", f"/{UUID}")]
