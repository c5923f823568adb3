from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.blizzard.reservations import ENTRY_BYTES, HEADER_BYTES, DamagedRingError, Memory, OnDisk, Ring

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600.0


class Plain:
    """What a ring promises, with lists: every reservation is kept, and looked at, for ever."""

    def __init__(self) -> None:
        self.instants: list[float] = []
        self.latest = 0.0
        self.ahead = 0.0

    def reserve(self, now: float, windows: list[tuple[int, float]]) -> float:
        self.ahead = max(self.ahead, self.latest - now)
        self.latest = now + self.ahead
        instant = max(
            [self.latest]
            + [sorted(self.instants)[-limit] + seconds for limit, seconds in windows if limit <= len(self.instants)]
        )
        self.instants.append(instant)
        return instant - self.ahead


pauses = st.one_of(st.just(0.0), st.floats(0, 2), st.floats(0, 2 * HOUR))
jumps = st.one_of(st.just(0.0), st.just(0.0), st.floats(-10, 10), st.floats(-1e9, 1e9))


@given(
    steps=st.lists(st.tuples(pauses, jumps, st.booleans()), max_size=60),
    limits=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    capacity=st.integers(21, 24),
)
def test_a_ring_reserves_what_a_list_of_everything_would(
    steps: list[tuple[float, float, bool]], limits: tuple[int, int], capacity: int
) -> None:
    plain, ring = Plain(), Ring.begun(Memory(b""), capacity=capacity)
    # Two programs with limits of their own share it.
    programs = [[(limits[0], 1.0), (20, HOUR)], [(limits[1], 1.0), (limits[0] + limits[1], HOUR)]]
    now = 1_800_000_000.0
    for pause, jump, which in steps:
        now += pause + jump
        ring = Ring.read(ring.store)
        reserved = ring.reserve(now, windows=programs[which]) - ring.ahead
        assert reserved == pytest.approx(plain.reserve(now, programs[which]), abs=1e-3)
    assert ring.store.size() == HEADER_BYTES + capacity * ENTRY_BYTES


@pytest.mark.parametrize(("within", "is_reserved"), [(2.0, True), (1.75, False)])
def test_an_instant_that_is_just_so_near_is_reserved_and_a_farther_one_is_only_told(
    within: float, *, is_reserved: bool
) -> None:
    ring = Ring.begun(Memory(b""), capacity=5)
    ring.reserve(100.0, windows=())
    assert ring.reserve(100.0, windows=[(1, 2.0)], within=within) == 102.0
    assert ring.instants() == ([100.0, 102.0] if is_reserved else [100.0])


class Killed(Memory):
    """Bytes of a program that is killed before a write."""

    writes_left = 2

    def write(self, offset: int, content: bytes) -> None:
        if self.writes_left == 0:
            raise KeyboardInterrupt
        self.writes_left -= 1
        super().write(offset, content)


@pytest.mark.parametrize("writes", [0, 1])
def test_who_is_killed_while_he_reserves_has_reserved_nothing_and_damaged_nothing(writes: int) -> None:
    store = Killed(b"")
    ring = Ring.begun(store, capacity=5)
    ring.reserve(1.0, windows=())
    store.writes_left = writes
    with pytest.raises(KeyboardInterrupt):
        ring.reserve(2.0, windows=())
    assert Ring.read(store).instants() == [1.0]


@given(before=st.integers(0, 30), after=st.integers(0, 30), capacity=st.integers(3, 20), larger=st.integers(21, 60))
def test_a_ring_that_grows_keeps_what_it_knows(before: int, after: int, capacity: int, larger: int) -> None:
    ring = Ring.begun(Memory(b""), capacity=capacity)
    for number in range(before):
        ring.reserve(float(number), windows=())
    ring.grow(larger)
    for number in range(before, before + after):
        ring.reserve(float(number), windows=())
    known = min(before, capacity) + after
    everything = [float(number) for number in range(before + after)]
    assert Ring.read(ring.store).instants() == everything[len(everything) - min(known, larger) :]


@given(place=st.integers(0, HEADER_BYTES + 5 * ENTRY_BYTES - 1), bit=st.integers(0, 7))
def test_no_bit_changes_unseen(place: int, bit: int) -> None:
    ring = Ring.begun(Memory(b""), capacity=5)
    for number in range(7):
        ring.reserve(float(number), windows=())
    (changed,) = ring.store.read(place, 1)
    ring.store.write(place, bytes([changed ^ 1 << bit]))
    with pytest.raises(DamagedRingError):
        Ring.read(ring.store).instants()


