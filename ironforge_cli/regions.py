"""Regions of the auction house, and every fact that differs between them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Region(StrEnum):
    """A region whose commodity market Blizzard publishes; its value is the name in tables, options and hosts."""

    EU = "eu"
    US = "us"
    KR = "kr"
    TW = "tw"

    @property
    def label(self) -> str:
        """The region's name as people write it.

        >>> Region.EU.label
        'EU'
        """
        return self.value.upper()

    @property
    def dynamic_namespace(self) -> str:
        """Blizzard's namespace of what changes by the hour: auctions and the token price.

        >>> Region.US.dynamic_namespace
        'dynamic-us'
        """
        return f"dynamic-{self.value}"

    @property
    def static_namespace(self) -> str:
        """Blizzard's namespace of what changes with a game patch: professions, recipes and items.

        >>> Region.EU.static_namespace
        'static-eu'
        """
        return f"static-{self.value}"


DEFAULT_REGIONS: Final = (Region.EU, Region.US)
"""Regions of who names none. Others are known, and left alone until somebody names them."""
