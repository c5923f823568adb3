"""Run a command, and write what it took as JSON to an open file: `measured_process.py DESCRIPTOR COMMAND…`.

A process of its own, and a small one: Linux counts the memory of whoever starts a process as that process's peak, and
a benchmark that holds a whole market is larger than what it measures.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    """Run the command with this process's own streams, and return its exit code."""
    descriptor, command = int(sys.argv[1]), sys.argv[2:]
    began = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    figures = {
        "seconds": time.perf_counter() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        # macOS counts bytes, Linux kilobytes.
        "peak_mb": usage.ru_maxrss / 1024 / (1024 if sys.platform == "darwin" else 1),
    }
    os.write(descriptor, json.dumps(figures).encode())
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
