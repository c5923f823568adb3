"""Health checks hear how cron's commands go, and nothing that they do disturbs one."""

from __future__ import annotations

import base64
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.cli.frame import pings
from ironforge_cli.cli.frame.options import LogFormat, Shared
from ironforge_cli.cli.frame.pings import PINGED
from ironforge_cli.cli.frame.running import run_command
from ironforge_cli.errors import ExitStatus, InterruptedRunError, LockedError, UnavailableError
from tests.blizzard.stub_server import Asked, Said, Stub, stub_server
from tests.cli.tree import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ironforge_cli.cli.frame.wiring import Invocation
    from tests.cli.conftest import Run
    from tests.servers import TestServer

UUID = "0b1e8f5c-7a6d-4c7e-9c55-2f1f9a7d6c11"
HOST_ALONE = "127.0.0.1"
log = logging.getLogger("ironforge_cli.of_this_test")


@pytest.fixture
def check() -> Generator[Stub]:
    """A health check that takes everything."""
    with stub_server(lambda _: Said(body=b"OK")) as stub:
        yield stub


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a health check that answers takes its time."""
    monkeypatch.setattr(pings, "PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(pings, "START_SECONDS", 60.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, patient: None) -> None:
    """A test of a health check that never answers needn't wait as long as an operator would."""
    del patient
    monkeypatch.setattr(pings, "PATIENCE_SECONDS", 0.4)
    monkeypatch.setattr(pings, "START_SECONDS", 0.1)


def good(_: Invocation, **__: Any) -> None:
    """A command that does its work."""
    log.info("EU: stored")


def bad(_: Invocation, **__: Any) -> None:
    """One that can't."""
    log.warning("EU: asked again")
    raise UnavailableError("EU: Blizzard answered 503 five times; the next run asks again.")


def locked(_: Invocation, **__: Any) -> None:
    """One that finds another at work."""
    raise LockedError("another run is at work")


def stopped(_: Invocation, **__: Any) -> None:
    """One that is told to end."""
    raise InterruptedRunError("SIGTERM")


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ExitStatus]:
    """Run a function as a command, with a health check."""

    def run(function: Callable[..., None], url: str, *, name: str = "collect", **options: Any) -> ExitStatus:
        monkeypatch.setenv("IRONFORGE_PING_URL", url)
        shared = options.pop("shared", Shared())
        return run_command(function, options, shared=shared, name=name)

    return run


def told(stub: Stub) -> list[tuple[str, str]]:
    """What a health check heard, in order."""
    return [(asked.method, asked.path) for asked in stub.asked]


# What is told


@pytest.mark.parametrize("name", sorted(PINGED - {"status"}))
def test_a_command_tells_that_it_begins_and_that_it_did_its_work(
    ended: Callable[..., ExitStatus], check: Stub, name: str
) -> None:
    assert ended(good, f"{check.url}/{UUID}", name=name) is ExitStatus.DONE
    assert told(check) == [("GET", f"/{UUID}/start"), ("GET", f"/{UUID}")]


def test_a_failure_is_told_with_the_last_lines_and_the_exit_code(
    ended: Callable[..., ExitStatus], check: Stub, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ended(bad, f"{check.url}/{UUID}") is ExitStatus.UNAVAILABLE
    assert told(check) == [("GET", f"/{UUID}/start"), ("POST", f"/{UUID}/fail")]
    body = check.asked[-1].body.decode()
    written = capfd.readouterr().err
    assert "WARNING EU: asked again\n" in written
    assert body == f"{written}exit code 69: {ExitStatus.UNAVAILABLE.meaning}\n"


def test_only_the_last_lines_are_told_and_no_line_is_endless(ended: Callable[..., ExitStatus], check: Stub) -> None:
    def talkative(_: Invocation) -> None:
        for number in range(1_000):
            log.warning("line %d %s", number, "x" * 5_000)
        raise UnavailableError("gone")

    ended(talkative, check.url, shared=Shared(log_format=LogFormat.TEXT))
    lines = check.asked[-1].body.decode().splitlines()
    assert "line 999 " in lines[-3]
    assert len(lines) < 50
    assert max(len(line) for line in lines) <= 1_000


def test_quiet_commands_tell_what_they_said_and_no_more(ended: Callable[..., ExitStatus], check: Stub) -> None:
    ended(bad, check.url, shared=Shared(quiet=True))
    body = check.asked[-1].body.decode()
    assert "asked again" not in body
    assert "503" in body


def test_messages_in_json_are_told_in_json(ended: Callable[..., ExitStatus], check: Stub) -> None:
    ended(bad, check.url, shared=Shared(log_format=LogFormat.JSON))
    assert check.asked[-1].body.decode().startswith('{"time":')


def test_a_run_that_finds_another_at_work_neither_succeeds_nor_fails(
    ended: Callable[..., ExitStatus], check: Stub
) -> None:
    assert ended(locked, f"{check.url}/{UUID}") is ExitStatus.LOCKED
    assert set(told(check)) <= {("GET", f"/{UUID}/start")}


def test_a_run_that_was_ended_has_failed(ended: Callable[..., ExitStatus], check: Stub) -> None:
    assert ended(stopped, f"{check.url}/{UUID}") is ExitStatus.TERMINATED
    assert told(check)[-1] == ("POST", f"/{UUID}/fail")
    assert "exit code 143: " in check.asked[-1].body.decode()


def test_a_bug_has_failed(ended: Callable[..., ExitStatus], check: Stub) -> None:
    def bug(_: Invocation) -> None:
        raise ZeroDivisionError("of all things")

    assert ended(bug, check.url) is ExitStatus.BUG
    assert "of all things" in check.asked[-1].body.decode()


# Which commands tell, and whom


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("status", {"check": False}),
        ("collect", {"from_": "body.json"}),
        ("partitions maintain", {"dry_run": True}),
        ("stats recompute", {"dry_run": True}),
        *((" ".join(words), {}) for words in COMMANDS if " ".join(words) not in PINGED),
    ],
)
def test_what_is_not_cron_s_work_tells_nobody(
    ended: Callable[..., ExitStatus], check: Stub, name: str, options: Mapping[str, Any]
) -> None:
    assert ended(good, check.url, name=name, **options) is ExitStatus.DONE
    assert check.asked == []


