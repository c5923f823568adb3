"""A server that does not answer is waited for once: what is known of its silence, and who connects all the same."""

from __future__ import annotations

import psycopg
import pytest

from ironforge_cli.db.silence import AWAY_SECONDS, KEPT_SECONDS, Silence, UnansweredError, asking_anew

TIMED_OUT = psycopg.errors.ConnectionTimeout("connection timeout expired")


class Watch:
    """A clock that is moved by hand."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def silence(watch: Watch) -> Silence:
    return Silence(monotonic=watch)


@pytest.mark.parametrize("error", [TIMED_OUT, UnansweredError("no session was free")])
def test_whoever_comes_after_an_attempt_that_nobody_answered_is_told_the_same(
    silence: Silence, error: psycopg.Error
) -> None:
    silence.require_over()
    silence.began(error)
    with pytest.raises(type(error), match=str(error)) as told:
        silence.require_over()
    assert told.value is not error


def test_an_answer_that_refuses_is_no_silence(silence: Silence) -> None:
    silence.began(psycopg.OperationalError("connection refused"))
    silence.require_over()
    assert not silence.lasts


def test_silence_ends_when_somebody_is_let_in_or_a_minute_later(silence: Silence, watch: Watch) -> None:
    silence.began(TIMED_OUT)
    assert silence.lasts
    silence.ended()
    assert not silence.lasts
    silence.began(TIMED_OUT)
    # A minute, and a second for a session that is open: a window counts on both.
    assert (AWAY_SECONDS, KEPT_SECONDS) == (60, 1)
    watch.seconds += AWAY_SECONDS - 1
    assert silence.lasts
    watch.seconds += 1
    assert not silence.lasts


def test_who_asks_anew_is_let_through_and_nobody_else(silence: Silence) -> None:
    silence.began(TIMED_OUT)
    with asking_anew():
        silence.require_over()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        silence.require_over()


def test_no_attempt_takes_more_than_half_of_what_is_left_of_a_window(silence: Silence) -> None:
    assert silence.seconds(10) == 10
    for left, seconds in ((1_800.0, 10), (12.0, 6), (3.0, 2), (-60.0, 2)):
        silence.left = lambda left=left: left
        assert silence.seconds(10) == seconds


def test_another_thread_s_connection_is_waited_for_within_the_window_alone(silence: Silence) -> None:
    error = UnansweredError("no session was free")
    assert error.longest_turn == float("inf")
    silence.left = lambda: 8.0
    silence.began(error)
    with pytest.raises(UnansweredError) as told:
        silence.require_over()
    assert (error.longest_turn, told.value.longest_turn) == (4, 4)
