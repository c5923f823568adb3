"""Asking again costs next to nothing, and never gives what is no longer so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.db.engine import Database
from ironforge_cli.db.generations import changed
from ironforge_cli.db.repositories import token_prices
from ironforge_cli.errors import UnreachableError
from ironforge_cli.regions import Region
from ironforge_cli.web.app import create_app
from ironforge_cli.web.service import Service, ServiceLimits
from tests.answers import chain, test_crafts
from tests.web.client import Client
from tests.web.conftest import Clock, settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.servers import TestServer

TOP = "/v1/eu/top"


class Changing:
    """A market that is written to, and the service over it."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.clock = Clock()
        self.looks = 0
        self.service = Service(self._looked, settings(), now=self.clock.now, monotonic=self.clock.monotonic)
        self.client = Client(create_app(self.service))

    def _looked(self) -> Database:
        self.looks += 1
        return self.database

    def change(self, scope: Region | str, statement: str = "SELECT 1") -> None:
        with self.database.transaction() as connection:
            connection.execute(text(statement))
            changed(connection, scope)
        self.clock.pass_by(1)


@pytest.fixture
def changing(server: TestServer) -> Generator[Changing]:
    with server.prepared_database("crafted", test_crafts.install) as url:
        made = Changing(url)
        with made.client:
            yield made
        made.database.close()


