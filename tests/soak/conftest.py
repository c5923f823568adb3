"""A collector for tests of the verdict: the one of the jobs' tests."""

from __future__ import annotations

from tests.jobs.conftest import collector, make_collector

__all__ = ["collector", "make_collector"]
