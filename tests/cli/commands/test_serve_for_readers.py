"""The service by the role of docs/sql/roles.sql that reads: it answers everything, and writes nothing."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from starlette.routing import Route

from ironforge_cli.db.engine import conninfo
from ironforge_cli.web.app import create_app
from ironforge_cli.web.pages import assets
from ironforge_cli.web.service import Service
from tests.answers import test_crafts
from tests.cli.commands.test_serve import address_of
from tests.cli.test_roles import READER, by, with_roles
from tests.web.conftest import Clock, document, nowhere, settings
from tests.web.pages.test_pages import PAGES
from tests.web.test_endpoints import LISTS, SAME

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Generator

    from tests.servers import TestServer

REST = (
    *("/healthz", "/readyz", "/metrics", "/docs", "/docs.css", "/openapi.json"),
    *("/", "/search?q=ore", "/status", "/eu/top"),
)
PICTURES = ("/eu/items/12/picture.json", "/eu/items/12/book/picture.json", "/eu/token/picture.json")
PATHS = (*SAME, *LISTS, *PAGES, *REST, *PICTURES, assets.path("page.css"))


@pytest.fixture
def readable(server: TestServer) -> Generator[str]:
    """A database that holds the market, as the reader sees it."""
    with server.prepared_database("crafted", test_crafts.install) as url, with_roles(url):
        yield by(READER, url)


def paths_of_all() -> set[str]:
    """Every path that there is, as its route has it, of one region."""
    clock = Clock()
    app = create_app(Service(nowhere, settings(), now=clock.now, monotonic=clock.monotonic))
    found = {route.path for route in app.routes if isinstance(route, Route)}
    return {path for path in {*found, *document()["paths"]} if not re.match(r"/us\b", path)}


def is_of(route: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", route), path.partition("?")[0]) is not None


def answer_of(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address) as answer:  # noqa: S310 - on this machine
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def test_every_path_answers_the_role_that_reads_and_nothing_is_written(
    start: Callable[..., subprocess.Popen[bytes]], readable: str
) -> None:
    routes = paths_of_all()
    assert {"/v1/{region}/items/{item_id}/history", "/eu/items/{number:int}/book"} <= routes
    assert [route for route in routes if not any(is_of(route, path) for path in PATHS)] == []
    with psycopg.connect(conninfo(readable), autocommit=True) as connection:

        def written() -> list[tuple[Any, ...]]:
            return connection.execute(
                "SELECT (SELECT count(*) FROM scraper_logs), (SELECT count(*) FROM benchmarks),"
                " (SELECT count(*) FROM seeder_status), (SELECT max(number) FROM generations)"
            ).fetchall()

        before = written()
        process = start("serve", "--port", "0", IRONFORGE_READ_URL=readable)
        address = address_of(process)
        refused = {path: answer for path in PATHS if (answer := answer_of(address + path))[0] != 200}
        assert refused == {}
        assert b"ironforge_http_database_up 1" in answer_of(f"{address}/metrics")[1]
        process.terminate()
        _, err = process.communicate(timeout=30)
        assert not re.search(rb"permission|denied|Traceback|bug", err), err
        assert written() == before
        for statement in (b"DELETE FROM snapshots", b"INSERT INTO benchmarks DEFAULT VALUES"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
