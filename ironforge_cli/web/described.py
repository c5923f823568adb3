"""The schema of rows, and what every operation can answer: what the OpenAPI document says beside the parameters."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.answers.answer import SAID_BESIDE
from ironforge_cli.answers.crafts_in_full import OpenSlot, Taken
from ironforge_cli.market.explained import ArithmeticStep
from ironforge_cli.web.negotiation import MEDIA_TYPES, AnswerFormat
from ironforge_cli.web.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do."},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "Each parameter that is wrong."},
    },
}
_STATUSES: Final = {
    400: "The parameters can't go together, or ask for too much.",
    401: "A key is needed, or the one that came is none of the service's.",
    404: "There is no such path, region, item, recipe or hour.",
    405: "The method is not GET or HEAD.",
    406: "None of the formats that Accept names is there.",
    413: "The request has a body, and a long one.",
    414: "The address is too long.",
    422: "A parameter is not within its bounds.",
    429: "Too many requests in a minute; Retry-After says when to ask again.",
    431: "The headers are too long.",
    500: "A bug.",
    503: "The database or a thread can't be had just now; Retry-After says when to ask again.",
}
_TYPES: Final[dict[str, dict[str, Any]]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "Region": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
    "tuple[str, ...]": {"type": "array", "items": {"type": "string"}},
    "tuple[int, ...]": {"type": "array", "items": {"type": "integer"}},
    "tuple[Taken, ...]": {"type": "array", "items": {"$ref": "#/components/schemas/Taken"}},
    "tuple[OpenSlot, ...]": {"type": "array", "items": {"$ref": "#/components/schemas/OpenSlot"}},
    "tuple[ArithmeticStep, ...]": {"type": "array", "items": {"$ref": "#/components/schemas/ArithmeticStep"}},
}
COMMON: Final = {
    "Ironforge-Snapshot-Time": "Of the newest snapshot that the answer rests on.",
    "Ironforge-Age-Seconds": "How old that is.",
    "Ironforge-Stale": "Whether that is older than is allowed: true or false.",
    "ETag": "Changes whenever the answer does.",
    "Last-Modified": "The newest snapshot's time.",
    "Cache-Control": "How long the answer can be taken as it is.",
}


def schema_of(row: type) -> dict[str, Any]:
    """The schema of a kind of row: every key is there, null where it is not known."""
    properties: dict[str, Any] = {}
    for one in fields(row):
        if one.name not in SAID_BESIDE:
            properties[one.name] = _schema(str(one.type))
    return {"type": "object", "required": list(properties), "properties": properties, "title": row.__name__}


def _schema(annotation: str) -> dict[str, Any]:
    kinds = [_TYPES[part] for part in re.split(r" \| ", annotation)]
    # Whole numbers are numbers: a client reads a mean that happens to be whole.
    if len(kinds) == 1:
        return dict(kinds[0])
    simple = [one["type"] for one in kinds if set(one) == {"type"}]
    return {"type": simple} if len(simple) == len(kinds) else {"anyOf": kinds}


def problems(statuses: Sequence[int]) -> dict[int | str, dict[str, Any]]:
    """The responses of errors."""
    return {
        status: {
            "description": _STATUSES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def responses(
    row: type, offered: Sequence[AnswerFormat], example: Mapping[str, Any], *, is_listed: bool
) -> dict[int | str, dict[str, Any]]:
    """Every response of an operation that answers with rows of a kind."""
    reference = {"$ref": f"#/components/schemas/{row.__name__}"}
    columns = {
        "type": "object",
        "required": list(example),
        "properties": {name: {"type": "array", "items": _schema_of_key(row, name)} for name in example},
    }
    bodies: dict[AnswerFormat, dict[str, Any]] = {
        AnswerFormat.JSON: {"schema": {"type": "array", "items": reference}, "example": [dict(example)]},
        AnswerFormat.COLUMNS: {"schema": columns, "example": {name: [value] for name, value in example.items()}},
        AnswerFormat.JSONL: {"schema": {"type": "string", "description": "A row a line, as in JSON."}},
        AnswerFormat.CSV: {"schema": {"type": "string", "description": "A row a line, below a line of keys."}},
        AnswerFormat.PARQUET: {"schema": {"type": "string", "format": "binary"}},
    }
    headers: dict[str, Any] = {
        name: {"description": says, "schema": {"type": "string"}} for name, says in COMMON.items()
    }
    if is_listed:
        headers["Link"] = {
            "description": 'Where there are more rows: <…>; rel="next".',
            "schema": {"type": "string"},
        }
    found: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The rows.",
            "headers": headers,
            "content": {MEDIA_TYPES[one]: bodies[one] for one in offered},
        },
        304: {"description": "The client has the answer already: If-None-Match names it."},
    }
    return found | problems(tuple(_STATUSES))


def _schema_of_key(row: type, name: str) -> dict[str, Any]:
    return _schema(next(str(one.type) for one in fields(row) if one.name == name))


def components(rows: Sequence[type]) -> dict[str, Any]:
    """The named schemas of the document."""
    step = {
        "type": "object",
        "required": ["text", "value"],
        "properties": {"text": {"type": "string"}, "value": {"type": ["integer", "number", "string", "null"]}},
        "title": ArithmeticStep.__name__,
    }
    every = (*rows, Taken, OpenSlot)
    return {"Problem": _PROBLEM, "ArithmeticStep": step, **{row.__name__: schema_of(row) for row in every}}
