from __future__ import annotations

import gzip

import pytest
import zstandard

from ironforge_cli.blizzard.packed import unpacked
from ironforge_cli.errors import RefusedAnswerError

BODY = b'{"auctions": []}' * 200
PACKED = {
    "gzip": gzip.compress(BODY),
    "zstd": zstandard.ZstdCompressor().compress(BODY),
    # As a pipe makes it, without its length.
    "zstd stream": zstandard.ZstdCompressor(write_content_size=False).compress(BODY),
}


@pytest.mark.parametrize("kind", PACKED)
def test_what_is_packed_is_known_by_its_content(kind: str) -> None:
    assert unpacked(PACKED[kind], name="body.json") == BODY
    assert unpacked(PACKED[kind] * 2, name="body.json") == BODY * 2
    assert unpacked(BODY, name="body.gz") == BODY


@pytest.mark.parametrize("kind", PACKED)
def test_what_is_cut_off_damaged_or_a_bomb_is_refused_by_its_name(kind: str) -> None:
    packed = PACKED[kind]
    for broken in (packed[:-1], packed[:-9], packed[:6], packed + packed[:-1], packed[:8] + b"\xff" * 20):
        with pytest.raises(RefusedAnswerError, match=r"body\.x is packed by .* can't be unpacked"):
            unpacked(broken, name="body.x")
    with pytest.raises(RefusedAnswerError, match="unpacks to more than 3,199 bytes"):
        unpacked(packed, name="body.x", at_most=len(BODY) - 1)
    assert unpacked(packed, name="body.x", at_most=len(BODY)) == BODY
