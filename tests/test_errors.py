from __future__ import annotations

import itertools

import pytest

from ironforge_cli import errors
from ironforge_cli.errors import ExitStatus, InterruptedRunError, IronforgeError, combined_status

DONE, PARTIAL = ExitStatus.DONE, ExitStatus.PARTIAL

RELEASED = {
    0: "DONE",
    1: "BUG",
    2: "USAGE",
    3: "PARTIAL",
    4: "UNHEALTHY",
    5: "NOTHING_FIRED",
    65: "REFUSED",
    69: "UNAVAILABLE",
    73: "UNWRITTEN",
    74: "DATABASE",
    75: "LOCKED",
    77: "CREDENTIALS",
    78: "CONFIGURATION",
    129: "HANGUP",
    130: "INTERRUPTED",
    143: "TERMINATED",
}
BY_URGENCY = ["CONFIGURATION", "CREDENTIALS", "DATABASE", "UNAVAILABLE", "REFUSED", "LOCKED", "UNWRITTEN", "BUG"]
STOPS = [ExitStatus.HANGUP, ExitStatus.INTERRUPTED, ExitStatus.TERMINATED]


def test_released_numbers_keep_their_meaning() -> None:
    assert {int(status): status.name for status in ExitStatus} == RELEASED
    assert all(status.meaning for status in ExitStatus)


@pytest.mark.parametrize("status", ExitStatus)
def test_parts_that_all_ended_alike_give_that_code(status: ExitStatus) -> None:
    for count in (1, 2, 5):
        assert combined_status([status] * count) is status


def test_no_parts_are_done() -> None:
    assert combined_status([]) is DONE


@pytest.mark.parametrize("failure", [status for status in ExitStatus if status is not DONE and status not in STOPS])
def test_any_success_beside_any_failure_is_partial(failure: ExitStatus) -> None:
    assert combined_status([DONE, failure]) is PARTIAL
    assert combined_status([failure, DONE, DONE]) is PARTIAL


@pytest.mark.parametrize("failure", [ExitStatus.REFUSED, ExitStatus.CONFIGURATION, ExitStatus.LOCKED])
def test_a_partial_part_makes_the_whole_partial_though_no_part_is_done(failure: ExitStatus) -> None:
    # Something of it was done, which the failure's own code would deny.
    assert combined_status([PARTIAL, failure]) is PARTIAL
    assert combined_status([failure, failure, PARTIAL]) is PARTIAL


def test_of_failures_that_no_cycle_knows_the_first_gives_the_code() -> None:
    unhealthy, usage = ExitStatus.UNHEALTHY, ExitStatus.USAGE
    assert combined_status([unhealthy, usage]) is unhealthy
    assert combined_status([usage, unhealthy, unhealthy]) is usage
    assert combined_status([unhealthy, ExitStatus.BUG]) is ExitStatus.BUG


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(BY_URGENCY, 2)))
def test_of_different_failures_the_one_to_mend_first_gives_the_code(first: str, second: str) -> None:
    for pair in itertools.permutations([ExitStatus[first], ExitStatus[second]]):
        assert combined_status(pair) is ExitStatus[first]


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("other", [DONE, ExitStatus.DATABASE, PARTIAL])
def test_a_stop_is_told_whatever_else_happened(stop: ExitStatus, other: ExitStatus) -> None:
    assert combined_status([other, stop]) is stop


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(STOPS, 2)))
def test_of_several_stops_the_first_gives_the_code(first: ExitStatus, second: ExitStatus) -> None:
    assert combined_status([DONE, first, second]) is first


@pytest.mark.parametrize(("signal", "code"), [("SIGHUP", 129), ("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupted_run_ends_with_the_code_of_its_signal(signal: str, code: int) -> None:
    error = InterruptedRunError(signal)
    assert error.status == code
    assert signal in str(error)


def test_every_kind_of_error_says_with_which_code_it_ends() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, IronforgeError)]
    codes = {kind.__name__: kind.exit_status for kind in kinds if kind not in {IronforgeError, InterruptedRunError}}
    assert codes == {
        "UsageError": ExitStatus.USAGE,
        "NothingThereError": ExitStatus.USAGE,
        "ConfigurationError": ExitStatus.CONFIGURATION,
        "CredentialsError": ExitStatus.CREDENTIALS,
        "UnavailableError": ExitStatus.UNAVAILABLE,
        "RefusedAnswerError": ExitStatus.REFUSED,
        "OutputError": ExitStatus.UNWRITTEN,
        "DatabaseError": ExitStatus.DATABASE,
        "UnreachableError": ExitStatus.DATABASE,
        "BusyError": ExitStatus.DATABASE,
        "ArchiveError": ExitStatus.CONFIGURATION,
        "LockedError": ExitStatus.LOCKED,
    }
    assert IronforgeError("x").status is ExitStatus.BUG
