"""What `config check` says of the connections that a database has room for."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ironforge_cli.cli.commands import config_check
from ironforge_cli.errors import ConfigurationError


class Counted:
    """A database with room for so many connections."""

    description = "prices at db.example"

    def __init__(self, room: int, *, pooled: bool = False) -> None:
        self._room = room
        self._pooled = pooled

    def room(self) -> int:
        return self._room

    def is_pooled(self) -> bool:
        return self._pooled


def told(database: Counted) -> str:
    return config_check._room(cast("Any", database))  # pyright: ignore[reportPrivateUsage] - a whole command would take a server a case


@pytest.mark.parametrize(
    ("database", "said"),
    [
        (Counted(7), "room for 7 connections"),
        (Counted(7, pooled=True), "behind a pooler, room for 7 connections"),
        (Counted(6), "room for 6 connections of the 7 it would use: regions take turns"),
        (Counted(3), "room for 3 connections of the 7 it would use: regions take turns"),
    ],
)
def test_room_for_connections_is_said(database: Counted, said: str) -> None:
    assert told(database) == said


@pytest.mark.parametrize(("room", "said"), [(2, "room for 2 more connections"), (1, "room for 1 more connection,")])
def test_too_little_room_is_a_failure_that_says_what_to_raise(room: int, said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{said}.*needs 3 at least\. Raise the limit") as refused:
        told(Counted(room))
    assert refused.value.status == 78
