"""No secret is left anywhere: not in messages, errors, rows, files, or where other processes can look."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import zstandard

from ironforge_cli.db.engine import conninfo
from ironforge_cli.regions import Region
from ironforge_cli.sandbox.access import Tokens
from tests.servers import PASSWORD

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Generator

    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.servers import TestServer

SECRET = "keep-this-one/from+everybody"  # noqa: S105 - the sandbox's own; it opens nothing else
CLIENT = "client-of-the-test"
PING_USER, PING_KEY = "pinger:hunter2", "b1946ac9-2f35-4d1e"


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return make_sandbox(client_id=CLIENT, client_secret=SECRET)


@pytest.fixture
def secrets() -> list[bytes]:
    """Everything that must not be found: the client's, the tokens that the sandbox gives out, the database's."""
    twin = Tokens(client_id=CLIENT, client_secret=SECRET, seed=1, seconds=60, monotonic=time.monotonic)
    basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode())
    form = {"grant_type": "client_credentials"}
    tokens = [
        json.loads(twin.grant(authorization=f"Basic {basic.decode()}", form=form)[1])["access_token"].encode()
        for _ in range(20)
    ]
    return [SECRET.encode(), basic, PASSWORD.encode(), b"hunter2", PING_KEY.encode(), *tokens]


@pytest.fixture(params=["server", "external"])
def url(request: pytest.FixtureRequest) -> Generator[str]:
    server: TestServer = request.getfixturevalue(request.param)
    with server.migrated_database() as made:
        yield made


def unpacked(stored: bytes) -> bytes:
    """A file as it is, and what is packed behind its first line, or anywhere in it."""
    found = [stored]
    start = stored.find(zstandard.FRAME_HEADER)
    while start >= 0:
        reader = zstandard.ZstdDecompressor().decompressobj()
        try:
            found.append(reader.decompress(stored[start:]))
        except zstandard.ZstdError:
            found.append(b"")
        start = stored.find(zstandard.FRAME_HEADER, start + 1)
    return b"\n".join(found)


def entries(cache: Path) -> bytes:
    """Every entry of a cache, whose pages need not lie side by side in its file."""
    with closing(sqlite3.connect(cache)) as connection:
        return b"".join(unpacked(value) for (value,) in connection.execute("SELECT value FROM responses"))


def leaks(secrets: list[bytes], places: dict[str, bytes]) -> list[tuple[str, bytes]]:
    return [(name, secret) for name, content in places.items() for secret in secrets if secret in content]


def rows_of(url: str) -> bytes:
    with psycopg.connect(conninfo(url)) as connection:
        tables = ("scraper_logs", "benchmarks", "snapshots")
        return b"".join(
            repr(connection.execute(f"SELECT * FROM {table}".encode()).fetchall()).encode() for table in tables
        )


def looked_at(process: subprocess.Popen[bytes]) -> bytes:
    """What every user of the machine can see of a process, until it ends."""
    seen = b""
    pause = threading.Event()
    while process.poll() is None:
        try:
            seen += Path(f"/proc/{process.pid}/cmdline").read_bytes()
        except OSError:
            break
        pause.wait(0.05)
    return seen


@pytest.mark.slow
def test_no_secret_is_left_in_messages_rows_files_or_the_process_list(
    start: Callable[..., subprocess.Popen[bytes]], sandbox: Sandbox, url: str, secrets: list[bytes], tmp_path: Path
) -> None:
    variables = {
        **sandbox.address.environment,
        "IRONFORGE_DATABASE_URL": url,
        "IRONFORGE_PING_URL": f"http://{PING_USER}@127.0.0.1:9/ping/{PING_KEY}",
        "IRONFORGE_LOG_LEVEL": "debug",
    }
    places: dict[str, bytes] = {}

    def ran(name: str, *arguments: str, **changes: str) -> None:
        process = start(*arguments, **{**variables, **changes})
        watched: list[bytes] = []
        watching = threading.Thread(target=lambda: watched.append(looked_at(process)))
        watching.start()
        out, err = process.communicate()
        watching.join()
        places[f"{name}: stdout"], places[f"{name}: stderr"] = out, err
        places[f"{name}: process list"] = b"".join(watched)

    ran("a good run", "-vv", "collect")
    sandbox.advance()
    sandbox.expire_tokens()
    sandbox.set_fault("truncated", endpoint="commodities", region=Region.EU)
    ran("a refused answer", "-vv", "poll", "--window", "0.1s")
    sandbox.clear_faults()
    sandbox.set_fault("unauthorized")
    ran("a refused token", "-vv", "--log-format", "json", "poll", "--window", "0.1s")
    sandbox.clear_faults()
    ran("refused credentials", "-vv", "collect", BLIZZARD_CLIENT_SECRET=SECRET + "x")
    away = url.replace(f":{PASSWORD}@", f":{PASSWORD}x@") if PASSWORD in url else f"{url}&user=nobody-there"
    sandbox.advance()
    ran("a database that lets nobody in", "-vv", "poll", "--window", "0.1s", IRONFORGE_DATABASE_URL=away)
    ran(
        "a database URL that can't be read",
        "-vv",
        "collect",
        IRONFORGE_DATABASE_URL=f"postgresql://me:{PASSWORD}/@h@/x",
    )
    ran("the settings", "config", "show")
    ran("whether they work", "-vv", "config", "check")
    ran("how things stand", "-vv", "status", "--check", "--format", "json")
    places["rows"] = rows_of(url)
    home = Path(os.environ["IRONFORGE_HOME"])
    files = [file for file in home.rglob("*") if file.is_file()]
    assert {"http", "spool", "quarantine"} <= {file.relative_to(home).parts[0] for file in files}
    places |= {str(file.relative_to(home)): unpacked(file.read_bytes()) for file in files}
    places |= {f"{file.name}: entries": entries(file) for file in files if file.suffix == ".sqlite"}
    assert leaks(secrets, places) == []
    # What was looked at is what there is to see.
    assert b"poll" in places["a refused answer: process list"]
    assert b'"auctions"' in b"".join(places.values())
    assert b"auctions/commodities" in places["dynamic.sqlite: entries"]
    del tmp_path


def test_the_search_finds_what_is_there(secrets: list[bytes]) -> None:
    packed = b"label\n" + zstandard.ZstdCompressor().compress(b"before " + secrets[0] + b" after")
    assert leaks(secrets, {"file": unpacked(packed)}) == [("file", secrets[0])]
    assert leaks(secrets, {"file": unpacked(b"nothing")}) == []
