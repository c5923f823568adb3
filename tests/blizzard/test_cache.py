"""What is kept on disk between requests and processes, and what never is."""

from __future__ import annotations

import base64
import logging
import pickletools
import re
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import zstandard

from ironforge_cli.cli.frame import logs
from ironforge_cli.cli.frame.options import Shared
from ironforge_cli.errors import IronforgeError
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.blizzard import asking
from tests.blizzard.asking import kept
from tests.blizzard.stub_server import TOKEN, Asked, Said, token_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.blizzard.transport import Answer, Transport
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.blizzard.conftest import Ahead
    from tests.blizzard.stub_server import Serve

SECRET = "kept-from-everybody"  # noqa: S105 - the sandbox's own; it opens nothing else
LONG_AGO = datetime(2004, 11, 23, tzinfo=UTC)


def commodities(
    transport: Transport, sandbox: Sandbox, *, region: Region = Region.EU, newer_than: datetime | None = None
) -> Answer:
    return kept(transport.get_dynamic(*asking.commodities(sandbox, region), newer_than=newer_than))


def asked_for_auctions(sandbox: Sandbox) -> list[int]:
    return [exchange.status for exchange in sandbox.requests if exchange.endpoint == "commodities"]


def state_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file's size, time and bytes, but for SQLite's shared memory, which readers use, too."""
    return {
        path.name: (path.stat().st_size, path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.iterdir()
        if not path.name.endswith("-shm")
    }


def uncompressed(entry: bytes) -> bytes:
    """What stands behind the first line of an entry."""
    return zstandard.ZstdDecompressor().decompress(entry.partition(b"\n")[2])


def stored_values(file: Path) -> list[bytes]:
    with closing(sqlite3.connect(file)) as connection:
        return [bytes(value) for (value,) in connection.execute("SELECT value FROM responses")]


# Dynamic data


def test_a_304_neither_reads_nor_writes_the_cached_body(
    sandbox: Sandbox, make_transport: Callable[..., Transport], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make_transport(sandbox)
    published = sandbox.published(Region.EU).published_at
    assert commodities(transport, sandbox).status == 200
    with closing(sqlite3.connect(tmp_path / "http" / "dynamic.sqlite", isolation_level=None)) as other:
        # Whoever reads more of this entry than its first line complains of it.
        other.execute("UPDATE responses SET value = substr(value, 1, 40)")
        before = state_of(tmp_path / "http")
        changes = other.execute("PRAGMA data_version").fetchone()
        with caplog.at_level(logging.DEBUG):
            for _ in range(3):
                answer = commodities(transport, sandbox, newer_than=published)
                assert (answer.status, answer.body, answer.not_modified) == (304, b"", True)
        assert other.execute("PRAGMA data_version").fetchone() == changes
    assert state_of(tmp_path / "http") == before
    assert "deserialize" not in caplog.text
    assert asked_for_auctions(sandbox) == [200, 304, 304, 304]


@pytest.mark.parametrize("region", DEFAULT_REGIONS)
def test_a_body_that_another_process_received_within_the_minute_is_taken_without_asking(
    sandbox: Sandbox, make_transport: Callable[..., Transport], region: Region
) -> None:
    first, second = make_transport(sandbox), make_transport(sandbox)
    received = commodities(first, sandbox, region=region, newer_than=LONG_AGO)
    taken = commodities(second, sandbox, region=region, newer_than=LONG_AGO)
    assert (received.from_cache, taken.from_cache) == (False, True)
    assert taken.body == received.body == sandbox.published(region).body
    assert dict(taken.headers) == dict(received.headers)
    assert asked_for_auctions(sandbox) == [200]


def test_a_body_that_is_not_newer_than_what_is_known_is_not_taken_from_the_cache(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    transport, published = make_transport(sandbox), sandbox.published(Region.EU).published_at
    commodities(transport, sandbox)
    assert commodities(transport, sandbox, newer_than=published - timedelta(seconds=1)).from_cache
    assert commodities(transport, sandbox, newer_than=published).not_modified
    assert asked_for_auctions(sandbox) == [200, 304]


@pytest.mark.parametrize(
    ("later", "is_fresh"),
    [(30, True), (61, False), (-3_600, False)],
    ids=["within the minute", "after it", "clock set back"],
)
def test_a_body_is_taken_for_one_minute_by_the_clock(
    sandbox: Sandbox, make_transport: Callable[..., Transport], wall: Ahead, later: int, *, is_fresh: bool
) -> None:
    transport = make_transport(sandbox)
    commodities(transport, sandbox)
    wall.seconds = later
    assert commodities(transport, sandbox).from_cache is is_fresh
    assert len(asked_for_auctions(sandbox)) == (1 if is_fresh else 2)


def test_a_new_body_takes_the_place_of_the_one_before(
    sandbox: Sandbox, make_transport: Callable[..., Transport], tmp_path: Path
) -> None:
    transport = make_transport(sandbox)
    for _ in range(3):
        published = sandbox.published(Region.EU).published_at
        commodities(transport, sandbox, newer_than=published - timedelta(seconds=1))
        sandbox.advance()
    assert asked_for_auctions(sandbox) == [200, 200, 200]
    assert len(stored_values(tmp_path / "http" / "dynamic.sqlite")) == 1


def test_a_body_that_was_forgotten_is_asked_for_again(
    sandbox: Sandbox, make_transport: Callable[..., Transport]
) -> None:
    transport = make_transport(sandbox)
    commodities(transport, sandbox)
    url = f"{sandbox.api_url.format(region='eu')}/data/wow/auctions/commodities"
    transport.forget_dynamic(url, {"namespace": "dynamic-eu"})
    assert not commodities(transport, sandbox).from_cache


def test_expired_bodies_are_pruned_by_the_next_run(
    sandbox: Sandbox, make_transport: Callable[..., Transport], tmp_path: Path
) -> None:
    commodities(make_transport(sandbox), sandbox)
    file = tmp_path / "http" / "dynamic.sqlite"
    assert len(stored_values(file)) == 1
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE responses SET expires = expires - 61")
    make_transport(sandbox)
    assert stored_values(file) == []


def test_errors_and_empty_answers_are_not_kept(
    sandbox: Sandbox, make_transport: Callable[..., Transport], tmp_path: Path
) -> None:
    sandbox.set_fault("no_content", count=1)
    assert commodities(make_transport(sandbox), sandbox).status == 204
    assert stored_values(tmp_path / "http" / "dynamic.sqlite") == []


# Static data


def test_static_data_is_kept_for_as_long_as_blizzard_says(
    sandbox: Sandbox, make_transport: Callable[..., Transport], wall: Ahead
) -> None:
    where = (f"{sandbox.api_url.format(region='eu')}/data/wow/profession/index", {"namespace": "static-eu"})
    first = kept(make_transport(sandbox).get_static(*where))
    requests = len(sandbox.requests)
    wall.seconds = 86_000
    again = kept(make_transport(sandbox).get_static(*where))
    assert (first.from_cache, again.from_cache) == (False, True)
    assert again.body == first.body
    assert len(sandbox.requests) == requests
    wall.seconds = 86_500
    kept(make_transport(sandbox).get_static(*where))
    assert len(sandbox.requests) > requests


def test_another_locale_is_another_answer(sandbox: Sandbox, make_transport: Callable[..., Transport]) -> None:
    transport = make_transport(sandbox)
    url = f"{sandbox.api_url.format(region='eu')}/data/wow/profession/index"
    answers = [
        kept(transport.get_static(url, {"namespace": "static-eu", "locale": locale})) for locale in ("en_US", "de_DE")
    ]
    assert [answer.from_cache for answer in answers] == [False, False]


# What the files are


def test_files_are_private(sandbox: Sandbox, make_transport: Callable[..., Transport], tmp_path: Path) -> None:
    transport = make_transport(sandbox)
    commodities(transport, sandbox)
    kept(transport.get_static(*asking.professions(sandbox)))
    files = list((tmp_path / "http").iterdir())
    assert {"dynamic.sqlite", "static.sqlite"} <= {file.name for file in files}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "http").stat().st_mode) == 0o700


def test_files_hold_plain_compressed_data_and_no_code(
    sandbox: Sandbox,
    make_transport: Callable[..., Transport],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a cache file was treated as code")

    for name in ("loads", "load", "Unpickler", "dumps", "dump", "Pickler"):
        monkeypatch.setattr(f"pickle.{name}", forbidden)
    body = commodities(make_transport(sandbox), sandbox).body
    taken = commodities(make_transport(sandbox), sandbox)
    assert (taken.from_cache, taken.body) == (True, body)
    (stored,) = stored_values(tmp_path / "http" / "dynamic.sqlite")
    assert len(stored) < len(body) / 2
    plain = msgspec.msgpack.decode(uncompressed(stored))
    assert plain["_content"] == body
    for bytes_ in (stored, uncompressed(stored)):
        with pytest.raises((ValueError, IndexError)):
            list(pickletools.genops(bytes_))


def secrets_in(folder: Path, secrets: list[str]) -> list[str]:
    """Secrets that stand in any file, as they are, in base64 or inside a compressed entry."""
    wanted = {
        form
        for secret in secrets
        for form in (secret.encode(), base64.b64encode(secret.encode()), base64.b64encode(f"client:{secret}".encode()))
    }
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for file in folder.rglob("*.sqlite"):
        with closing(sqlite3.connect(file)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "responses" in tables:
                texts += [uncompressed(value) for value in stored_values(file)]
    return sorted({form.decode() for form in wanted for text in texts if form in text})


def test_no_token_and_no_secret_stands_in_a_file_a_message_or_an_error(
    make_sandbox: Callable[..., Sandbox],
    make_transport: Callable[..., Transport],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox = make_sandbox(client_id="client", client_secret=SECRET)
    given_out: list[str] = []
    granted = sandbox._tokens.grant  # pyright: ignore[reportPrivateUsage] - nothing else tells which tokens there are

    def noted(**options: Any) -> tuple[int, bytes]:
        status, body = granted(**options)
        given_out.extend(re.findall(r"US\w{32}", body.decode()))
        return status, body

    sandbox._tokens.grant = noted  # pyright: ignore[reportPrivateUsage] - as above
    transport = make_transport(sandbox)
    told: list[str] = []
    where = (f"{sandbox.api_url.format(region='eu')}/data/wow/auctions/commodities", {"namespace": "dynamic-eu"})
    with caplog.at_level(logging.DEBUG):
        commodities(transport, sandbox)
        kept(
            transport.get_static(
                f"{sandbox.api_url.format(region='eu')}/data/wow/profession/index", {"namespace": "static-eu"}
            )
        )
        for fault in ("unauthorized", "server_error", "forbidden", "cut_connection", "html_5xx"):
            sandbox.set_fault(fault)
            transport.forget_dynamic(*where)
            with pytest.raises(IronforgeError, match="Blizzard") as raised:
                commodities(transport, sandbox)
            told.append(repr(raised.getrepr(showlocals=False, style="native")))
            sandbox.clear_faults()
    secrets = [SECRET, *given_out]
    assert len(given_out) >= 2
    assert secrets_in(tmp_path, secrets) == []
    assert not [secret for secret in secrets for text in (caplog.text, *told) if secret in text]


def test_a_redirect_leaves_no_token_in_the_cache_either(
    serve: Serve, make_transport: Callable[..., Transport], tmp_path: Path
) -> None:
    def answer(asked: Asked) -> Said:
        if asked.path == "/token":
            return token_answer()
        if asked.path == "/moved":
            return Said(status=301, headers={"Location": "/here", "Cache-Control": "max-age=300"})
        return Said(body=b'{"here":true}', headers={"Cache-Control": "max-age=300"})

    stub = serve(answer)
    transport = make_transport(oauth_url=f"{stub.url}/token")
    assert kept(transport.get_dynamic(f"{stub.url}/moved", {})).body == b'{"here":true}'
    assert kept(transport.get_static(f"{stub.url}/moved", {})).body == b'{"here":true}'
    assert [asked.headers["Authorization"] for asked in stub.asked if asked.path == "/here"] == [f"Bearer {TOKEN}"] * 2
    assert len(stored_values(tmp_path / "http" / "dynamic.sqlite")) >= 1
    assert secrets_in(tmp_path, [TOKEN]) == []


@pytest.mark.parametrize("verbose", [0, 2])
def test_what_the_command_line_shows_of_a_request_holds_no_token(
    make_sandbox: Callable[..., Sandbox],
    make_transport: Callable[..., Transport],
    capsys: pytest.CaptureFixture[str],
    verbose: int,
) -> None:
    import sys  # noqa: PLC0415 - the stream that capsys has just put there

    sandbox = make_sandbox(client_secret=SECRET)
    sandbox.set_fault("server_error", count=2)
    with logs.written_to(sys.stderr, Shared(verbose=verbose), environment={}):
        commodities(make_transport(sandbox), sandbox)
    shown = capsys.readouterr().err
    assert "again in" in shown
    assert not re.search(r"US\w{32}", shown)
    assert SECRET not in shown
