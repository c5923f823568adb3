"""The version of the estimate. Without arrays, so that who only compares it loads none."""

from __future__ import annotations

from typing import Final

ESTIMATOR_VERSION: Final = 2
"""Raised whenever a rule or a constant of the estimate changes; stored with every snapshot."""
