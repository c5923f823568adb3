from __future__ import annotations

from ironforge_cli.blizzard.traffic import Traffic, TrafficCounter


def test_requests_and_answers_at_hand_are_counted_apart() -> None:
    counter = TrafficCounter()
    assert counter.traffic == Traffic(requests=0, cache_hits=0)
    counter.asked()
    counter.reused()
    before = counter.traffic
    counter.asked()
    counter.reused()
    counter.asked()
    assert counter.traffic == Traffic(requests=3, cache_hits=2)
    assert counter.traffic.since(before) == Traffic(requests=2, cache_hits=1)
