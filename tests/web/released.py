"""What of the API was released, and must stay: paths, parameters and keys. `python -m tests.web.released` writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = Path(__file__).with_name("released.json")


def promised(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a document promises: of each path its parameters and the keys of a row, with their types."""
    schemas = document["components"]["schemas"]
    found: dict[str, Any] = {}
    for path, operations in document["paths"].items():
        if not path.startswith("/v1"):
            continue
        operation = operations["get"]
        content = operation["responses"]["200"]["content"]
        items = content["application/json"]["schema"]["items"]
        rows = [one["$ref"].rpartition("/")[2] for one in items.get("anyOf", [items])]
        found[path] = {
            "formats": sorted(content),
            "parameters": {
                one["name"]: {"required": one.get("required", False), "default": one["schema"].get("default")}
                for one in operation["parameters"]
            },
            "rows": {name: schemas[name]["properties"] for name in rows},
        }
    return found


def broken(before: Any, now: Any, where: str = "") -> list[str]:
    """What was promised and is no more: keys that are gone, and values that are others."""
    if isinstance(before, dict) and isinstance(now, dict):
        was: dict[str, Any] = dict(before)  # pyright: ignore[reportUnknownArgumentType] - of JSON
        found: dict[str, Any] = dict(now)  # pyright: ignore[reportUnknownArgumentType] - of JSON
        gone = [f"{where}/{key} is gone" for key in was if key not in found]
        return gone + [
            line for key, value in was.items() if key in found for line in broken(value, found[key], f"{where}/{key}")
        ]
    if isinstance(before, list) and isinstance(now, list) and where.endswith("/formats"):
        kinds: list[str] = list(before)  # pyright: ignore[reportUnknownArgumentType] - of JSON
        return [f"{where}: {one} is gone" for one in kinds if one not in now]
    return [] if before == now else [f"{where} was {before!r} and is {now!r}"]


def main() -> None:
    """Write what the present document promises."""
    from tests.web.conftest import document  # noqa: PLC0415 - it loads the application

    FILE.write_text(json.dumps(promised(document()), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
