"""What a path is about: which regions and which data its answer reads, and whether anybody may ask for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.regions import Region
from ironforge_cli.web.negotiation import AnswerFormat
from ironforge_cli.web.service import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Sequence

API: Final = "/v1"
OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs.css", "/favicon.ico"})
"""Paths that tell nothing of the market: anybody may ask for them, and they need no thread."""
BESIDE_A_PAGE: Final = "ironforge.beside_a_page"
"""In the scope of a request for what lies beside a page: it is led to the API."""
STATIC: Final = "/static/"
_ITEM: Final = re.compile(r"/v1/(?P<region>[a-z]{2})/items/\d+/(?P<name>price|history|book|explain)")
_LIST: Final = re.compile(r"/v1/(?P<region>[a-z]{2})/(?P<name>prices|top|movers|deals|crafts|token)")
_CRAFT: Final = re.compile(r"/v1/(?P<region>[a-z]{2})/(?P<name>crafts)/\d+")
_OVER_ALL: Final = re.compile(r"/v1/(?P<name>regions|items|spread)")
_ONE_ITEM: Final = re.compile(r"/v1/(?P<name>items)/\d+")
_PATTERNS: Final = (_ITEM, _LIST, _CRAFT, _OVER_ALL, _ONE_ITEM)


@dataclass(frozen=True, slots=True)
class DataPath:
    """What is asked for by a path below `/v1`."""

    name: str
    regions: tuple[Region, ...]
    scopes: tuple[str, ...]
    is_of_tokens: bool
    tells_staleness: bool


def path_of(scope: Any) -> str:
    """The path below the root path that a proxy stands for."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        return path[len(root) :] or "/"
    return path


def is_open(path: str) -> bool:
    """Whether anybody may ask for it, key or not."""
    return path in OPEN or path.startswith(STATIC)


def is_api(path: str) -> bool:
    """Whether it is the API's, and no page."""
    return path == API or path.startswith(f"{API}/")


def is_of_page(scope: Any, path: str) -> bool:
    """Whether a person's browser asks for it, as a page or as what lies beside one."""
    return not is_api(path) or BESIDE_A_PAGE in scope


def needs_no_thread(path: str) -> bool:
    """Whether it is answered at once, whatever else goes on."""
    return is_open(path)


def data_of(path: str, regions: Sequence[Region]) -> DataPath | None:
    """What a path asks for; None where there is nothing of the kind."""
    found = next((match for pattern in _PATTERNS if (match := pattern.fullmatch(path))), None)
    if found is None:
        return None
    name, given = found["name"], found.groupdict().get("region")
    concerned = tuple(one for one in regions if given is None or one.value == given)
    if not concerned:
        return None
    is_of_tokens = name == "token"
    reads = tuple(one.value for one in concerned)
    return DataPath(
        name=name,
        regions=concerned,
        scopes=reads if is_of_tokens or name == "regions" else (*reads, CATALOGUE),
        is_of_tokens=is_of_tokens,
        tells_staleness=name == "crafts",
    )


def offered(name: str) -> tuple[AnswerFormat, ...]:
    """The formats that a kind of answer has, the usual one first."""
    match name:
        case "prices":
            return (AnswerFormat.COLUMNS, AnswerFormat.JSON, AnswerFormat.JSONL, AnswerFormat.CSV, AnswerFormat.PARQUET)
        case "explain":
            # A step within a row has no place in a column of single values.
            return (AnswerFormat.JSON, AnswerFormat.COLUMNS, AnswerFormat.JSONL, AnswerFormat.CSV)
        case _:
            return tuple(AnswerFormat)


def route_of(path: str) -> str:
    """The kind of a path, for counting: whatever is asked for, there are few of them."""
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(path):
            return f"/v1/{match['name']}"
    if path in OPEN:
        return path
    return "static" if path.startswith(STATIC) else "v1" if is_api(path) else "page"