def test_a_page_of_before_is_told_from_one_that_was_written() -> None:
    ring = Ring.begun(Memory(b""), capacity=5)
    for number in range(9):
        ring.reserve(float(number), windows=())
    old = ring.store.read(HEADER_BYTES, 5 * ENTRY_BYTES)
    ring.reserve(9.0, windows=())
    ring.store.write(HEADER_BYTES, old)
    with pytest.raises(DamagedRingError, match="missing"):
        Ring.read(ring.store).instants()


def test_a_replaced_file_is_the_old_one_until_it_is_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = OnDisk(tmp_path / "ring")
    Ring.begun(store, capacity=5).reserve(1.0, windows=())

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", full)
        before = (tmp_path / "ring").read_bytes()
        with pytest.raises(OSError, match="No space"):
            Ring.read(store).grow(10)
        assert (tmp_path / "ring").read_bytes() == before
    assert Ring.read(store).instants() == [1.0]
    assert [file.name for file in tmp_path.iterdir()] == ["ring"]
    store.close()


def test_an_instant_that_came_puts_the_clock_ahead_by_what_this_machines_is_behind() -> None:
    ring = Ring.begun(Memory(b""), capacity=5)
    ring.reserve(100.0, windows=())
    ring.reach(150.0, now=100.0)
    known = Ring.read(ring.store)
    assert (known.latest, known.ahead, known.following) == (150.0, 50.0, 1)
    # One that came before changes nothing, nor does a clock that goes on.
    known.reach(120.0, now=140.0)
    known = Ring.read(ring.store)
    assert (known.latest, known.ahead) == (150.0, 50.0)
    assert known.reserve(101.0, windows=()) == 151.0


def test_who_waits_behind_a_later_reservation_is_put_before_it_and_the_oldest_is_forgotten() -> None:
    ring = Ring.begun(Memory(b""), capacity=3)
    ring.reserve(0.0, windows=())
    # A limit of one in ten seconds, beside a program without any.
    assert ring.reserve(1.0, windows=[(1, 10.0)]) == 10.0
    assert ring.reserve(2.0, windows=()) == 2.0
    assert Ring.read(ring.store).instants() == [0.0, 2.0, 10.0]
    assert ring.reserve(3.0, windows=()) == 3.0
    assert Ring.read(ring.store).instants() == [2.0, 3.0, 10.0]
    # Equal instants stand in the order in which they came, and the last is not passed by one at its own time.
    assert ring.reserve(10.0, windows=()) == 10.0
    assert Ring.read(ring.store).instants() == [3.0, 10.0, 10.0]


def test_bytes_of_another_program_and_of_another_length_are_told(tmp_path: Path) -> None:
    store = OnDisk(tmp_path / "ring")
    assert not store.exists
    Ring.begun(store, capacity=2)
    assert store.exists
    whole = store.read(0, store.size())
    for content in (whole + b"x", whole[:-1]):
        with pytest.raises(DamagedRingError, match="not as long"):
            Ring.read(Memory(content))
    other = b"no rings" + whole[8 : HEADER_BYTES - 4]
    with pytest.raises(DamagedRingError, match="another program's"):
        Ring.read(Memory(other + crc32(other).to_bytes(4, "little") + whole[HEADER_BYTES:]))
    with pytest.raises(DamagedRingError, match="header is cut"):
        Ring.read(Memory(whole[:20]))
    store.close()
    store.close()
    assert not store.exists
    assert (tmp_path / "ring").stat().st_mode & 0o777 == 0o600


def test_a_disk_that_takes_a_part_at_a_time_gets_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite

    def a_little(descriptor: int, content: bytes, offset: int) -> int:
        return pwrite(descriptor, content[:7], offset)

    monkeypatch.setattr(os, "pwrite", a_little)
    with closing(OnDisk(tmp_path / "ring")) as store:
        ring = Ring.begun(store, capacity=3)
        for instant in (1.0, 2.0):
            ring.reserve(instant, windows=())
        assert Ring.read(store).instants() == [1.0, 2.0]
    with closing(OnDisk(tmp_path / "ring")) as again:
        assert Ring.read(again).instants() == [1.0, 2.0]
