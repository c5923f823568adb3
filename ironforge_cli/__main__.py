"""Entry point of `ironforge` and of `python -m ironforge_cli`."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the program; Ctrl-C while it is still being loaded ends it without a word."""
    try:
        from ironforge_cli.cli.app import main as run  # noqa: PLC0415 - loading is what can be interrupted

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
