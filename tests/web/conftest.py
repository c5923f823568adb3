"""The service over a market of ten days, in this process."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from ironforge_cli.cli.app import app
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import UnreachableError
from ironforge_cli.regions import DEFAULT_REGIONS
from ironforge_cli.web.app import create_app
from ironforge_cli.web.document import described
from ironforge_cli.web.server import listening, serve
from ironforge_cli.web.service import Service, ServiceSettings
from tests.answers import chain, test_crafts
from tests.web.client import Client

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.answers.conftest import Ask
    from tests.servers import TestServer


class Clock:
    """A clock that stands, and goes on only where a test says so."""

    def __init__(self) -> None:
        self.moment = chain.NEWEST + timedelta(minutes=30)
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds


def settings(**more: Any) -> ServiceSettings:
    usual: dict[str, Any] = {"regions": DEFAULT_REGIONS, "max_age": timedelta(hours=2), "version": "0.1.0"}
    return ServiceSettings(**{**usual, **more})


def nowhere() -> Database:
    raise UnreachableError("There is no database here.")


def document(**more: Any) -> dict[str, Any]:
    """The OpenAPI document, which needs no database."""
    clock = Clock()
    service = Service(nowhere, settings(**more), now=clock.now, monotonic=clock.monotonic)
    return described(create_app(service), service)


@pytest.fixture(scope="session")
def market_url(server: TestServer) -> Generator[str]:
    """The URL of a database that holds the market; nothing that asks writes."""
    with server.prepared_database("crafted", test_crafts.install) as url:
        yield url


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def service(market_url: str, clock: Clock) -> Generator[Service]:
    database = Database(market_url)
    yield Service(lambda: database, settings(), now=clock.now, monotonic=clock.monotonic)
    database.close()


@pytest.fixture(scope="module")
def client(service: Service) -> Generator[Client]:
    """Asks the service, one for a module."""
    with Client(create_app(service)) as asking:
        yield asking


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Asks the command line; a test names the database that is read."""
    monkeypatch.setenv("IRONFORGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def asked(*arguments: str, status: int = 0, stdin: str | None = None) -> list[dict[str, Any]]:
        ended = CliRunner().invoke(app, [*arguments, "--format", "json"], input=stdin, catch_exceptions=False)
        assert ended.exit_code == status, ended.stderr
        return json.loads(ended.stdout)

    return asked


@contextmanager
def listening_at(service: Service) -> Generator[int]:
    """The port of a server of the program's own, which trusts proxies on this machine; its end is asked for."""
    ending, ready = threading.Event(), threading.Event()
    listener = listening("127.0.0.1", 0)
    running = threading.Thread(
        target=serve,
        args=(service, listener),
        kwargs={"trusted_proxies": ("127.0.0.1",), "ending": ending, "when_ready": ready.set},
    )
    running.start()
    assert ready.wait(60)
    yield listener.getsockname()[1]
    ending.set()
    running.join(10)
    assert not running.is_alive()
