from __future__ import annotations

import io
import json
from typing import Any

import pytest

from ironforge_cli.cli.frame.options import Format
from ironforge_cli.cli.show.encodings import PLAIN_CHARACTERS, can_write
from ironforge_cli.cli.show.render import Report, written


def as_written(text: str, encoding: str) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors=PLAIN_CHARACTERS)
    stream.write(text)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("▁█▁ 12…", "ascii", ".#. 12..."),
        ("▁█▁ 12…", "utf-8", "▁█▁ 12…"),
        ("Müller …", "latin-1", "Müller ..."),
        ("Müller", "ascii", "M\\xfcller"),
    ],
)
def test_bars_and_dots_are_plain_signs_where_a_stream_lacks_them_and_names_are_escaped(
    text: str, encoding: str, shown: str
) -> None:
    assert as_written(text, encoding) == shown
    assert can_write(text, io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is (shown == text)


@pytest.mark.parametrize("form", [Format.JSON, Format.JSONL])
def test_json_can_be_told_in_any_encoding_and_stays_what_it_is(form: Format) -> None:
    records: list[dict[str, Any]] = [{"name": "Müller…"}]
    text = written(Report(records=records, show=lambda _: None, format=form), ascii_only=True)
    assert text.isascii()
    assert json.loads(text) in (records, records[0])
