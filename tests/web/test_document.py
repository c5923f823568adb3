"""The document says what the service does, keeps what was promised, and holds whatever is thrown at it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from ironforge_cli.web.described import COMMON
from tests.web.conftest import document
from tests.web.released import FILE, broken, promised
from tests.web.test_endpoints import LISTS, SAME

if TYPE_CHECKING:
    from tests.web.client import Answer, Client

TYPES: Final[dict[str, Any]] = {
    "integer": int,
    "number": (int, float),
    "string": str,
    "boolean": bool,
    "null": type(None),
    "array": list,
}
TEXT: Final = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)
WORDS: Final = st.sampled_from(
    [
        "",
        "/",
        "..",
        "%2e%2e",
        "%00",
        "v1",
        "eu",
        "us",
        "items",
        "12",
        "99",
        "price",
        "history",
        "top",
        "crafts",
        "token",
    ]
)
PATHS: Final = st.lists(st.one_of(WORDS, st.from_regex(r"[a-z0-9%.~-]{1,8}", fullmatch=True)), max_size=6).map(
    lambda parts: "/" + "/".join(parts)
)
NAMES: Final = ("limit", "cursor", "since", "until", "at", "by", "tz", "over", "format", "ids", "search", "all", "days")
QUERIES: Final = st.lists(
    st.tuples(st.sampled_from(NAMES), st.from_regex(r"[A-Za-z0-9%_.+:,-]{0,24}", fullmatch=True)), max_size=4
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))
HEADERS: Final = st.dictionaries(
    st.sampled_from(
        ["accept", "accept-encoding", "if-none-match", "range", "authorization", "origin", "host", "content-length"]
    ),
    st.one_of(
        TEXT,
        st.sampled_from(["*", "*/*;q=0", "text/csv;q=0.5", "gzip;q=0, *;q=0", "bytes=0-1", 'W/"x", *', "br, zstd"]),
    ),
)


def operation_of(found: dict[str, Any], path: str) -> dict[str, Any]:
    patterns = {re.sub(r"\{\w+\}", r"[^/]+", known): known for known in found["paths"]}
    exact = found["paths"].get(path)
    known = next((known for pattern, known in patterns.items() if re.fullmatch(pattern, path)), None)
    return (exact or found["paths"][known])["get"]


def fits(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether a value is as a schema says."""
    if "$ref" in schema:
        return fits(value, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return any(fits(value, one, schemas) for one in schema["anyOf"])
    said: Any = schema["type"]
    kinds: list[str] = list(said) if isinstance(said, list) else [said]  # pyright: ignore[reportUnknownArgumentType] - a list of texts
    if isinstance(value, dict):
        row: dict[str, Any] = dict(value)  # pyright: ignore[reportUnknownArgumentType] - of JSON
        inner = schema.get("properties", {})
        return set(schema["required"]) == set(row) and all(fits(row[key], inner[key], schemas) for key in row)
    if isinstance(value, list) and "array" in kinds:
        rows: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType] - of JSON
        return all(fits(one, schema["items"], schemas) for one in rows)
    if isinstance(value, bool):
        return "boolean" in kinds
    return any(isinstance(value, TYPES[kind]) for kind in kinds)


@pytest.mark.parametrize("path", [*LISTS, *SAME][::2])
def test_bodies_fit_their_schema(client: Client, path: str) -> None:
    found = document()
    schema = operation_of(found, path.partition("?")[0])["responses"]["200"]["content"]["application/json"]["schema"]
    mark = "&" if "?" in path else "?"
    rows = client.get(f"{path}{mark}format=json").json
    assert fits(rows, schema, found["components"]["schemas"])


def test_every_operation_is_described_with_an_example_and_every_status() -> None:
    found = document()
    schemas = found["components"]["schemas"]
    assert found["openapi"].startswith("3.1")
    for path, operations in found["paths"].items():
        operation = operations["get"]
        assert operation["summary"], path
        assert operation["description"], path
        assert all(one.get("description") for one in operation.get("parameters", ())), path
        if path.startswith("/v1"):
            assert {"200", "304", "400", "401", "404", "405", "406", "422", "429", "500", "503"} <= set(
                operation["responses"]
            )
            content = operation["responses"]["200"]["content"]["application/json"]
            assert fits(content["example"], content["schema"], schemas), path
            assert set(COMMON) <= set(operation["responses"]["200"]["headers"])


def test_what_was_promised_stays() -> None:
    before = json.loads(FILE.read_text(encoding="utf-8"))
    assert broken(before, promised(document())) == []
    assert broken({"a": {"formats": ["x"]}, "b": 1}, {"a": {"formats": ["y"]}}) == [
        "/b is gone",
        "/a/formats: x is gone",
    ]


def test_the_page_is_whole_and_asks_no_other_host(client: Client) -> None:
    hosts: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in {"script", "style"}
            hosts.extend(value or "" for name, value in attrs if name in {"href", "src"})
            assert not any(name.startswith("on") or name == "style" for name, _ in attrs)

    page = client.get("/docs").body.decode()
    Links().feed(page)
    assert all(host.startswith("/") and not host.startswith("//") for host in hosts)
    assert all(path in page for path in document()["paths"])
    assert client.get("/docs.css").headers["content-type"].startswith("text/css")


def require_documented(answer: Answer, path: str) -> None:
    if answer.status == 304:
        assert answer.body == b""
        return
    kind = answer.headers["content-type"].partition(";")[0]
    if answer.status >= 400:
        assert (kind, answer.json["status"]) == ("application/problem+json", answer.status)
        assert answer.status in {400, 401, 404, 405, 406, 413, 414, 422, 429, 431}, (path, answer)
    else:
        assert answer.status == 200, (path, answer)


@tried(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(path=PATHS, query=QUERIES, headers=HEADERS)
def test_whatever_is_asked_is_answered_as_documented(
    client: Client, path: str, query: str, headers: dict[str, str]
) -> None:
    require_documented(client.get(f"{path}?{query}", headers), path)


@tried(max_examples=40, deadline=None, derandomize=True)
@given(
    path=st.sampled_from(["/v1/eu/top", "/v1/eu/items/12/history", "/v1/us/token", "/v1/items"]),
    query=QUERIES,
    headers=HEADERS,
)
def test_so_are_paths_of_data_with_any_parameters(
    client: Client, path: str, query: str, headers: dict[str, str]
) -> None:
    require_documented(client.get(f"{path}?{query}", headers), path)
