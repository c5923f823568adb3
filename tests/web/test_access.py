"""Who may ask, how often, in which form; and that whatever is asked is answered as the document says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.engine import Database
from ironforge_cli.errors import ConfigurationError, NothingThereError, UsageError
from ironforge_cli.web import keys
from ironforge_cli.web.app import create_app
from ironforge_cli.web.keys import Keys
from ironforge_cli.web.service import Service
from tests.web.client import Client
from tests.web.conftest import Clock, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

TOP = "/v1/eu/top"
DATA = (TOP, "/v1/regions", "/v1/eu/items/12/price", "/v1/eu/prices", "/v1/nothing", "/")
OPEN = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")


@pytest.fixture
def serving(market_url: str) -> Generator[Callable[..., Client]]:
    database = Database(market_url)
    running: list[Client] = []

    def serve(*, keys: Keys | None = None, clock: Clock | None = None, **more: Any) -> Client:
        clock = clock or Clock()
        service = Service(lambda: database, settings(**more), now=clock.now, monotonic=clock.monotonic, keys=keys)
        running.append(Client(create_app(service)).__enter__())
        return running[-1]

    yield serve
    for client in running:
        client.__exit__()
    database.close()


def test_with_keys_every_path_of_data_needs_one(serving: Callable[..., Client], tmp_path: Path) -> None:
    file = tmp_path / "keys"
    key = keys.add(file, "bot", made_on="2026-01-14")
    client = serving(keys=Keys(file))
    for path in DATA:
        refused = client.get(path)
        assert refused.status == 401, path
        assert refused.headers["www-authenticate"].startswith("Bearer" if path.startswith("/v1") else "Basic")
        assert client.get(path, {"Authorization": f"Bearer {key[:-1]}"}).status == 401
        assert client.get(path, {"Authorization": f"Bearer {key}"}).status != 401
    for path in OPEN:
        assert client.get(path).status == 200, path
    answer = client.get(TOP, {"Authorization": f"bearer {key}"})
    assert answer.headers["cache-control"].startswith("private")
    assert "Authorization" in answer.headers["vary"]
    assert client.get("/openapi.json").json["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_a_revoked_key_is_nobodys_at_once_and_a_lost_file_lets_nobody_in(
    serving: Callable[..., Client], tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    key, other = (keys.add(file, name, made_on="2026-01-14") for name in ("bot", "sheet"))
    client = serving(keys=Keys(file))
    assert client.get(TOP, {"Authorization": f"Bearer {key}"}).status == 200
    keys.revoke(file, "bot")
    assert client.get(TOP, {"Authorization": f"Bearer {key}"}).status == 401
    assert client.get(TOP, {"Authorization": f"Bearer {other}"}).status == 200
    file.unlink()
    assert client.get(TOP, {"Authorization": f"Bearer {other}"}).status == 503


def test_the_file_holds_hashes_alone_and_belongs_to_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    key = keys.add(file, "bot", made_on="2026-01-14", token=lambda size: "x" * size)
    assert key == "ironforge_" + "x" * 32
    assert key not in file.read_text()
    assert keys.digest_of(key) in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="already"):
        keys.add(file, "bot", made_on="2026-01-14")
    with pytest.raises(UsageError, match="can't name"):
        keys.add(file, "a b", made_on="2026-01-14")
    with pytest.raises(NothingThereError, match="there are bot"):
        keys.revoke(file, "nobody")
    file.write_text("bot plain-text 2026-01-14\n")
    with pytest.raises(ConfigurationError, match="Line 1"):
        keys.read(file)


def test_who_asks_too_often_is_told_when_to_come_again(serving: Callable[..., Client]) -> None:
    clock = Clock()
    client = serving(requests_per_minute=3, clock=clock)
    first = client.get(TOP)
    assert {name: first.headers[name] for name in first.headers if name.startswith("ratelimit")} == {
        "ratelimit-limit": "3",
        "ratelimit-remaining": "2",
        "ratelimit-reset": "20",
    }
    assert [client.get(TOP).status for _ in range(3)] == [200, 200, 429]
    refused = client.get("/v1/eu/deals")
    assert (refused.status, refused.headers["retry-after"], refused.headers["ratelimit-remaining"]) == (429, "20", "0")
    assert client.get(TOP, client=("192.0.2.8", 1)).status == 200
    assert [client.get(TOP, client=("127.0.0.1", 1)).status for _ in range(9)] == [200] * 9
    assert client.get("/healthz").status == 200
    clock.pass_by(20)
    assert client.get(TOP).status == 200


def test_pages_of_other_origins_are_let_in_by_name_alone(serving: Callable[..., Client]) -> None:
    origin, asked = "https://sheets.example", {"Access-Control-Request-Method": "GET"}
    closed = serving().get(TOP, {"Origin": origin})
    assert not any(name.startswith("access-control") for name in closed.headers)
    client = serving(origins=(origin,))
    allowed = client.get(TOP, {"Origin": origin})
    assert allowed.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in allowed.headers
    assert "Origin" in allowed.headers["vary"]
    assert "Accept" in allowed.headers["vary"]
    preflight = client.get(TOP, {"Origin": origin, **asked}, method="OPTIONS")
    assert (preflight.status, preflight.headers["access-control-allow-methods"]) == (204, "GET, HEAD")
    other = client.get(TOP, {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    assert serving(origins=("*",)).get(TOP, {"Origin": origin}).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("target", "headers", "status", "says"),
    [
        ("/nothing", {}, 404, "/docs"),
        ("/v1", {}, 404, "/docs"),
        ("/v1/kr/top", {}, 404, "eu, us"),
        ("/v1/eu/items/99/price", {}, 404, "no item 99"),
        ("/v1/eu/items/12/book?at=2020-01-01", {}, 404, "nothing is stored"),
        ("/v1/eu/crafts/99", {}, 404, "no recipe 99"),
        ("/v1/eu/prices?ids=12,99", {}, 404, "no item 99"),
        ("/v1/eu/items/abc/price", {}, 422, "item_id"),
        ("/v1/eu/items/0/price", {}, 422, "item_id"),
        ("/v1/eu/items/99999999999999999999/price", {}, 422, "item_id"),
        ("/v1/eu/top?limit=0", {}, 422, "limit"),
        ("/v1/eu/top?limit=x", {}, 422, "limit: give a whole number"),
        ("/v1/eu/top?limit=1001", {}, 422, "limit"),
        ("/v1/eu/top?over=1y", {}, 422, "over"),
        ("/v1/eu/top?by=luck", {}, 422, "by"),
        ("/v1/eu/top?cursor=abcd", {}, 404, "cursor"),
        ("/v1/eu/top?format=xml", {}, 422, "json, columns, jsonl, csv, parquet"),
        ("/v1/eu/top?format=", {}, 422, "format"),
        ("/v1/eu/items/12/explain?format=parquet", {}, 422, "format"),
        ("/v1/eu/top", {"Accept": "image/png"}, 406, "application/json"),
        ("/v1/eu/top", {"Content-Length": "1000000"}, 413, "body"),
        ("/v1/eu/top?x=" + "x" * 9_000, {}, 414, "longer"),
        ("/v1/items", {}, 422, "search"),
        ("/v1/eu/items/12/history?since=2026-02-31", {}, 422, "since: a span such as 7d"),
        ("/v1/eu/items/12/history?since=2026-02-29", {}, 422, "since"),
        ("/v1/eu/items/12/history?since=2026-01-14&until=2026-01-13", {}, 404, "before until"),
        ("/v1/eu/items/12/history?tz=Mars", {}, 404, "tz"),
        ("/v1/eu/items/12/history?tz=..%2F..%2Fetc%2Fpasswd", {}, 422, "tz"),
        ("/v1/eu/crafts?profession=Fishing", {}, 404, "Alchemy"),
    ],
)
def test_each_error_is_a_problem_that_says_what_to_do(
    client: Client, target: str, headers: dict[str, str], status: int, says: str
) -> None:
    answer = client.get(target, headers)
    assert answer.status == status, answer
    assert says in answer.detail
    assert answer.json["status"] == status
    assert "--" not in answer.detail
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"])
@pytest.mark.parametrize("path", [TOP, "/healthz", "/openapi.json"])
def test_other_methods_are_told_which_there_are(client: Client, method: str, path: str) -> None:
    answer = client.get(path, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.detail


def test_head_is_get_without_the_body(client: Client) -> None:
    got, head = client.get(TOP), client.get(TOP, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers == got.headers


def test_every_answer_has_the_headers_that_keep_browsers_from_harm(client: Client) -> None:
    for path in (TOP, "/docs", "/nothing", "/healthz", "/v1/eu/top?limit=0"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["referrer-policy"], headers["x-content-type-options"]) == ("no-referrer", "nosniff")


def test_below_a_path_of_a_proxy_all_is_the_same(serving: Callable[..., Client]) -> None:
    client = serving(root_path="/ironforge")
    stripped, whole = client.get(f"{TOP}?limit=1"), client.get(f"/ironforge{TOP}?limit=1")
    assert (stripped.status, stripped.body) == (whole.status, whole.body)
    assert whole.headers["link"].startswith(f"</ironforge{TOP}?limit=1&cursor=")
    assert b"/ironforge/docs.css" in client.get("/ironforge/docs").body
    named = serving(base_url="https://prices.example").get(f"{TOP}?limit=1", {"Host": "evil.example"})
    assert named.headers["link"].startswith(f"<https://prices.example{TOP}?")


def test_a_bug_is_told_without_its_trace(client: Client, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr("ironforge_cli.web.formats.written", broken)
    service.bodies.__init__(1)
    answer = client.get("/v1/eu/movers?limit=3")
    assert answer.status == 500
    assert "secret" not in answer.body.decode()
