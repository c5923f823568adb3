"""Answers as entries of a file: what is kept of them, what an entry's first line says, what they are found by."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import requests
import zstandard
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from ironforge_cli.blizzard.cache_entries import Entries
from ironforge_cli.blizzard.cache_file import CacheFile

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

URL = "https://eu.api.example/data"
EXPIRES = datetime(2100, 1, 14, 12, tzinfo=UTC)
MODIFIED = "Wed, 14 Jan 2026 12:00:00 GMT"


@pytest.fixture
def file(tmp_path: Path) -> Generator[CacheFile]:
    file = CacheFile(tmp_path / "responses.sqlite")
    yield file
    file.close()


def answer(headers: dict[str, str], *, asked_with: dict[str, str] | None = None) -> requests.Response:
    request = requests.Request("GET", URL, headers=asked_with or {}).prepare()
    raw = HTTPResponse(body=io.BytesIO(b"{}"), headers=headers, status=200, preload_content=False)
    built: Any = HTTPAdapter().build_response(request, raw)
    assert built.content == b"{}"
    return built


def label_and_rest(file: CacheFile, key: str) -> tuple[bytes, dict[str, Any]]:
    entry = file.read(key)
    assert entry is not None
    label, _, packed = entry.partition(b"\n")
    return label, msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed))


@pytest.mark.parametrize(
    ("headers", "label"),
    [
        ({"Last-Modified": MODIFIED, "ETag": "x"}, MODIFIED),
        ({"last-modified": "Wed, 14 Jan 2026 13:00:00 +0100"}, MODIFIED),
        ({"Last-Modified": "yesterday"}, ""),
        ({"ETag": "x"}, ""),
        ({}, ""),
    ],
)
def test_an_entry_begins_with_when_it_was_modified_and_is_found_whole(
    file: CacheFile, headers: dict[str, str], label: str
) -> None:
    entries = Entries(file)
    entries.keep("key", answer(headers), expires=EXPIRES)
    assert label_and_rest(file, "key")[0] == label.encode()
    found = entries.find("key")
    assert found is not None
    assert (found.status_code, found.content, dict(found.headers)) == (200, b"{}", headers)
    assert file.is_fresh("key", at=EXPIRES.timestamp() - 1, longest=None, newer_than=None)
    assert not file.is_fresh("key", at=EXPIRES.timestamp(), longest=None, newer_than=None)


def test_of_a_request_what_an_answer_can_vary_by_is_kept_and_no_token(file: CacheFile) -> None:
    asked_with = {"Accept": "a/b", "accept-encoding": "gzip", "Authorization": "Bearer hidden", "Cookie": "hidden"}
    first = answer({})
    second = answer({}, asked_with=asked_with)
    second.history = [first]
    Entries(file).keep("key", second, expires=EXPIRES)
    _, kept = label_and_rest(file, "key")
    assert kept["request"]["headers"] == {"Accept": "a/b", "accept-encoding": "gzip"}
    assert kept["request"]["url"] == URL
    assert "history" not in kept
    assert "_next" not in kept


def test_what_is_not_there_is_not_found_and_nobody_is_warned(file: CacheFile, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert Entries(file).find("key") is None
    assert "deserialize" not in caplog.text


def test_an_entry_that_another_version_wrote_is_not_found(file: CacheFile) -> None:
    for entry in (b"", b"\n", b"label\nnothing packed", b"\n" + zstandard.ZstdCompressor().compress(b"\x01")):
        file.write("key", entry, expires=2**40)
        assert Entries(file).find("key") is None


def test_an_answer_is_found_by_its_address_and_what_is_asked(file: CacheFile) -> None:
    entries = Entries(file)
    key = entries.key(URL, {"namespace": "dynamic-eu", "locale": "en_US"})
    assert key == entries.key(URL, {"locale": "en_US", "namespace": "dynamic-eu"})
    others = [
        entries.key(URL, {"namespace": "dynamic-us", "locale": "en_US"}),
        entries.key(URL, {"namespace": "dynamic-eu"}),
        entries.key(f"{URL}/x", {"namespace": "dynamic-eu", "locale": "en_US"}),
    ]
    assert len({key, *others}) == 4
    with pytest.raises(requests.RequestException):
        entries.key("no address", {})


def test_what_is_looked_for_twice_a_minute_is_worked_out_once(file: CacheFile, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = Entries(file)
    made: list[object] = []
    prepare = requests.Request.prepare

    def noted(request: requests.Request) -> requests.PreparedRequest:
        made.append(request)
        return prepare(request)

    monkeypatch.setattr(requests.Request, "prepare", noted)
    assert len({entries.key(URL, {"region": "eu"}) for _ in range(3)}) == 1
    assert len(made) == 1


def test_entries_are_counted_and_dropped_as_the_library_asks_for_it(file: CacheFile) -> None:
    entries = Entries(file)
    for key in ("a", "b"):
        entries.keep(key, answer({}), expires=EXPIRES - timedelta(days=1))
    storage: Any = entries._cache.responses  # pyright: ignore[reportPrivateUsage] - the library's side of it
    assert (sorted(storage), len(storage)) == (["a", "b"], 2)
    del storage["a"]
    assert (list(storage), file.keys()) == (["b"], ["b"])
