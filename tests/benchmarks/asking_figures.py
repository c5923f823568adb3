"""What questions at the terminal take, whole: from the start of the process until it has ended, beside what they read.

Run `uv run python -m tests.benchmarks.years_figures --items 12000 --regions eu,us --keep FOLDER` first, then
`uv run python -m tests.benchmarks.asking_figures --keep FOLDER`. It asks the home that the other has built, whose
server runs already, one question after the other in each of some rounds, and prints medians; `--item` is asked for.
What a process takes beyond its answer is what Python takes to start, to load its libraries, and to write.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from statistics import median
from typing import Final

from ironforge_cli.db.embedded import EmbeddedServer
from tests.benchmarks import stage

ROUNDS: Final = 11
WARM_UPS: Final = 2
BEYOND: Final = 0.6
"""Seconds that a process may take beyond its answer."""
QUESTIONS: Final = {
    "price {item}": 0.02,
    "history {item} --since 90d": 0.02,
    "history {item} --by day --since 730d": 0.02,
    "book {item}": 0.05,
    "top --over 7d": 0.3,
    "movers --over 24h": 0.3,
    "deals": 0.3,
}
"""Each question, and how many seconds its answer may take in the database."""


def main() -> int:
    """Ask and print."""
    asked = stage.options(__doc__, may_keep=True, item=1207, regions="eu")
    if asked.keep is None:
        raise SystemExit("--keep names the home that years_figures has built.")
    with ExitStack() as running:
        server = EmbeddedServer(asked.keep, environment=os.environ, bindir=None, account=None)
        running.enter_context(server)
        environment = stage.environment_of(IRONFORGE_HOME=str(asked.keep), IRONFORGE_REGIONS=asked.regions)
        taken: dict[str, list[float]] = {question: [] for question in ("", *QUESTIONS)}
        for number in range(ROUNDS + WARM_UPS):
            for question, seconds in taken.items():
                words = (
                    ["-m", "ironforge_cli", *question.format(item=asked.item).split()] if question else ["-c", "pass"]
                )
                found = stage.run(words, environment=environment)
                if number >= WARM_UPS:
                    seconds.append(found.seconds)
    sys.stdout.write(stage.line("python -c pass", f"{median(taken.pop('')):.3f} s"))
    for question, seconds in taken.items():
        most = QUESTIONS[question] + BEYOND
        name = f"ironforge {question.format(item=asked.item)}"
        sys.stdout.write(stage.line(name, f"{median(seconds):.3f} s", budget=f"{most:.2f} s"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
