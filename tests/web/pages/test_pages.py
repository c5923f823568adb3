"""Pages show what the service answers, say what they don't know, and lead nowhere that there is nothing."""

from __future__ import annotations

import base64
import gzip
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.engine import Database
from ironforge_cli.web import keys
from ironforge_cli.web.app import create_app
from ironforge_cli.web.keys import Keys
from ironforge_cli.web.pages import assets
from ironforge_cli.web.service import Service
from tests.answers import chain
from tests.web.client import Client
from tests.web.conftest import Clock, settings

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.servers import TestServer

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGES = {
    "/eu": "/v1/regions",
    "/us/top?over=7d&by=units": "/v1/us/top?over=7d&by=units&limit=1000",
    "/eu/movers?over=24h&direction=up": "/v1/eu/movers?over=24h&direction=up&limit=1000",
    "/eu/deals?discount=10%25": "/v1/eu/deals?discount=10%25&limit=1000",
    "/eu/token?since=7d": "/v1/eu/token?since=7d&limit=10000",
    "/eu/crafts?profession=&batch=2&all=1": "/v1/eu/crafts?batch=2&all=1&limit=1000",
    "/eu/crafts/1?batch=3": "/v1/eu/crafts/1?batch=3",
    "/eu/items/12?since=2d&quantity=5": "/v1/eu/items/12/price?quantity=5",
    "/eu/items/14": "/v1/eu/items/14/price",
    "/eu/items/12/book": "/v1/eu/items/12/book?limit=10000",
    "/eu/items/12/explain": "/v1/eu/items/12/explain",
    "/eu/items/12/week?tz=Europe/Paris": "/v1/eu/items/12/history?by=hour-of-week&since=28d&tz=Europe/Paris",
    "/spread": "/v1/spread?min_turnover=1000&limit=1000",
    "/status": "/v1/regions",
    "/search?q=ore&region=us": "/v1/items?search=ore",
}
LEAST_BYTES, MOST_BYTES = 1_000, 100_000


class Read(HTMLParser):
    """What of a page a test looks at."""

    VOID = frozenset({"meta", "link", "input", "br", "path", "circle", "rect", "col"})

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.inline: list[str] = []
        self.headings = 0
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [value for name, value in attrs if name in {"href", "src", "action", "data-chart"} and value]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in given) else []
        self.headings += tag == "h1"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag, (tag, self.getpos())


def shown(client: Client, path: str) -> str:
    answer = client.get(path, HTML)
    assert answer.status == 200, (path, answer.body[-600:])
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.body.decode()


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_and_what_is_beside_it_is_the_apis_answer(client: Client, path: str) -> None:
    read = Read(shown(client, path).encode())
    assert (read.open, read.headings, read.inline) == ([], 1, [])
    place, _, query = path.partition("?")
    for ending, media_type in (("json", "application/json"), ("csv", "text/csv")):
        beside = f"{place}.{ending}" + (f"?{query}" if query else "")
        (said, *_) = [link for link in read.links if link.startswith(f"{place}.{ending}")]
        answer, told = client.get(beside), client.get(said)
        api = PAGES[path] + ("&" if "?" in PAGES[path] else "?") + f"format={ending}"
        assert answer.status == 200, answer
        assert answer.headers["content-type"].startswith(media_type)
        assert answer.body == told.body == client.get(api).body


def test_no_link_of_any_page_leads_to_nothing_or_to_another_host(client: Client) -> None:
    found: set[str] = set()
    for path in ("/eu/items/12", "/eu/crafts/1", "/search?q=ore", "/eu/token"):
        found |= {link.partition("#")[0] for link in Read(shown(client, path).encode()).links}
    assert all(link == "" or re.match(r"/(?!/)", link) for link in found), found
    asked = {link for link in found if link and "vega-" not in link and "since=" not in link}
    wrong = {
        link: answer.status for link in sorted(asked) if (answer := client.get(link, HTML)).status not in {200, 307}
    }
    assert not wrong
    assert len(asked) > 25


def test_an_item_is_shown_with_its_figures_its_book_its_ranks_and_crafts(client: Client) -> None:
    page = words_of(shown(client, "/eu/items/12?quantity=8"))
    own = client.get("/v1/eu/items/12/price?quantity=8").json[0]
    assert "Dracothyst Rank 1" in page
    assert "Dracothyst R2" in page
    for key in ("market_value", "min_price", "usual_price"):
        gold, silver = divmod(round(own[key]), 10_000)
        assert f"{gold}g" in page, key
        assert silver // 100 == 0 or f"{silver // 100}s" in page, key
    assert re.search(r"8 cost [\d,]+g", page)
    levels = chain.levels(chain.Region.EU, 12)
    assert f"in {chain.hours_of(chain.Region.EU, 12)[chain.NEWEST].auctions} auctions" in page
    assert f"{sum(units for _, units in levels):,}" in page
    assert "Only" in words_of(shown(client, "/eu/items/12?quantity=100000"))
    assert "that make it" in words_of(shown(client, "/eu/items/11"))
    assert "that take it" in words_of(shown(client, "/eu/items/16"))


