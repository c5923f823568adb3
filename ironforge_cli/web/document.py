"""The description of the API, as OpenAPI 3.1 for programs and as a page for people; both are made here."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import HTMLResponse, Response

from ironforge_cli.web import endpoints
from ironforge_cli.web.described import components
from ironforge_cli.web.examples import EXAMPLES
from ironforge_cli.web.negotiation import MEDIA_TYPES, AnswerFormat

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

    from ironforge_cli.web.service import Service

_ABOUT: Final = (
    "Prices, sales and crafts of the World of Warcraft commodity market, read-only. Prices are copper; times are UTC."
    " What is not known is null and never 0. Keys and meanings of /v1 stay; keys may be added."
)
_STYLE: Final = """:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h2{margin:2rem 0 .25rem;font-size:1.15rem;overflow-wrap:anywhere}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{overflow:auto;padding:.75rem;border:1px solid #8886;border-radius:.25rem}
table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #8884;padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
"""
_KEPT: Final = {"cache-control": "public, max-age=3600"}


def add(app: FastAPI, service: Service) -> None:
    """Serve the document and its page."""
    found = described(app, service)
    encoded = msgspec.json.encode(found)
    page = _page(found, service.settings.root_path)

    async def openapi_json(_: Request) -> Response:
        return Response(encoded, media_type="application/json", headers=_KEPT)

    async def docs(_: Request) -> Response:
        return HTMLResponse(page, headers=_KEPT)

    async def docs_css(_: Request) -> Response:
        return Response(_STYLE, media_type="text/css", headers=_KEPT)

    app.add_route("/openapi.json", openapi_json)
    app.add_route("/docs", docs)
    app.add_route("/docs.css", docs_css)


def described(app: FastAPI, service: Service) -> dict[str, Any]:
    """The whole of the document."""
    found: dict[str, Any] = app.openapi()
    found["openapi"] = "3.1.0"
    found["info"]["description"] = _ABOUT
    found["info"]["license"] = {"name": "MIT", "identifier": "MIT"}
    found["servers"] = [{"url": service.settings.base_url or service.settings.root_path or "/"}]
    of_framework = {"HTTPValidationError", "ValidationError"}
    named = {name: one for name, one in found["components"]["schemas"].items() if name not in of_framework}
    found["components"] = {"schemas": dict(sorted({**named, **components(endpoints.ROWS)}.items()))}
    regions = [one.value for one in service.settings.regions]
    for path, operations in found["paths"].items():
        for operation in operations.values():
            _with_nulls(operation["responses"].get("200", {}).get("content", {}))
            # What the framework says of errors is not how ours look.
            operation["responses"] = {
                status: said for status, said in operation["responses"].items() if said.get("content") != {}
            }
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "region":
                    parameter["schema"] = {"type": "string", "enum": regions}
                elif parameter["name"] == "format":
                    parameter["schema"] = {"type": "string", "enum": _forms(operation)}
        if path.endswith("/price"):
            _of_units(operations["get"])
    if service.keys is not None:
        found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, operations in found["paths"].items():
            if path.startswith("/v1"):
                operations["get"]["security"] = [{"key": []}]
    return found


def _forms(operation: dict[str, Any]) -> list[str]:
    """The formats that an operation has."""
    content = operation["responses"]["200"]["content"]
    return [one.value for one, kind in MEDIA_TYPES.items() if kind in content]


def _with_nulls(content: dict[str, Any]) -> None:
    """Put the examples in again: the framework leaves what is null out of them."""
    rows = content.get(MEDIA_TYPES[AnswerFormat.JSON], {})
    reference = rows.get("schema", {}).get("items", {}).get("$ref")
    if reference is not None:
        example = EXAMPLES[reference.rpartition("/")[2]]
        rows["example"] = [example]
        content[MEDIA_TYPES[AnswerFormat.COLUMNS]]["example"] = {name: [value] for name, value in example.items()}


def _of_units(operation: dict[str, Any]) -> None:
    """With a quantity a price has more keys."""
    for said in operation["responses"]["200"]["content"].values():
        items = said["schema"].get("items")
        if items is not None:
            said["schema"]["items"] = {"anyOf": [{"$ref": "#/components/schemas/PriceOfUnits"}, items]}


def _page(found: dict[str, Any], root_path: str) -> str:
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'><title>ironforge: the API</title>",
        f"<link rel='stylesheet' href='{escape(root_path)}/docs.css'></head><body><main><h1>ironforge: the API</h1>",
        f"<p>{escape(found['info']['description'])}</p>",
        f"<p>For programs: <a href='{escape(root_path)}/openapi.json'>openapi.json</a>, OpenAPI 3.1.</p>",
    ]
    for path, operations in found["paths"].items():
        parts += _operation(path, operations["get"])
    return "".join((*parts, "</main></body></html>"))


def _operation(path: str, operation: dict[str, Any]) -> list[str]:
    name = escape(operation["operationId"])
    parts = [f"<section id='{name}'><h2><code>GET {escape(path)}</code></h2><p>{escape(operation['summary'])}. "]
    parts.append(f"{escape(operation.get('description', ''))}</p>")
    parameters = operation.get("parameters", ())
    if parameters:
        parts.append("<table><thead><tr><th scope='col'>parameter</th><th scope='col'>what it is</th></tr></thead>")
        parts += [
            f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one.get('description', ''))}"
            f"{_default(one.get('schema', {}))}</td></tr>"
            for one in parameters
        ]
        parts.append("</table>")
    for status, said in operation["responses"].items():
        if status == "200":
            kinds = ", ".join(f"<code>{escape(kind)}</code>" for kind in said.get("content", {}))
            parts.append(f"<p>Answers: {kinds}</p>")
            example = said.get("content", {}).get("application/json", {}).get("example")
            if example is not None:
                shown = msgspec.json.format(msgspec.json.encode(example), indent=2).decode()
                parts.append(f"<pre tabindex='0'>{escape(shown)}</pre>")
    others = ", ".join(status for status in operation["responses"] if status != "200")
    parts.append(f"<p>Other statuses: {others}</p></section>")
    return parts


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return "" if default is None else f" <small>(unless given: <code>{escape(str(default))}</code>)</small>"
