"""The factions of the game."""

from __future__ import annotations

from typing import Final

FACTIONS: Final = ("Neutral", "Alliance", "Horde")
"""Who can craft a recipe."""