def test_an_answer_that_is_kept_costs_no_look_at_the_database(changing: Changing) -> None:
    first = changing.client.get(TOP)
    looks = changing.looks
    again = changing.client.get(TOP)
    known = changing.client.get(TOP, {"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert changing.looks == looks
    assert (again.status, again.body, again.headers["etag"]) == (200, first.body, first.headers["etag"])
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", first.headers["etag"])
    assert "content-length" not in known.headers
    assert {"cache-control", "vary", "last-modified", "ironforge-age-seconds"} <= set(known.headers)
    changing.clock.pass_by(1)
    changing.client.get(TOP, {"If-None-Match": first.headers["etag"]})
    assert changing.looks == looks + 1


def test_a_change_makes_another_answer_at_once(changing: Changing) -> None:
    first = changing.client.get(TOP)
    other = changing.client.get("/v1/us/top")
    changing.change(
        Region.EU, f"UPDATE eu_commodity_price_stats SET estimated_sales = sales_low WHERE timestamp = '{chain.NEWEST}'"
    )
    second = changing.client.get(TOP, {"If-None-Match": first.headers["etag"]})
    assert second.status == 200
    assert second.headers["etag"] != first.headers["etag"]
    assert second.body != first.body
    same = changing.client.get("/v1/us/top", {"If-None-Match": other.headers["etag"]})
    assert same.status == 304
    changing.change("catalogue", "UPDATE items SET item_name = 'Renamed' WHERE id = 14")
    third = changing.client.get(TOP, {"If-None-Match": second.headers["etag"]})
    assert (third.status, b"Renamed" in third.body) == (200, True)


def test_what_another_has_in_its_transaction_is_not_seen_before_it_ends(changing: Changing) -> None:
    first = changing.client.get(TOP)
    with changing.database.transaction() as connection:
        connection.execute(text("UPDATE eu_commodity_price_stats SET market_value = 1"))
        changed(connection, Region.EU)
        changing.clock.pass_by(1)
        assert changing.client.get(TOP, {"If-None-Match": first.headers["etag"]}).status == 304
    changing.clock.pass_by(1)
    assert changing.client.get(TOP, {"If-None-Match": first.headers["etag"]}).status == 200


def test_an_answer_made_while_the_data_change_is_of_one_state(changing: Changing) -> None:
    changing.client.get("/v1/regions")
    # The service believes what it knew a moment ago; the look that makes the answer sees the new state.
    with changing.database.transaction() as connection:
        connection.execute(text("UPDATE eu_commodity_price_stats SET estimated_sales = sales_low"))
        changed(connection, Region.EU)
    during = changing.client.get(TOP)
    assert (during.status, during.headers["cache-control"]) == (200, "no-cache")
    changing.clock.pass_by(1)
    after = changing.client.get(TOP, {"If-None-Match": during.headers["etag"]})
    assert after.status == 304
    assert changing.client.get(TOP).body == during.body


def test_forms_have_validators_of_their_own(changing: Changing) -> None:
    asked: list[dict[str, str]] = [
        {},
        {"Accept": "text/csv"},
        {"Accept": "application/vnd.ironforge.columns+json"},
        {"Accept-Encoding": "gzip"},
        {"Accept-Encoding": "br, gzip;q=0.5"},
        {"Accept-Encoding": "zstd"},
    ]
    tags = [changing.client.get(TOP, headers).headers["etag"] for headers in asked]
    assert len(set(tags)) == len(asked)
    assert not any(tag.startswith("W/") for tag in tags)
    encodings = [changing.client.get(TOP, one).headers.get("content-encoding") for one in asked]
    assert encodings == [None, None, None, "gzip", "br", "zstd"]


def test_a_token_is_of_its_own_time(changing: Changing) -> None:
    first = changing.client.get("/v1/eu/token")
    assert first.headers["cache-control"] == "public, max-age=60"
    with changing.database.transaction() as connection:
        at = changing.clock.now()
        assert token_prices.store(connection, Region.EU, at=at, price=5)
    changing.clock.pass_by(60)
    second = changing.client.get("/v1/eu/token", {"If-None-Match": first.headers["etag"]})
    assert (second.status, second.headers["ironforge-age-seconds"]) == (200, "60")
    assert second.headers["cache-control"] == f"public, max-age={20 * 60 - 60}"


def test_a_response_is_fresh_until_the_next_snapshot_is_due(changing: Changing) -> None:
    assert changing.client.get(TOP).headers["cache-control"] == f"public, max-age={35 * 60}"
    changing.clock.pass_by(34 * 60)
    assert changing.client.get(TOP).headers["cache-control"] == "public, max-age=60"
    changing.clock.pass_by(60 * 60 * 3)
    late = changing.client.get(TOP)
    assert (late.headers["cache-control"], late.headers["ironforge-stale"]) == ("public, max-age=60", "true")


def test_crafts_say_that_they_are_stale_in_an_answer_of_its_own(changing: Changing) -> None:
    path = "/v1/eu/crafts?all=true"
    first = changing.client.get(path)
    changing.clock.pass_by(60 * 60 * 3)
    second = changing.client.get(path, {"If-None-Match": first.headers["etag"]})
    assert second.status == 200
    assert not any("stale" in row["reasons"] for row in first.json)
    assert all("stale" in row["reasons"] for row in second.json)


def test_pages_join_into_the_whole_and_end_where_the_data_change(changing: Changing) -> None:
    whole = changing.client.get(TOP).json
    path, found, last = f"{TOP}?limit=2", [], ""
    while path:
        answer = changing.client.get(path)
        found += answer.json
        link = answer.headers.get("link")
        last, path = path, link.partition(">")[0].removeprefix("<") if link else ""
    assert found == whole
    history = changing.client.get("/v1/eu/items/12/history?since=30h").json
    newest = changing.client.get("/v1/eu/items/12/history?since=30h&limit=20")
    older = changing.client.get(newest.headers["link"].partition(">")[0].removeprefix("<"))
    assert older.json + newest.json == history
    changing.change(Region.EU)
    refused = changing.client.get(last)
    assert (refused.status, "begin again" in refused.detail) == (404, True)


def test_a_span_of_years_comes_year_by_year(changing: Changing) -> None:
    first = changing.client.get("/v1/eu/items/12/history?since=2020-01-01&limit=10000")
    assert first.headers["ironforge-since"] == "2025-01-12T23:59:59Z"
    assert first.json[0]["bucket"] == "2025-01-13T00:00:00Z"
    assert first.headers["link"].startswith("</v1/eu/items/12/history?since=2020-01-01&limit=10000&until=2025-01-12T")
    second = changing.client.get(first.headers["link"].partition(">")[0].removeprefix("<"))
    assert second.json[-1]["bucket"] == "2025-01-12T23:00:00Z"
    assert "link" not in changing.client.get("/v1/eu/items/12/history?since=2020-01-01&by=day").headers
    tokens = changing.client.get("/v1/eu/token?since=2020-01-01")
    assert "until=2025-01-12T23%3A59%3A59Z" in tokens.headers["link"]


def test_a_database_that_is_away_is_said_and_found_again(changing: Changing, monkeypatch: pytest.MonkeyPatch) -> None:
    changing.client.get(TOP)
    away = UnreachableError("The database at secret.example can't be reached.")

    def refuse() -> Any:
        raise away

    changing.clock.pass_by(1)
    monkeypatch.setattr(changing, "_looked", refuse)
    monkeypatch.setattr(changing.service, "_database", refuse)
    for path in (TOP, "/readyz"):
        answer = changing.client.get(path)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert "secret" not in answer.detail
    assert changing.client.get("/healthz").status == 200
    assert b"ironforge_http_database_up 0" in changing.client.get("/metrics").body
    monkeypatch.undo()
    monkeypatch.setattr(changing.service, "_database", lambda: changing.database)
    assert changing.client.get(TOP).status == 200


def test_an_old_schema_is_503_until_it_is_upgraded(changing: Changing) -> None:
    with changing.database.transaction() as connection:
        connection.execute(text("ALTER TABLE generations RENAME TO kept"))
    refused = changing.client.get(TOP)
    assert refused.status == 503
    assert "not ready for this version" in refused.detail
    with changing.database.transaction() as connection:
        connection.execute(text("ALTER TABLE kept RENAME TO generations"))
    assert changing.client.get(TOP).status == 200


def test_a_server_that_only_reads_is_enough(changing: Changing) -> None:
    with changing.database.connect(autocommit=True) as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    changing.database.close()
    assert changing.client.get(TOP).status == 200


def test_an_empty_database_is_served_as_what_it_is(server: TestServer) -> None:
    with server.migrated_database() as url:
        made = Changing(url)
        with made.client:
            assert made.client.get(TOP).json == []
            regions = made.client.get("/v1/regions")
            assert regions.json[0]["snapshot_time"] is None
            assert "ironforge-age-seconds" not in regions.headers
            assert made.client.get("/readyz").json["regions"][0]["stale"] is True
            assert made.client.get("/v1/eu/prices").json["item_id"] == []
        made.database.close()


def test_the_same_question_at_once_is_answered_once(changing: Changing) -> None:
    answers = changing.client.at_once(*[TOP] * 20)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert b'ironforge_http_answers_total{came="made"} 1\n' in changing.client.get("/metrics").body


def test_threads_that_are_all_at_work_are_said(market_url: str) -> None:
    database, clock = Database(market_url), Clock()
    limits = ServiceLimits(threads=1, waiting=1, longest_wait_seconds=30)
    service = Service(lambda: database, settings(limits=limits), now=clock.now, monotonic=clock.monotonic)
    with Client(create_app(service)) as client:
        answers = client.at_once(*(f"/v1/eu/items/{item}/history" for item in chain.ITEMS))
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 503}
    assert all(answer.headers["retry-after"] == "5" for answer in answers if answer.status == 503)
    database.close()


def test_what_is_kept_is_bounded(market_url: str) -> None:
    database, clock = Database(market_url), Clock()
    said = settings(limits=ServiceLimits(kept_bytes=40_000))
    service = Service(lambda: database, said, now=clock.now, monotonic=clock.monotonic)
    with Client(create_app(service)) as client:
        for limit in range(1, 45):
            client.get(f"{TOP}?limit={limit}")
            assert service.bodies.bytes <= 40_000
    assert service.bodies.bytes > 20_000
    database.close()


@pytest.mark.slow
def test_a_server_that_was_cut_off_is_found_again_and_no_old_answer_is_given(external: TestServer) -> None:
    with external.migrated_database() as url:
        made = Changing(url)
        with made.database.transaction() as connection:
            test_crafts.install(connection)
        with made.client:
            first = made.client.get(TOP)
            external.kill_and_restart()
            made.clock.pass_by(1)
            again = made.client.get(TOP, {"If-None-Match": first.headers["etag"]})
            assert again.status == 304
            made.change(Region.EU, "UPDATE items SET item_name = 'Renamed' WHERE id = 14")
            assert made.client.get(TOP, {"If-None-Match": first.headers["etag"]}).status == 200
        made.database.close()
