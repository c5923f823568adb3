"""Entry point of `ironforge` and of `python -m ironforge_cli`."""

from __future__ import annotations

import gc
import sys

_INTERRUPTED = 130
_OBJECTS_BETWEEN_LOOKS = 200_000


def main() -> None:
    """Run the program; Ctrl-C while it is still being loaded ends it without a word."""
    # Loading makes objects by the hundred thousand, which stay: looking for garbage among them finds none, and after
    # every 700 of them is a tenth of the start. No command loads as many as these.
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)
    try:
        from ironforge_cli.cli.app import main as run  # noqa: PLC0415 - loading is what can be interrupted

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
