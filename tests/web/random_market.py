"""The market of the tests with its figures thrown about: prices that jump, that are not known, books of any shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from ironforge_cli.regions import DEFAULT_REGIONS
from tests.answers import test_crafts

if TYPE_CHECKING:
    from sqlalchemy import Connection

_STATISTICS: Final = """
UPDATE {region}_commodity_price_stats SET
    min_price = floor(exp(random() * 12) + 1), market_value = exp(random() * 14) + 1,
    cheapest_15_percent_price = floor(exp(random() * 13) + 1), median_price = exp(random() * 14),
    mean_price = exp(random() * 14), max_price = floor(exp(random() * 16) + 1),
    total_quantity = floor(random() * 5000), num_auctions = floor(random() * 30),
    sales_low = 0, estimated_sales = floor(random() * 400), sales_high = floor(random() * 400) + 400;
UPDATE {region}_commodity_price_stats SET min_price = NULL, market_value = NULL, cheapest_15_percent_price = NULL,
    median_price = NULL, mean_price = NULL, max_price = NULL, total_quantity = 0, num_auctions = 0
    WHERE random() < 0.1;
UPDATE {region}_commodity_price_stats SET sales_low = NULL, estimated_sales = NULL, sales_high = NULL
    WHERE random() < 0.1;
DELETE FROM {region}_commodity_price_stats WHERE random() < 0.05;
UPDATE auction_snapshots_{region} SET unit_price = floor(exp(random() * 13) + 1), quantity = floor(random() * 200) + 1;
UPDATE {region}_token_price SET price = floor(random() * 4000000000) + 1;
"""


def thrown_about(connection: Connection, seed: float) -> None:
    """Make a random market; the seed is between 0 and 1."""
    test_crafts.install(connection)
    connection.execute(text("SELECT setseed(:seed)"), {"seed": seed})
    for region in DEFAULT_REGIONS:
        connection.execute(text(_STATISTICS.format(region=region.value)))
