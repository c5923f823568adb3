from __future__ import annotations

from ironforge_cli.blizzard.tally import Tally, Traffic


def test_requests_and_answers_at_hand_are_counted_apart() -> None:
    tally = Tally()
    assert tally.traffic == Traffic(requests=0, cache_hits=0)
    tally.asked()
    tally.reused()
    before = tally.traffic
    tally.asked()
    tally.reused()
    tally.asked()
    assert tally.traffic == Traffic(requests=3, cache_hits=2)
    assert tally.traffic.since(before) == Traffic(requests=2, cache_hits=1)
