"""What is left to write when the program ends, and nobody takes it: the exit code is the command's own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

PROGRAM = """
import sys
from ironforge_cli.cli import app

def ends(prog_name):
    sys.stdin.readline()
    print("the end of a line that nobody reads", end="")
    raise SystemExit(75)

app.app = ends
app.main()
"""


def test_a_terminal_that_was_closed_leaves_the_exit_code_as_it_is() -> None:
    ours, theirs = pty.openpty()
    # Unbuffered, nothing would be left to write.
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    os.close(ours)
    process.communicate(b"go on\n")
    assert process.returncode == 75
