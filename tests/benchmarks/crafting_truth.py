"""What Blizzard's word alone would say of crafts, over the sandbox's catalogue, whose truth is known.

Run it with `uv run python -m tests.benchmarks.crafting_truth`: docs/crafting.md has what it prints. The newest recipes
of the sandbox list less than they take, as the real ones do. Five days of its market are collected, then crafts are
asked twice: by what Blizzard says, and after an import of all that recipes take and how many units they make.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.market.outputs import is_modern
from ironforge_cli.sandbox.access import Limits
from ironforge_cli.sandbox.stand_in import Sandbox
from tests.benchmarks import stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ironforge_cli.sandbox.catalogue import Catalogue

_STARTS_AT: Final = datetime(2026, 1, 10, 1, 0, tzinfo=UTC)
_AUCTIONS: Final = 60_000
_ITEMS: Final = 3_000
_RECIPES: Final = 1_500
_APART: Final = 12
_SNAPSHOTS: Final = 10
_ASKED: Final = ("crafts", "--all", "--region", "eu", "--max-age", "36500d", "--format", "json")


def main() -> int:
    """Collect, seed, ask, import, ask again, and print."""
    asked = stage.options(__doc__, auctions=_AUCTIONS, items=_ITEMS, recipes=_RECIPES)
    with (
        stage.home_folder() as home,
        Sandbox(
            auctions=asked.auctions,
            items=asked.items,
            recipes=asked.recipes,
            starts_at=_STARTS_AT,
            limits=Limits(per_second=None, per_hour=None),
        ) as sandbox,
        stage.running_server(asked.server, home=home) as server,
    ):
        environment = stage.environment_of(
            IRONFORGE_HOME=str(home),
            IRONFORGE_DATABASE_URL=server.url,
            IRONFORGE_REQUESTS_PER_SECOND="100",
            **sandbox.address.environment,
        )
        for _ in range(_SNAPSHOTS):
            _asked(environment, "collect", "--region", "eu")
            sandbox.advance(hours=_APART)
        _asked(environment, "seed", "all")
        before = json.loads(_asked(environment, *_ASKED))
        tiers = _tiers(sandbox.catalogue)
        _asked(environment, "seed", "import", *_files(home.parent, sandbox.catalogue, tiers))
        after = json.loads(_asked(environment, *_ASKED))
    _told(before, after, tiers)
    return 0


def _asked(environment: Mapping[str, str], *words: str) -> bytes:
    return stage.run(["-m", "ironforge_cli", *words], environment=environment).output


def _tiers(catalogue: Catalogue) -> dict[int, int]:
    """The skill tier of each recipe."""
    return {
        recipe: tier.id
        for tier in catalogue.tiers.values()
        for category in tier.categories or ()
        for recipe in category.recipes
    }


def _files(folder: Path, catalogue: Catalogue, tiers: Mapping[int, int]) -> list[str]:
    """Two files of one's own: all that new recipes take, and one unit of what they are called after."""
    slots, made = io.StringIO(), io.StringIO()
    writers = csv.writer(slots), csv.writer(made)
    writers[0].writerow(["recipe_id", "slot", "item_id", "rank", "quantity", "required"])
    writers[1].writerow(["recipe_id", "item_id", "rank", "quantity"])
    by_name: dict[str, list[int]] = {}
    for item in catalogue.items.values():
        by_name.setdefault(item.name.english, []).append(item.id)
    for recipe in catalogue.recipes.values():
        if not recipe.is_recipe or recipe.status != 200 or not is_modern(tiers.get(recipe.id)):
            continue
        for place, (item, units) in enumerate(dict(recipe.takes).items(), start=1):
            writers[0].writerow([recipe.id, place, item, "", units, "true"])
        items = by_name.get(recipe.name.english, [])
        for rank, item in enumerate(items, start=1):
            writers[1].writerow([recipe.id, item, rank if len(items) > 1 else "", 1])
    found: list[str] = []
    for name, stream in (("slots.csv", slots), ("made.csv", made)):
        (folder / name).write_text(stream.getvalue(), encoding="utf-8")
        found.append(str(folder / name))
    return found


def _told(before: list[dict[str, Any]], after: list[dict[str, Any]], tiers: Mapping[int, int]) -> None:
    say = sys.stdout.write
    modern = {one["recipe_id"] for one in before if is_modern(tiers.get(one["recipe_id"]))}
    said = {one["recipe_id"]: one["cost_floor"] for one in before if one["recipe_id"] in modern}
    true = {one["recipe_id"]: one["cost"] for one in after if one["recipe_id"] in modern and one["cost"]}
    ratios = [true[number] / floor for number, floor in said.items() if floor and number in true]
    part = [one for one in ratios if one > 1]
    silent = sum(not said[number] for number in true)
    say(f"{len(said):,} of {len({one['recipe_id'] for one in before}):,} recipes are of the newest tiers\n")
    say(f"true cost of what Blizzard lists of them, median of the ratios: {median(ratios):.2f}, of {len(ratios):,}\n")
    say(f"the same where it lists a part: {median(part):.2f}, of {len(part):,}\n")
    say(f"of {silent:,} Blizzard lists nothing\n\n")
    say("| reason | by Blizzard's word | with files |\n| --- | --- | --- |\n")
    counts = [_reasons(rows) for rows in (before, after)]
    for reason in sorted(counts[0] | counts[1], key=lambda name: (-counts[0][name], name)):
        say(f"| `{reason}` | {counts[0][reason]:,} | {counts[1][reason]:,} |\n")
    ranked = [sum(not _left_out_by(row) for row in rows) for rows in (before, after)]
    say(f"| in the ranking | {ranked[0]:,} of {len(before):,} | {ranked[1]:,} of {len(after):,} |\n")


def _left_out_by(row: dict[str, Any]) -> set[str]:
    return {reason.partition(":")[0] for reason in row["reasons"]} - {"thin_market"}


def _reasons(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(reason for row in rows for reason in _left_out_by(row))


if __name__ == "__main__":
    sys.exit(main())
