"""What the tables that exist once a region are called: whoever reads by SQL needs no more of them."""

from __future__ import annotations

from typing import Final

from ironforge_cli.regions import Region

SNAPSHOTS: Final = {region: f"auction_snapshots_{region}" for region in Region}
PRICE_STATS: Final = {region: f"{region}_commodity_price_stats" for region in Region}
PRICE_DAYS: Final = {region: f"{region}_commodity_price_days" for region in Region}
TOKEN_PRICES: Final = {region: f"{region}_token_price" for region in Region}