def test_nobody_is_told_where_no_health_check_is_set(ended: Callable[..., ExitStatus]) -> None:
    before = threading.active_count()
    assert ended(good, "") is ExitStatus.DONE
    assert threading.active_count() == before


def test_each_command_can_have_a_check_of_its_own(ended: Callable[..., ExitStatus], check: Stub) -> None:
    for name in ("seed all", "partitions maintain"):
        ended(good, f"{check.url}/key/ironforge-{{command}}?create=1", name=name)
    ended(good, f"{check.url}/key/ironforge-{{command}}?create=1", name="status", check=True)
    assert [asked.path for asked in check.asked if "/start" not in asked.path] == [
        "/key/ironforge-seed-all?create=1",
        "/key/ironforge-partitions-maintain?create=1",
        "/key/ironforge-status?create=1",
    ]


@pytest.mark.parametrize(
    ("given", "start", "success"),
    [
        (f"/ping/{UUID}?rid=7&x=a%2Fb", f"/ping/{UUID}/start?rid=7&x=a%2Fb", f"/ping/{UUID}?rid=7&x=a%2Fb"),
        ("/ping/", "/ping/start", "/ping"),
        ("?token=7", "/start?token=7", "/?token=7"),
        ("/a b/ö", "/a%20b/%C3%B6/start", "/a%20b/%C3%B6"),
        ("/ping#fragment", "/ping/start", "/ping"),
    ],
)
def test_the_word_of_an_event_ends_the_path_and_the_query_survives(
    ended: Callable[..., ExitStatus], check: Stub, given: str, start: str, success: str
) -> None:
    ended(good, check.url + given)
    assert told(check) == [("GET", start), ("GET", success)]


def test_user_and_password_of_the_url_are_shown_to_the_check(ended: Callable[..., ExitStatus], check: Stub) -> None:
    ended(good, check.url.replace("://", "://me:p%40ss@") + "/x")
    expected = f"Basic {base64.b64encode(b'me:p@ss').decode()}"
    assert check.authorizations == [expected, expected]


@pytest.mark.parametrize("refusal", [404, 405, 501])
def test_a_check_that_takes_no_post_is_asked_by_get(ended: Callable[..., ExitStatus], refusal: int) -> None:
    def answer(asked: Asked) -> Said:
        return Said(status=refusal if asked.method == "POST" else 200)

    with stub_server(answer) as stub:
        assert ended(bad, f"{stub.url}/x") is ExitStatus.UNAVAILABLE
    assert told(stub) == [("GET", "/x/start"), ("POST", "/x/fail"), ("GET", "/x/fail")]
    assert stub.asked[-1].body == b""


# Nothing disturbs the work


def secrets_in(url: str) -> str:
    """An address whose secrets are easy to search for."""
    return url.replace("://", "://user:hidden-password@") + "/hidden-uuid?key=hidden-key"


@pytest.fixture
def is_only_a_warning(
    ended: Callable[..., ExitStatus], capfd: pytest.CaptureFixture[str]
) -> Callable[[str, str], None]:
    """The claim about every fault: the work is done, the code stands, one warning names host and reason alone."""

    def claim(url: str, reason: str) -> None:
        assert ended(good, url) is ExitStatus.DONE
        written = capfd.readouterr().err
        warnings = [line for line in written.splitlines() if " WARNING " in line]
        assert len(warnings) == 1
        assert "health check at " in warnings[0]
        assert reason in warnings[0]
        assert "hidden" not in written
        assert "Traceback" not in written
        assert ended(bad, url) is ExitStatus.UNAVAILABLE
        assert "hidden" not in capfd.readouterr().err
        assert ended(good, url, shared=Shared(quiet=True)) is ExitStatus.DONE
        assert capfd.readouterr().err == ""

    return claim


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Said(status=500, body=b"hidden"), "it answered 500"),
        (Said(status=404), "it answered 404"),
        (Said(status=409), "it answered 409"),
        (Said(status=302, headers={"Location": "gopher://nonsense/"}), "it redirects (302)"),
        (Said(status=301, headers={"Location": "/hidden/elsewhere"}), "it redirects (301)"),
        (Said(status=307), "it redirects (307)"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Said) else "",
)
def test_a_check_that_refuses_is_only_a_warning(
    is_only_a_warning: Callable[[str, str], None], answer: Said, reason: str
) -> None:
    with stub_server(lambda _: answer) as stub:
        is_only_a_warning(secrets_in(stub.url), reason)
        assert all("elsewhere" not in asked.path for asked in stub.asked)


