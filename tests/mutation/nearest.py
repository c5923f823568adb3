"""Which tests are nearest to a module: those that mirror it, then those that import it, by what they cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]


def nearest_tests(module: Path) -> list[str]:
    """The module's doctests, the tests named for it, and those of its folder that import it."""
    inside = module.relative_to("ironforge_cli")
    folder = REPOSITORY / "tests" / inside.parent
    named = sorted(folder.glob(f"test_{module.stem}*.py"))
    dotted = ".".join(module.with_suffix("").parts)
    parent, _, name = dotted.rpartition(".")
    imports = re.compile(rf"from {re.escape(dotted)} import|from {re.escape(parent)} import .*\b{re.escape(name)}\b")
    importing = [
        file
        for file in sorted(folder.glob("test_*.py"))
        if file not in named and imports.search(file.read_text(encoding="utf-8"))
    ]
    return [str(module), *(str(file.relative_to(REPOSITORY)) for file in [*named, *importing])]
