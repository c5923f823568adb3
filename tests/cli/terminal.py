"""A terminal as a person sits at it: the program writes to it, and what stands on its screen can be read."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Self, TextIO
from unittest.mock import patch

import pyte

from ironforge_cli.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The terminal becomes the program's own, so that Ctrl-C reaches it. A shell in the background switches SIGINT off.
_PROGRAM = """
import fcntl, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
from ironforge_cli.__main__ import main
main()
"""
_LINES = 200


class Terminal:
    """A terminal of so many columns, with a program in it; its screen is high enough for all of it."""

    def __init__(self, *, columns: int, environment: Mapping[str, str] | None = None) -> None:
        self._screen = pyte.Screen(columns, _LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._ended = False
        self.bytes = b""
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, columns, 0, 0))
        self._environment = {**os.environ, "TERM": "xterm-256color", **(environment or {})}
        for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):
            self._environment.pop(name, None)

    def __enter__(self) -> Self:
        self._reading = threading.Thread(target=self._read, name="terminal")
        self._reading.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()
        self._reading.join()
        os.close(self._ours)

    def start(self, *arguments: str, stdout: int | None = None, stderr: int | None = None) -> subprocess.Popen[bytes]:
        """Start the program here; the streams named lead elsewhere."""
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            stdin=self._theirs,
            stdout=self._theirs if stdout is None else stdout,
            stderr=self._theirs if stderr is None else stderr,
            env=self._environment,
            start_new_session=True,
        )

    def run_here(self, *arguments: str, stdout: TextIO | None = None, stderr: TextIO | None = None) -> int:
        """Run the program in this process, which is much quicker, and return its exit code."""
        terminal = open(os.dup(self._theirs), "w", encoding="utf-8", buffering=1)  # noqa: PTH123, SIM115 - closed below
        # The libraries ask this process's own terminal how wide it is, unless they are told.
        told = {**self._environment, "COLUMNS": str(self._screen.columns), "LINES": str(_LINES)}
        with (
            terminal,
            patch.dict(os.environ, told),
            redirect_stdout(stdout or terminal),
            redirect_stderr(stderr or terminal),
        ):
            try:
                app(list(arguments), prog_name="ironforge")
            except SystemExit as ended:
                return int(ended.code or 0)
        raise AssertionError

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def wait_until(self, holds: Callable[[list[str]], bool], *, seconds: float = 60) -> None:
        """Wait until the screen is as wanted; raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended or holds(self.screen()), timeout=seconds):
                raise TimeoutError("\n".join(self.screen()))
            assert holds(self.screen()), "\n".join(self.screen())

    def final(self) -> list[str]:
        """What the screen shows when all programs have ended."""
        self._let_go()
        self._reading.join()
        return self.screen()

    def screen(self) -> list[str]:
        """The lines on the screen now, without what is empty at their ends and at the bottom."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _read(self) -> None:
        while True:
            try:
                some = os.read(self._ours, 65_536)
            except OSError:
                some = b""
            with self._changed:
                self.bytes += some
                self._stream.feed(some)
                self._ended = not some
                self._changed.notify_all()
            if not some:
                return

    def _let_go(self) -> None:
        if self._theirs >= 0:
            os.close(self._theirs)
            self._theirs = -1


def interrupted(terminal: Terminal, process: subprocess.Popen[bytes]) -> int:
    """Press Ctrl-C, and return how the program ended."""
    with ExitStack() as ending:
        ending.callback(process.kill)
        terminal.press(b"\x03")
        code = process.wait(timeout=60)
        ending.pop_all()
    return code if code >= 0 else 128 + signal.Signals(-code)
