from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ironforge_cli.cli.show.prometheus import METRICS, metrics
from ironforge_cli.jobs.health.rules import ProblemKind
from ironforge_cli.regions import DEFAULT_REGIONS
from tests.jobs import healthy
from tests.jobs.healthy import AHEAD, HOUR, NEWEST, NOW

if TYPE_CHECKING:
    from ironforge_cli.jobs.storage import Storage
    from tests.cli.conftest import Run

Sample = tuple[str, frozenset[tuple[str, str]]]
NOBODY = "postgresql://127.0.0.1:1/x"


@pytest.fixture
def well(storage: Storage) -> Storage:
    """Storage of an installation that is well: its database is made so (`database_url`)."""
    return storage


def written(storage: Storage) -> str:
    return metrics(healthy.look(storage))


def parsed(text: str) -> dict[Sample, float]:
    """Every sample by its name and labels, as Prometheus' own parser reads them; none comes twice."""
    found: dict[Sample, float] = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge", family.name
        assert family.documentation.endswith("."), family.name
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def of(samples: dict[Sample, float], name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_a_healthy_installation_in_metrics(well: Storage) -> None:
    samples = parsed(written(well))
    assert of(samples, "ironforge_status_timestamp_seconds") == NOW.timestamp()
    assert of(samples, "ironforge_problems") == 0
    assert of(samples, "ironforge_database_up") == 1
    for region in DEFAULT_REGIONS:
        assert of(samples, "ironforge_snapshot_timestamp_seconds", region=region) == NEWEST.timestamp()
        assert of(samples, "ironforge_snapshot_due_timestamp_seconds", region=region) == (NEWEST + HOUR).timestamp()
        assert of(samples, "ironforge_snapshot_late_seconds", region=region) == 0
        assert of(samples, "ironforge_publication_minute", region=region) == 3
        assert of(samples, "ironforge_partitions_ahead_days", region=region) == AHEAD
        assert of(samples, "ironforge_self_check_ratio", region=region) == 0.04
    assert of(samples, "ironforge_last_run_success", command="partitions maintain") == 1
    assert of(samples, "ironforge_seeder_complete", seeder="recipe") == 0
    # It was never complete: what is not known has no sample.
    assert of(samples, "ironforge_seeder_completed_timestamp_seconds", seeder="recipe") is None


def test_each_kind_of_problem_is_a_metric_of_its_own(well: Storage) -> None:
    samples = parsed(written(healthy.missed(healthy.spooled(well))))
    there = {kind for kind in ProblemKind if of(samples, "ironforge_problem", kind=kind)}
    assert there == {ProblemKind.MISSING_HOUR, ProblemKind.SPOOL}
    assert [kind for kind in ProblemKind if of(samples, "ironforge_problem", kind=kind) not in {0, 1}] == []
    assert of(samples, "ironforge_problems") == 2
    assert of(samples, "ironforge_missing_hours_last_day", region="us") == 1
    assert of(samples, "ironforge_spool_bodies", region="us") == 1


def test_without_a_database_what_is_not_known_has_no_sample(well: Storage) -> None:
    samples = parsed(written(healthy.without_database(well)))
    assert of(samples, "ironforge_database_up") == 0
    assert of(samples, "ironforge_problem", kind="database") == 1
    known = {name for name, _ in samples}
    assert not any(
        name.startswith(("ironforge_snapshot", "ironforge_partitions", "ironforge_crashed")) for name in known
    )
    assert {"ironforge_spool_bodies", "ironforge_disk_free_bytes"} <= known


def test_names_and_labels_are_those_that_prometheus_allows(well: Storage) -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"ironforge_[a-z_]+[a-z]", name)] == []
    # The textfile collector refuses files whose samples bear times.
    lines = [line for line in written(well).splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"\w+(\{.*\})? -?[\d.]+(e[+-]?\d+)?", line)] == []


def test_the_command_writes_nothing_but_metrics(run: Run, database_url: str) -> None:
    shown = run("status", "--format", "prometheus", IRONFORGE_DATABASE_URL=database_url)
    assert shown.exit_code == 0
    assert of(parsed(shown.stdout), "ironforge_problem", kind="no_snapshot") == 1
    assert shown.stdout.endswith("\n")
    away = run("status", "--format", "prometheus", "--check", IRONFORGE_DATABASE_URL=NOBODY)
    assert away.exit_code == 4
    assert of(parsed(away.stdout), "ironforge_database_up") == 0


def test_other_commands_have_no_metrics(run: Run) -> None:
    assert run("collect", "--format", "prometheus").exit_code == 2
