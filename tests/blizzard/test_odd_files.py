"""What can't be removed is said once, with the reason, and stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ironforge_cli.blizzard import odd_files

WAY_OUT = "It hinders no other file; look at it, and remove it when it is of no use."


def test_a_file_is_removed_whoever_was_first_and_nothing_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.touch()
    assert odd_files.removed(file)
    assert not file.exists()
    assert odd_files.removed(file)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [(PermissionError(1, "Operation not permitted"), "Operation not permitted"), (OSError("x"), "x")],
)
def test_what_can_not_be_removed_is_warned_of_once_with_the_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: OSError,
    reason: str,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Path, "unlink", refuse)
    file, other = tmp_path / "file", tmp_path / "other"
    assert [odd_files.removed(one) for one in (file, file, other)] == [False] * 3
    assert caplog.messages == [f"{one}: it can't be removed ({reason}). {WAY_OUT}" for one in (file, other)]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    # Whatever else is odd about it was told with that.
    odd_files.warn(file, "it is empty")
    assert len(caplog.messages) == 2