@pytest.mark.usefixtures("impatient")
def test_a_check_that_answers_never_is_waited_for_no_longer_than_patience_lasts(
    is_only_a_warning: Callable[[str, str], None],
) -> None:
    over = threading.Event()

    def answer(_: Asked) -> Said:
        over.wait()
        return Said()

    with stub_server(answer) as stub:
        try:
            is_only_a_warning(secrets_in(stub.url), "")
        finally:
            over.set()


def test_a_check_that_takes_no_connection_is_only_a_warning(is_only_a_warning: Callable[[str, str], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    is_only_a_warning(secrets_in(f"http://127.0.0.1:{port}"), "Connection refused")


def test_a_check_that_speaks_no_http_is_only_a_warning(is_only_a_warning: Callable[[str, str], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1)
                    connection.sendall(b"hidden nonsense\r\n\r\n")

        serving = threading.Thread(target=hang_up)
        serving.start()
        try:
            is_only_a_warning(secrets_in(f"http://127.0.0.1:{listening.getsockname()[1]}"), "")
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            serving.join()


@pytest.mark.parametrize("address", ["http://127.0.0.1:port", "http://nowhere.invalid", f"http://{'x' * 300}.invalid"])
def test_an_address_that_leads_nowhere_is_only_a_warning(
    is_only_a_warning: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    is_only_a_warning(secrets_in(address), "")


@pytest.mark.usefixtures("impatient")
def test_a_name_server_that_hangs_is_waited_for_no_longer_than_patience_lasts(
    is_only_a_warning: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hang(*_: object, **__: object) -> list[Any]:
        over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        is_only_a_warning(secrets_in("http://hc.example"), "no answer in time")
    finally:
        over.set()


def test_the_work_does_not_wait_for_the_first_ping(ended: Callable[..., ExitStatus]) -> None:
    is_done = threading.Event()

    def answer(_: Asked) -> Said:
        is_done.wait()
        return Said()

    def work(_: Invocation) -> None:
        # Were the first ping waited for, this would never be reached.
        is_done.set()

    with stub_server(answer) as stub:
        assert ended(work, stub.url) is ExitStatus.DONE
        assert {asked.path for asked in stub.asked} == {"/start", "/"}


def test_the_first_ping_is_never_overtaken_by_the_last(ended: Callable[..., ExitStatus]) -> None:
    order: list[str] = []
    slow = threading.Event()

    def answer(asked: Asked) -> Said:
        if asked.path.endswith("/start"):
            slow.wait(0.2)
        order.append(asked.path)
        return Said()

    with stub_server(answer) as stub:
        ended(good, f"{stub.url}/x")
    assert order == ["/x/start", "/x"]


def test_wrong_settings_are_told_once_and_to_no_check(
    ended: Callable[..., ExitStatus], check: Stub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IRONFORGE_LOCALE", "english")

    def reading(run: Invocation) -> None:
        assert run.settings

    assert ended(reading, check.url) is ExitStatus.CONFIGURATION
    assert capfd.readouterr().err.count("IRONFORGE_LOCALE") == 1
    assert check.asked == []


# The program itself


def test_status_tells_what_it_found(run: Run, server: TestServer, check: Stub) -> None:
    with server.migrated_database() as url:
        variables = {"IRONFORGE_DATABASE_URL": url, "IRONFORGE_PING_URL": f"{check.url}/{UUID}"}
        assert run("-q", "status", **variables).exit_code == 0
        assert check.asked == []
        checked = run("-q", "status", "--check", **variables)
    assert checked.exit_code == 4
    assert told(check) == [("GET", f"/{UUID}/start"), ("POST", f"/{UUID}/fail")]
    assert checked.stderr in check.asked[-1].body.decode()


def test_a_signal_while_the_last_ping_is_on_its_way_changes_no_exit_code() -> None:
    is_asked, over = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Said:
        if not asked.path.endswith("/start"):
            is_asked.set()
            over.wait()
        return Said()

    program = (
        "from ironforge_cli.cli.frame.options import Shared\n"
        "from ironforge_cli.cli.frame.running import run_command\n"
        "raise SystemExit(int(run_command(lambda run: None, {}, shared=Shared(), name='collect')))\n"
    )
    with stub_server(answer) as stub:
        process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "IRONFORGE_PING_URL": stub.url})
        with process:
            is_asked.wait()
            process.send_signal(signal.SIGTERM)
            over.set()
        assert process.returncode == 0