def test_what_is_not_known_is_a_dash_and_never_nothing(client: Client) -> None:
    page = shown(client, f"/eu/items/{chain.GONE}")
    assert '<span class="unknown" title="not known">\N{EN DASH}</span>' in page
    assert "It is not for sale now." in page
    assert "missing 4 hours" in words_of(shown(client, "/eu/items/12?since=2d"))
    assert "0g" not in words_of(page).split("Prices now")[1].split("Usual price")[0]


def test_relative_times_are_told_anew_while_the_page_is_kept(client: Client, service: Service, clock: Clock) -> None:
    assert "30 min ago" in shown(client, "/status")
    made = service.bodies.bytes
    clock.pass_by(300)
    first = client.get("/status", HTML)
    assert b"35 min ago" in first.body
    assert service.bodies.bytes == made
    again = client.get("/status", {**HTML, "If-None-Match": f'"x", W/{first.headers["etag"]}'})
    assert (again.status, again.body) == (304, b"")
    clock.pass_by(3 * 3600)
    late = shown(client, "/status")
    clock.pass_by(-3 * 3600 - 300)
    assert "EU is stale:" in words_of(late)
    assert "overdue" in late or "too few are stored to tell" in late


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/eu/items/99999", 404, "There is no item 99999"),
        ("/eu/items/99999999999999999999", 404, "among what is stored"),
        ("/eu/crafts/99999", 404, "There is no recipe 99999"),
        ("/eu/items/12?quantity=0", 400, "no whole number from 1"),
        ("/eu/items/12?quantity=1e9", 400, "no whole number"),
        ("/eu/items/12?since=1s", 400, "is not one of 7d"),
        ("/eu/items/12/week?tz=../etc/passwd", 400, "no time zone"),
        ("/eu/crafts?profession=%3Cb%3E", 400, "is not one of Alchemy"),
        ("/search?region=xx", 400, "is not one of eu, us"),
        ("/kr", 404, "There is nothing at this path"),
        ("/eu/../../etc/passwd", 404, "There is nothing at this path"),
        ("/static/page-000000000000.css", 404, "load the page anew"),
        ("/static/..%2Froutes.py", 404, ""),
    ],
)
def test_an_error_is_a_page_for_people_and_a_problem_for_programs(
    client: Client, path: str, status: int, says: str
) -> None:
    page = client.get(path, HTML)
    assert page.status == status, page
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    read = Read(page.body)
    assert (read.open, read.headings) == ([], 1)
    assert says in words_of(page.body.decode()).replace("&#39;", "'")
    assert b"<b>&#39;" not in page.body
    assert b"<b>'" not in page.body
    assert page.headers["content-security-policy"]
    problem = client.get(path)
    assert problem.status == status
    assert says in problem.detail


def test_what_somebody_typed_is_shown_and_not_obeyed(client: Client) -> None:
    page = shown(client, "/search?q=%3Cscript%3Ealert(1)%3C/script%3E%22%20onfocus=%22x")
    read = Read(page.encode())
    assert not read.inline
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34; onfocus=&#34;x" in page


def test_the_first_page_is_that_of_the_first_region_and_leads_nowhere_else(client: Client) -> None:
    own = shown(client, "/eu")
    assert shown(client, "/") == own
    for path in ("/?next=//example.org", "/?region=//example.org"):
        answer = client.get(path, HTML)
        assert (answer.status, "location" in answer.headers) == (200, False)
        assert all(re.match(r"[/#](?!/)", link) for link in Read(answer.body).links)


def test_files_are_kept_for_good_and_packed(client: Client) -> None:
    page = shown(client, "/eu/items/12")
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(files) == 4
    for file in files:
        plain = client.get(file)
        assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
        packed = client.get(file, {"Accept-Encoding": "gzip"})
        assert gzip.decompress(packed.body) == plain.body
        assert plain.headers["etag"] != packed.headers["etag"]
        assert client.get(file, {"If-None-Match": plain.headers["etag"]}).status == 304


@pytest.mark.parametrize("path", ["/eu", "/eu/items/12", "/eu/crafts", "/spread"])
def test_a_first_view_is_small(client: Client, path: str) -> None:
    packed = {**HTML, "Accept-Encoding": "gzip"}
    answer = client.get(path, packed)
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', gzip.decompress(answer.body).decode())
    whole = len(answer.body) + sum(len(client.get(file, packed).body) for file in files)
    assert LEAST_BYTES < whole < MOST_BYTES // 2


