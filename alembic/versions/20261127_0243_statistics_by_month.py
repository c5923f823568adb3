"""Hourly statistics in partitions of a UTC month, with a key that begins with the time.

Why: with the item first each hour wrote pages all over years of rows. What is held becomes one partition as it is, in
an instant and at any size, under a key that was built before: hours append to it from now on, and `ironforge partitions
maintain` puts it into months when it is full. An empty table is made anew. Who was granted something on the table has
it on the new one; views of an operator's own have to be made again.

Going back copies all rows into one table, and takes its time.

Revises: 20261127_0242
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261127_0243"
down_revision = "20261127_0242"
branch_labels = None
depends_on = None

REGIONS = ("eu", "us", "kr", "tw")
_TIME = postgresql.TIMESTAMP(timezone=True)
_COLUMNS: dict[str, tuple[Any, bool, str]] = {
    "timestamp": (_TIME, False, "the snapshot's time"),
    "item_id": (sa.Integer(), False, "Blizzard's number of the item"),
    "num_auctions": (sa.Integer(), False, "auctions for sale; 0 when sold out"),
    "min_price": (sa.BigInteger(), True, "cheapest unit, copper; null: sold out"),
    "max_price": (sa.BigInteger(), True, "dearest unit, copper"),
    "mean_price": (sa.Double(), True, "mean over units, copper"),
    "median_price": (sa.Double(), True, "median over units, copper"),
    "market_value": (
        sa.Double(),
        True,
        "mean of the cheapest 15 to 30% of the units without outliers, copper (TradeSkillMaster's)",
    ),
    "cheapest_15_percent_price": (
        sa.BigInteger(),
        True,
        "what a unit costs when the cheapest 15% are bought, copper, rounded up",
    ),
    "total_quantity": (sa.BigInteger(), False, "units for sale; 0 when sold out"),
    "estimated_sales": (
        sa.BigInteger(),
        True,
        "units sold since the previous snapshot, best estimate; null in a region's first",
    ),
    "sales_low": (sa.BigInteger(), True, "units seen or very likely to be sold; cancelled lots can be among them"),
    "sales_high": (sa.BigInteger(), True, "units that can have been sold at most"),
    "new_listings": (sa.BigInteger(), True, "units in auctions that are new"),
    "seen_sales": (sa.Double(), True, "units whose sale left a trace, a multiple of 1/64; null in version 1"),
    "unseen_sales": (
        sa.Double(),
        True,
        "units listed and sold between two snapshots, a multiple of 1/64; null in version 1",
    ),
    "new_at_floor": (sa.BigInteger(), True, "units of new auctions in reach of buyers; null in version 1"),
    "new_auctions": (sa.Integer(), True, "auctions that are new"),
    "interval_seconds": (sa.Integer(), True, "time since the previous snapshot"),
    "evidence": (
        sa.SmallInteger(),
        True,
        "that anything was sold: 0 none, 1 by pairs alone, 2 plain; null in version 1",
    ),
}
# The order of the columns before; those that were added then came last.
_BEFORE = [
    "item_id",
    "timestamp",
    "min_price",
    "max_price",
    "mean_price",
    "median_price",
    "market_value",
    "cheapest_15_percent_price",
    "total_quantity",
    "num_auctions",
    "estimated_sales",
    "sales_low",
    "sales_high",
    "new_listings",
    "new_auctions",
    "interval_seconds",
    "seen_sales",
    "unseen_sales",
    "new_at_floor",
    "evidence",
]


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "statistics_months",
        sa.Column("region", sa.Text(), nullable=False, comment=" or ".join(REGIONS)),
        sa.Column("month", sa.Date(), nullable=False, comment="its first day, UTC"),
        sa.Column(
            "changes",
            sa.BigInteger(),
            nullable=False,
            comment="how often hours of it were written: whoever lays it by item sees whether anything changed "
            "meanwhile",
        ),
        sa.CheckConstraint("region IN ('eu', 'us', 'kr', 'tw')", name=op.f("ck_statistics_months_region")),
        sa.PrimaryKeyConstraint("region", "month", name=op.f("pk_statistics_months")),
        comment="Months of statistics, and how often each was written to",
    )
    for region in REGIONS:
        table = f"{region}_commodity_price_stats"
        before = f"{table}_before"
        op.rename_table(table, before)
        op.drop_constraint(op.f(f"pk_{table}"), before, type_="primary")
        op.drop_index(f"ix_{table}_timestamp", before)
        op.execute(f"ALTER TABLE {before} ADD CONSTRAINT pk_{before} PRIMARY KEY USING INDEX pk_{before}")
        op.create_table(
            table,
            *_columns(tuple(_COLUMNS)),
            sa.CheckConstraint(
                "0 <= sales_low AND sales_low <= estimated_sales AND estimated_sales <= sales_high",
                name=op.f(f"ck_{table}_sales_bounds"),
            ),
            sa.PrimaryKeyConstraint("timestamp", "item_id", name=op.f(f"pk_{table}")),
            comment=f"Prices and sales of every item in every {region.upper()} snapshot, one partition a UTC month",
            postgresql_partition_by="RANGE (timestamp)",
        )
        op.execute(_taking_over(region, table, before))


def _taking_over(region: str, table: str, before: str) -> str:
    return f"""
        DO $$
        DECLARE
            granted record;
            bound text;
        BEGIN
            FOR granted IN
                SELECT privilege_type AS privilege, is_grantable,
                       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
                FROM pg_class, aclexplode(relacl) WHERE oid = '{before}'::regclass AND grantee <> relowner
            LOOP
                EXECUTE format('GRANT %s ON {table} TO %s%s', granted.privilege, granted.grantee,
                               CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
            END LOOP;
            IF EXISTS (SELECT FROM {before}) THEN
                SELECT (regexp_match(pg_get_constraintdef(oid), '''([^'']+)'''))[1] INTO STRICT bound
                FROM pg_constraint WHERE conrelid = '{before}'::regclass AND conname = 'ck_{table}_before';
                EXECUTE format('ALTER TABLE {table} ATTACH PARTITION {before} FOR VALUES FROM (MINVALUE) TO (%L)',
                               bound);
                ALTER TABLE {before} DROP CONSTRAINT ck_{table}_before;
                COMMENT ON TABLE {before} IS
                    'ironforge: {region.upper()} statistics from before there were months (UTC)';
            ELSE
                DROP TABLE {before};
            END IF;
        END
        $$
        """  # noqa: S608 - names of this file's own


def downgrade() -> None:
    """Undo."""
    for region in REGIONS:
        table = f"{region}_commodity_price_stats"
        before = f"{table}_before"
        op.rename_table(table, f"{table}_months")
        op.execute(f"ALTER TABLE {table}_months RENAME CONSTRAINT pk_{table} TO pk_{table}_months")
        # What a first table of before, which may still be a partition, is called must not be in the way.
        op.execute(f"ALTER TABLE IF EXISTS {before} RENAME TO {before}_months")
        op.execute(f"ALTER INDEX IF EXISTS pk_{before} RENAME TO pk_{before}_months")
        op.create_table(
            table,
            *_columns(_BEFORE),
            sa.CheckConstraint(
                "0 <= sales_low AND sales_low <= estimated_sales AND estimated_sales <= sales_high",
                name=op.f(f"ck_{table}_sales_bounds"),
            ),
            sa.CheckConstraint("timestamp < 'infinity'", name=op.f(f"ck_{table}_before")),
            sa.PrimaryKeyConstraint("item_id", "timestamp", name=op.f(f"pk_{table}")),
            comment=f"Prices and sales of every item in every {region.upper()} snapshot",
        )
        names = ", ".join(_BEFORE)
        copying = f"INSERT INTO {table} ({names}) SELECT {names} FROM {table}_months"  # noqa: S608 - this file's own names
        op.execute(f"{copying} ORDER BY timestamp, item_id")
        op.drop_table(f"{table}_months")
        op.create_index(f"ix_{table}_timestamp", table, ["timestamp"], unique=False, postgresql_using="brin")
        op.create_index(f"pk_{before}", table, ["timestamp", "item_id"], unique=True)
    op.drop_table("statistics_months")


def _columns(names: tuple[str, ...] | list[str]) -> list[sa.Column[object]]:
    found: list[sa.Column[object]] = []
    for name in names:
        kind, nullable, comment = _COLUMNS[name]
        found.append(sa.Column(name, kind, autoincrement=False, nullable=nullable, comment=comment))
    return found
