"""What the lists lack: asked for by itself before it is deleted, since a list that lost a part looks the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.errors import RefusedAnswerError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.db.repositories.catalogue import UnlistedRecipe
    from ironforge_cli.jobs.catalogue.work import Work

_SAMPLE: Final = 50
"""As many are asked for where nothing will be deleted: enough to tell whether it is the lists that are wrong."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of asking for recipes that no list names."""

    gone: frozenset[int]
    """Blizzard doesn't show them either."""
    shown: tuple[UnlistedRecipe, ...]
    """Blizzard still shows them: the lists are wrong."""
    asked: int

    def require_lists_whole(self, *, unlisted: int) -> None:
        """Raise `RefusedAnswerError` where Blizzard still shows what its lists lack."""
        if not self.shown:
            return
        first = self.shown[0]
        where = ", ".join(name for name in (first.profession, first.skill_tier) if name)
        raise RefusedAnswerError(
            f"Blizzard's lists lack {unlisted} stored recipes, but by itself it still shows {len(self.shown)} of the "
            f"{self.asked} that were asked for, such as {first.id} {first.name or ''} ({where}): the lists are wrong, "
            "and nothing was deleted. Run it again later; it asks for the lists anew."
        )


def judged(work: Work, unlisted: Sequence[UnlistedRecipe], *, every: bool, control: int | None) -> Verdict:
    """Ask for unlisted recipes one by one, or for a sample of them; no answer of the cache is taken for Blizzard's.

    Raises as asking does, and `UnavailableError` where Blizzard doesn't show `control` either, a recipe that its lists
    name.
    """
    step = 1 if every else max(1, len(unlisted) // _SAMPLE)
    chosen = unlisted[::step]
    work.progress.begin("recipes that no list names", total=len(chosen))

    def is_shown(recipe_id: int) -> bool:
        work.clock.check()
        try:
            work.source.recipe(work.region, recipe_id, build=work.build, anew=True)
        except NotThereError:
            return False
        except RefusedAnswerError:
            # What makes no sense is there all the same.
            pass
        return True

    with work.asking() as pool:
        answers = [pool.submit(is_shown, recipe.id) for recipe in chosen]
        found: list[UnlistedRecipe] = []
        for recipe, answer in zip(chosen, answers, strict=True):
            if answer.result():
                found.append(recipe)
            work.progress.advance()
    if len(found) < len(chosen) and control is not None and not is_shown(control):
        raise UnavailableError(
            f"Blizzard doesn't show recipes that no list names any more, but neither the recipe {control}, which is "
            "listed: none is taken for gone. Run it again later."
        )
    shown = {recipe.id for recipe in found}
    return Verdict(
        gone=frozenset(recipe.id for recipe in chosen if recipe.id not in shown),
        shown=tuple(found),
        asked=len(chosen),
    )
