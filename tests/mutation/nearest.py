"""Which tests are nearest to a module: those that mirror it, then those that import it, by what they cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]


def nearest_tests(module: Path) -> list[str]:
    """The module's doctests, the tests named for it, and those of its folder that import it.

    Where its folder has none: those named for the modules beside it that import it; else those anywhere that import it,
    and where there are none, those named for the modules anywhere that import it.
    """
    folder = REPOSITORY / "tests" / module.relative_to("ironforge_cli").parent
    near = sorted(folder.glob(f"test_{module.stem}*.py"))
    near += [file for file in sorted(folder.glob("test_*.py")) if file not in near and _imports(file, module)]
    near = (
        near
        or _named_for_users(module, among=REPOSITORY / module.parent)
        or [file for file in sorted((REPOSITORY / "tests").rglob("test_*.py")) if _imports(file, module)]
        or _named_for_users(module, among=REPOSITORY / "ironforge_cli")
    )
    return [str(module), *(str(file.relative_to(REPOSITORY)) for file in dict.fromkeys(near))]


def _named_for_users(module: Path, *, among: Path) -> list[Path]:
    users = [file for file in sorted(among.rglob("*.py")) if _imports(file, module)]
    folders = [REPOSITORY / "tests" / user.relative_to(REPOSITORY / "ironforge_cli").parent for user in users]
    return [
        file
        for user, folder in zip(users, folders, strict=True)
        for file in sorted(folder.glob(f"test_{user.stem}*.py"))
    ]


def _imports(file: Path, module: Path) -> bool:
    dotted = ".".join(module.with_suffix("").parts)
    parent, _, name = dotted.rpartition(".")
    imports = rf"from {re.escape(dotted)} import|from {re.escape(parent)} import (\([^)]*|.*)\b{re.escape(name)}\b"
    return re.search(imports, file.read_text(encoding="utf-8")) is not None
