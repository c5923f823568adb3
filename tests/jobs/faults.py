"""Every fault that `collect` is tried with, and how it ends: the one table of them, for tests and for the docs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence


class Kept(Enum):
    """Where the body is afterwards."""

    NOWHERE = "there was none"
    DATABASE = "stored"
    QUARANTINE = "quarantine"
    SPOOL = "spool"
    KNOWN = "known already"
    BOTH = "stored; the first of a day in the quarantine, too"

    @property
    def is_stored(self) -> bool:
        """Whether its hour is in the tables."""
        return self in {Kept.DATABASE, Kept.BOTH}


@dataclass(frozen=True, slots=True)
class Case:
    """A fault and its end."""

    name: str
    happens: str
    """What happens, in words."""
    outcome: Outcome
    status: ExitStatus
    """The exit code when it strikes a region that is collected alone."""
    kept: Kept
    told: str
    """A regular expression that the message to the operator matches."""

    @property
    def beside_a_healthy_region(self) -> ExitStatus:
        """The exit code when the other region is well."""
        return ExitStatus.DONE if self.status is ExitStatus.DONE else ExitStatus.PARTIAL


def _refused(name: str, happens: str, told: str) -> Case:
    return Case(name, happens, Outcome.REJECTED, ExitStatus.REFUSED, Kept.QUARANTINE, told)


def _left_out(name: str, happens: str, told: str) -> Case:
    return Case(name, f"{happens}: it is left out", Outcome.STORED, ExitStatus.DONE, Kept.BOTH, told)


def _unavailable(name: str, happens: str, told: str = "Blizzard's API is unavailable") -> Case:
    return Case(name, happens, Outcome.FAILED, ExitStatus.UNAVAILABLE, Kept.NOWHERE, told)


def _no_change(name: str, happens: str, told: str) -> Case:
    return Case(name, happens, Outcome.NO_CHANGE, ExitStatus.DONE, Kept.KNOWN, told)


def _spooled(name: str, happens: str, status: ExitStatus, told: str) -> Case:
    return Case(name, happens, Outcome.SPOOLED, status, Kept.SPOOL, told)


_NUMBER = r"\$\.auctions\[\d+\]\.unit_price"

OF_THE_API: Sequence[Case] = (
    _refused(
        "truncated", "the JSON is cut, though the transfer is complete", r"cut off at byte .* last whole auction is"
    ),
    _refused("garbage", "bytes without sense", "malformed|not JSON"),
    _refused("empty", "200 with no body", "is empty"),
    _refused("no_content", "204", "is empty"),
    _refused("no_auctions", "no key `auctions`", "`auctions`"),
    _refused("empty_auctions", "an empty list of auctions", "lists no auctions"),
    _left_out("negative_number", "a price below zero", _NUMBER),
    _left_out("zero_number", "a price of zero", _NUMBER),
    _left_out("huge_number", "a price that 64 bits can't hold", _NUMBER),
    _left_out("fractional_number", "a price with a fraction", _NUMBER),
    _left_out("textual_number", "text instead of a price", _NUMBER),
    _left_out("null_number", "null instead of a price", _NUMBER),
    _left_out("duplicate_ids", "an auction twice", "more than once"),
    _left_out("unknown_time_left", "a `time_left` that is none of the four", r"\$\.auctions\[\d+\]\.time_left"),
    _left_out("missing_key", "an auction without its price", "unit_price"),
    _left_out("odd_auction", "an auction without its price, hour after hour", "unit_price"),
    _refused("odd_auctions", "every tenth auction without its price", r"one of \d+ of \d+ auctions"),
    _refused("html", "a page of HTML with 200", "HTML"),
    _refused("missing_last_modified", "no `Last-Modified`", "no Last-Modified"),
    _refused("unparseable_last_modified", "a `Last-Modified` that is no date", "no date"),
    _refused("future_last_modified", "a `Last-Modified` ahead of the answer's `Date`", "was given at"),
    _unavailable("html_5xx", "a page of HTML with 502"),
    _unavailable("server_error", "500"),
    _unavailable("rate_limited", "429, again and again"),
    _unavailable("cut_connection", "the connection is reset in mid-body"),
    _unavailable("slow_drip", "the body trickles in"),
    _unavailable("hang", "no answer at all"),
    _unavailable("connection_refused", "nobody listens"),
    _unavailable("dns_failure", "the host's name is not known"),
    _unavailable("tls_failure", "no secure connection can be made"),
    Case("unauthorized", "401 with a new token, too", Outcome.FAILED, ExitStatus.CREDENTIALS, Kept.NOWHERE, "401"),
    Case("forbidden", "403", Outcome.FAILED, ExitStatus.CREDENTIALS, Kept.NOWHERE, "403"),
    _unavailable("not_found", "404", "404"),
    _no_change("stale", "the auctions of the hour before, with their time, as 200", "is the one that is known"),
    _no_change("past_last_modified", "an older body and its time, as 200", "known"),
    _no_change("stuck_last_modified", "new auctions under the time that is known", "is the one that is known"),
    _no_change("same_body_new_time", "the known body under a new time", "new time alone"),
    _no_change("late_body", "the known body under a new time, its own a while later", "new time alone"),
    Case("bom", "a byte order mark before the JSON", Outcome.STORED, ExitStatus.DONE, Kept.DATABASE, ""),
    Case("extra_keys", "keys that nobody has seen before", Outcome.STORED, ExitStatus.DONE, Kept.DATABASE, ""),
)

_AT_ONCE = 2
"""So many faults of each end are tried by the quick tests."""


def few_of_each_end(cases: Sequence[Case]) -> list[Any]:
    """The cases as parameters, of which those that end like two others before them are slow tests.

    What a fault is taken for is decided without a database, and tested there; here it is what follows from that.
    """
    ends = [(case.outcome, case.status, case.kept) for case in cases]
    return [
        pytest.param(case, id=case.name, marks=[pytest.mark.slow] * (ends[:number].count(end) >= _AT_ONCE))
        for number, (case, end) in enumerate(zip(cases, ends, strict=True))
    ]


SLOW = {"slow_drip", "hang"}
"""Faults that last as long as the client waits."""

OF_THE_DATABASE: Sequence[Case] = (
    _spooled("away", "the server is not running", ExitStatus.DATABASE, "can't be reached"),
    _spooled("no_connections", "the server has no connection left", ExitStatus.DATABASE, "too many connections"),
    _spooled("closed", "the database lets nobody in", ExitStatus.DATABASE, "not currently accepting connections"),
    _spooled("read_only", "the server is read-only", ExitStatus.DATABASE, "read-only"),
    _spooled(
        "cancelled", "statements take longer than statement_timeout allows", ExitStatus.DATABASE, "statement timeout"
    ),
    _spooled("disk_full", "the server's disk is full", ExitStatus.DATABASE, "disk is full"),
    _spooled(
        "overlap", "a partition attached by hand covers a part of the day", ExitStatus.DATABASE, "covers a part of"
    ),
    _spooled("wrong_encoding", "the database is not UTF-8", ExitStatus.CONFIGURATION, "ENCODING 'UTF8'"),
    _spooled("schema_missing", "the database is empty", ExitStatus.CONFIGURATION, "ironforge db upgrade"),
    _spooled("schema_foreign", "the schema is another program's", ExitStatus.CONFIGURATION, "none of this ironforge"),
    _spooled("schema_new", "the schema is of a newer version", ExitStatus.CONFIGURATION, "Upgrade ironforge"),
    Case(
        "restarted",
        "every session is cut off while the body is on its way",
        Outcome.STORED,
        ExitStatus.DONE,
        Kept.DATABASE,
        "",
    ),
    Case("no_partitions", "the parent has no partition", Outcome.STORED, ExitStatus.DONE, Kept.DATABASE, ""),
    Case("attached", "a partition attached by hand holds a month", Outcome.STORED, ExitStatus.DONE, Kept.DATABASE, ""),
)


def as_markdown() -> str:
    """The tables of docs/reliability.md."""
    parts: list[str] = []
    for title, cases in (("Blizzard's API", OF_THE_API), ("The database", OF_THE_DATABASE)):
        parts += [
            f"### {title}",
            "",
            "| fault | what happens | outcome | exit code alone | beside a healthy region | the body afterwards |",
            "|---|---|---|---|---|---|",
        ]
        for case in cases:
            beside = case.beside_a_healthy_region if cases is OF_THE_API else case.status
            cells = (case.name, case.happens, case.outcome, int(case.status), int(beside), case.kept.value)
            parts.append(f"| {' | '.join(map(str, cells))} |")
        parts.append("")
    return "\n".join(parts)
