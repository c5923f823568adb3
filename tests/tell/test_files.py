"""Files that are written whole: what is kept of the file that they replace."""

from __future__ import annotations

from pathlib import Path

import pytest

from ironforge_cli.errors import UsageError
from ironforge_cli.given import named_place
from ironforge_cli.tell.files import written_whole


def test_who_may_read_a_file_may_read_it_when_it_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    with written_whole(file) as stream:
        stream.write(b"before")
    file.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(file)
    with written_whole(tmp_path / "link.csv") as stream:
        stream.write(b"after")
    assert (file.read_text(), oct(file.stat().st_mode & 0o777)) == ("after", "0o640")
    assert (tmp_path / "link.csv").is_symlink()


def test_a_home_of_nobody_is_refused_and_not_met_as_a_bug() -> None:
    place = Path("~nobody-at-all/rows.csv")
    with pytest.raises(UsageError, match="give the whole path"):
        named_place(place)
    with pytest.raises(UsageError, match="give the whole path"), written_whole(place):
        raise AssertionError
