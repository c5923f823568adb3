"""What the tests of the embedded server's parts need."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(autouse=True)
def interruptible() -> Generator[None]:
    """Let SIGINT end what a test starts: a shell that runs the tests in the background switches it off for all."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
