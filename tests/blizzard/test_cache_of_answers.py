"""Which answers are kept, for how long, and what was forgotten: by the cache alone, without Blizzard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.blizzard.cache import AnswerCache
from ironforge_cli.blizzard.cache_file import CacheFile
from tests.blizzard.test_cache_entries import URL, answer

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_768_392_000.0


@pytest.mark.parametrize(
    ("seconds", "said", "later", "is_found"),
    [
        (60, {}, 59, True),
        (60, {}, 60, False),
        # What changes by the hour is kept for a minute, whatever is said of it.
        (60, {"Cache-Control": "no-store"}, 59, True),
        # A clock that was set back makes nothing last longer.
        (60, {}, -2, False),
        (None, {"Cache-Control": "max-age=300"}, 299, True),
        (None, {"Cache-Control": "max-age=300"}, 300, False),
        (None, {"Cache-Control": "max-age=300"}, -300, True),
    ],
)
def test_an_answer_is_found_for_as_long_as_it_is_kept(
    tmp_path: Path, seconds: int | None, said: dict[str, str], later: int, *, is_found: bool
) -> None:
    clock = [NOW]
    cache = AnswerCache(tmp_path / "x.sqlite", seconds=seconds, now=lambda: clock[0])
    cache.keep(URL, {}, answer(said))
    clock[0] += later
    assert (cache.find(URL, {}) is not None) is is_found
    cache.close()


def test_an_answer_that_may_not_be_kept_is_written_nowhere(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "x.sqlite", seconds=None, now=lambda: NOW)
    cache.keep(URL, {}, answer({"Cache-Control": "no-store"}))
    cache.close()
    file = CacheFile(tmp_path / "x.sqlite")
    assert file.keys() == []
    file.close()


def test_what_was_forgotten_is_found_again_when_it_is_kept_anew(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "x.sqlite", seconds=60, now=lambda: NOW)
    cache.keep(URL, {"a": "1"}, answer({}))
    cache.keep(URL, {"a": "2"}, answer({}))
    cache.forget(URL, {"a": "1"})
    assert (cache.find(URL, {"a": "1"}), cache.find(URL, {"a": "2"}) is None) == (None, False)
    cache.keep(URL, {"a": "1"}, answer({}))
    assert cache.find(URL, {"a": "1"}) is not None
    cache.close()