@pytest.mark.parametrize(
    "path",
    ["/eu/items/12/picture.json?since=30d&dark=1", "/eu/items/12/book/picture.json", "/eu/token/picture.json?since=7d"],
)
def test_a_picture_is_a_specification_of_the_same_rows(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"] == "application/json"
    drawn = answer.json
    assert drawn["data"]["values"]
    assert drawn["description"]
    assert (drawn["config"]["axis"]["labelColor"] == "#e6edf3") is ("dark=1" in path)
    assert client.get("/eu/items/99999/picture.json").status == 404
    assert client.get(f"/eu/items/{chain.GONE}/book/picture.json").detail == "There is nothing to draw."


def test_gaps_of_a_picture_are_gaps(client: Client) -> None:
    values = client.get("/eu/items/12/picture.json?since=2d").json["data"]["values"]
    assert sum(one["value"] is None for one in values) == len(chain.GAP)
    assert all(one["sold"] is None for one in values if one["value"] is None)


def test_without_the_extra_a_page_says_how_to_get_pictures(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "has_program", lambda: False)
    page = shown(client, "/us/items/13?since=90d")
    assert "pip install 'ironforge-cli[charts]'" in page
    assert "data-chart" not in page
    assert "vega" not in page
    assert "As a table" in page


def test_a_program_that_cannot_bebundled_is_told_and_nothing_else_suffers(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    address = assets.path(assets.PROGRAM)
    monkeypatch.setattr(assets, "_BUNDLE", "raise SystemExit(3)")
    assets.bundled.cache_clear()
    try:
        answer = client.get(address)
        assert answer.status == 404
        assert "MemoryDenyWriteExecute" in caplog.text
    finally:
        assets.bundled.cache_clear()
    shown(client, "/eu/items/12")


def test_below_a_proxys_path_every_address_begins_with_it(market_url: str) -> None:
    database = Database(market_url)
    clock = Clock()
    service = Service(lambda: database, settings(root_path="/market"), now=clock.now, monotonic=clock.monotonic)
    with Client(create_app(service)) as client:
        answer = client.get("/market/eu/items/12", HTML, root_path="/market")
        links = {link for link in Read(answer.body).links if not link.startswith("#")}
        assert answer.status == 200
        assert all(link.startswith("/market/") for link in links), links
        first = client.get("/market/", HTML, root_path="/market")
        assert (first.status, b'href="/market/us"' in first.body) == (200, True)
        assert client.get("/market/eu/items/12.json", root_path="/market").json[0]["item_id"] == 12
        (css,) = [link for link in links if link.endswith(".css")]
        assert client.get(css, root_path="/market").status == 200
    database.close()


def test_a_browser_sends_a_key_as_the_password_of_its_own_window(market_url: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    key = keys.add(file, "kitchen", made_on="2026-01-14")
    database, clock = Database(market_url), Clock()
    service = Service(lambda: database, settings(), now=clock.now, monotonic=clock.monotonic, keys=Keys(file))
    with Client(create_app(service)) as client:
        for path in ("/eu", "/eu/top.csv", "/search.json?q=ore"):
            refused = client.get(path, HTML)
            assert refused.status == 401
            assert refused.headers["www-authenticate"].startswith("Basic ")
            basic = base64.b64encode(f"me:{key}".encode()).decode()
            let_in = client.get(path, {**HTML, "Authorization": f"Basic {basic}"})
            assert let_in.status == 200
            assert let_in.headers["cache-control"].startswith("private")
        assert b"<h1>A key is needed</h1>" in client.get("/eu", HTML).body
        assert client.get(assets.path("page.css")).status == 200
        # What is not beside a page takes no password.
        assert client.get("/v1/eu/top", {"Authorization": f"Basic {basic}"}).status == 401
    database.close()


@pytest.fixture(scope="module")
def empty(server: TestServer) -> Generator[Client]:
    """The service over a database in which nothing is stored."""
    with server.prepared_database("empty", lambda _: None) as url:
        database, clock = Database(url), Clock()
        service = Service(lambda: database, settings(), now=clock.now, monotonic=clock.monotonic)
        with Client(create_app(service)) as client:
            yield client
        database.close()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/eu", "EU: nothing is stored yet."),
        ("/us/top", "US: nothing is stored yet."),
        ("/eu/token", "No price of a token is stored yet."),
        ("/eu/crafts", "No recipe is stored yet"),
        ("/status", "US: nothing is stored yet."),
        ("/spread", "Nothing is known in both regions"),
        ("/search?q=ore", "No item that is stored is called so"),
    ],
)
def test_of_an_empty_database_a_page_says_so(empty: Client, path: str, says: str) -> None:
    assert says in words_of(shown(empty, path))


def test_a_database_that_is_away_is_said_in_a_page() -> None:
    database = Database("postgresql://127.0.0.1:1/away")
    clock = Clock()
    service = Service(lambda: database, settings(), now=clock.now, monotonic=clock.monotonic)
    with Client(create_app(service)) as client:
        answer = client.get("/eu", HTML)
        assert answer.status == 503
        assert answer.headers["retry-after"]
        assert "Not just now" in words_of(answer.body.decode())
        assert b"127.0.0.1" not in answer.body
        assert client.get("/eu").detail
    database.close()
