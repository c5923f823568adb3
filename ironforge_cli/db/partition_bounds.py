"""A partition's bounds as times, in SQL: of a query that has them in a column `bounds`, in PostgreSQL's words."""

from __future__ import annotations

from typing import Final

LOWER: Final = "CASE edges[1] WHEN 'MINVALUE' THEN NULL ELSE CAST(trim('''' FROM edges[1]) AS timestamptz) END"
UPPER: Final = "CASE edges[2] WHEN 'MAXVALUE' THEN NULL ELSE CAST(trim('''' FROM edges[2]) AS timestamptz) END"
EDGES: Final = f"{LOWER} AS starts_at, {UPPER} AS ends_at"
"""A partition's bounds as times, in SQL; null where it has none."""
EDGES_OF: Final = "LATERAL regexp_match(bounds, 'FROM \\((.*)\\) TO \\((.*)\\)') AS edges"
