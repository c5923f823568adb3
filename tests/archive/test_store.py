from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.archive.arrow import arrow
from ironforge_cli.archive.store import BucketStore, FolderStore, abandoned_beside, store_at
from ironforge_cli.errors import ArchiveError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from ironforge_cli.archive.store import ArchiveStore
    from tests.stores import S3

DEEP = "region=eu/date=2024-01-15/file"


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArchiveStore:
    """Both kinds of store in turn, empty."""
    if request.param == "folder":
        return store_at(str(tmp_path / "archive"), environment={})
    s3: S3 = request.getfixturevalue("s3")
    return store_at(f"s3://{s3.new_bucket()}/some/prefix", environment=s3.environment)


def writing(content: bytes) -> Callable[[BinaryIO], None]:
    def write(stream: BinaryIO) -> None:
        stream.write(content)

    return write


def put(store: ArchiveStore, content: bytes, path: str = DEEP) -> int:
    return store.put(path, writing(content))


def read(store: ArchiveStore, path: str = DEEP) -> bytes | None:
    file = store.opened(path)
    if file is None:
        return None
    with file:
        return file.read()


def test_what_is_put_is_read_and_found(store: ArchiveStore) -> None:
    assert read(store) is None
    assert store.found("region=eu") == {}
    assert put(store, b"first") == 5
    assert read(store) == b"first"
    assert put(store, b"the second") == 10
    assert read(store) == b"the second"
    put(store, b"x", "region=us/date=2024-01-15/file")
    assert store.found("region=eu") == {DEEP: 10}


def test_large_files_arrive_whole(store: ArchiveStore) -> None:
    content = bytes(range(256)) * 50_000
    put(store, content)
    assert read(store) == content


def test_a_writing_that_fails_leaves_the_old_file_and_nothing_else(store: ArchiveStore) -> None:
    put(store, b"old")

    def failing(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError):
        store.put(DEEP, failing)
    assert read(store) == b"old"
    assert store.found("") == {DEEP: 3}


def test_what_a_killed_process_left_is_not_seen_and_goes_with_the_next_writing(tmp_path: Path) -> None:
    folder = store_at(tmp_path.as_uri(), environment={})
    put(folder, b"old")
    left = (tmp_path / DEEP).parent / ".unfinished-1234"
    left.write_bytes(b"half")
    assert folder.found("") == {DEEP: 3}
    put(folder, b"new")
    assert sorted(path.name for path in left.parent.iterdir()) == ["file"]


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    blocked = FolderStore(tmp_path / "file")
    with pytest.raises(ArchiveError, match=r"can't be written \(File exists\)\. Make room or correct its perm"):
        put(blocked, b"x")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    put(FolderStore(tmp_path), b"old")
    # No file may grow beyond some bytes: much as on a disk without room, and root is not spared.
    program = (
        "import signal; from pathlib import Path; from ironforge_cli.archive.store import FolderStore\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"FolderStore(Path({str(tmp_path)!r})).put({DEEP!r}, lambda stream: stream.write(bytes(100_000)))\n"
    )
    full = subprocess.run(
        # Modules compiled meanwhile would be cut off at that length, and every later run would load them.
        [sys.executable, "-B", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY)),
        timeout=60,
    )
    assert "ArchiveError: The archive" in full.stderr
    assert "File too large" in full.stderr
    assert read(FolderStore(tmp_path)) == b"old"
    assert FolderStore(tmp_path).found("") == {DEEP: 3}


def test_a_bucket_that_is_not_there_says_what_to_do(s3: S3) -> None:
    missing = store_at("s3://no-such-bucket/prefix", environment=s3.environment)
    with pytest.raises(ArchiveError, match=r"NO_SUCH_BUCKET.*Check that the bucket is there, and the credentials"):
        put(missing, b"x")


def test_a_store_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ironforge_cli.archive.store._ATTEMPTS", 1)
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    away = store_at("s3://bucket/prefix", environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:1", **keys})
    for work in (lambda: read(away), lambda: away.found(""), lambda: put(away, b"x")):
        with pytest.raises(ArchiveError, match="The archive s3://bucket/prefix can't be"):
            work()


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("gs://bucket", "gs://… is neither a folder nor s3"),
        ("https://me:secret@example/x", "https://… is neither a folder nor s3"),
        ("", "neither a folder nor s3"),
        ("  ", "neither a folder nor s3"),
        ("s3://", "names a bucket"),
        ("s3://id:secret@bucket/x", "credentials stand in the environment"),
        ("s3://bucket/x?access_key=secret", "access_key can't stand in its query"),
    ],
)
def test_a_uri_that_is_none_is_a_configuration_error_and_hides_its_secrets(uri: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as wrong:
        store_at(uri, environment={})
    assert "secret" not in str(wrong.value)


def test_region_and_endpoint_come_from_the_uri_or_the_environment() -> None:
    environment = {"AWS_ENDPOINT_URL": "http://a", "AWS_REGION": "eu-west-1", "AWS_SECRET_ACCESS_KEY": "hidden"}
    by_environment = store_at("s3://bucket/a%20b/", environment=environment)
    assert isinstance(by_environment, BucketStore)
    assert by_environment.root == "bucket/a b"
    assert by_environment.name == "s3://bucket/a b"
    assert {name: by_environment.options[name] for name in ("endpoint_override", "region", "scheme")} == {
        "endpoint_override": "http://a",
        "region": "eu-west-1",
        "scheme": "http",
    }
    by_uri = store_at("s3://bucket?region=us-east-2&endpoint_override=b:9000&scheme=http", environment=environment)
    assert isinstance(by_uri, BucketStore)
    assert by_uri.options["endpoint_override"] == "b:9000"
    assert by_uri.options["region"] == "us-east-2"
    assert "hidden" not in repr(by_uri)


def options(uri: str, **environment: str) -> dict[str, Any]:
    """What a bucket's file system is told, but what is not said."""
    bucket = store_at(uri, environment=environment)
    assert isinstance(bucket, BucketStore)
    return {name: value for name, value in bucket.options.items() if value is not None}


def test_each_setting_of_a_bucket_is_taken_from_the_nearest_place_that_names_it() -> None:
    assert options("s3://bucket") == {}
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}
    assert options("s3://bucket", **keys) == {"access_key": "a", "secret_key": "b", "session_token": "c"}
    # A store that is not Amazon's needs a region, whichever.
    other = "https://minio.example"
    assert options("s3://bucket", AWS_ENDPOINT_URL=other) == {"endpoint_override": other, "region": "us-east-1"}
    nearer = {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": other, "AWS_DEFAULT_REGION": "x"}
    assert options("s3://bucket", **nearer) == {"endpoint_override": other, "region": "x"}
    assert options("s3://bucket", AWS_REGION="y", AWS_DEFAULT_REGION="x") == {"region": "y"}
    assert options("s3://bucket?region=z", AWS_REGION="y") == {"region": "z"}
    named = options("s3://bucket?endpoint_override=http://b", **nearer)
    assert named == {"endpoint_override": "http://b", "region": "x", "scheme": "http"}
    assert options("s3://bucket?scheme=https", AWS_ENDPOINT_URL="http://a")["scheme"] == "https"


def test_a_folder_is_named_by_its_path_or_as_a_file_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for uri in (f"{tmp_path}/a b", f"file://{tmp_path}/a%20b", f"file://localhost{tmp_path}/a%20b", "~/a b", "a b"):
        assert store_at(uri, environment={}) == FolderStore(tmp_path / "a b")
    with pytest.raises(ConfigurationError, match="neither a folder nor s3"):
        store_at("file://elsewhere/a", environment={})


def test_files_are_found_in_order_and_folders_are_none(store: ArchiveStore) -> None:
    for path in ("region=eu/b/file", "region=eu/a/file", "region=eu/file", "region=us/file"):
        put(store, b"x", path)
    assert list(store.found("region=eu")) == ["region=eu/a/file", "region=eu/b/file", "region=eu/file"]
    assert store.found("nothing") == {}
    assert store.name.endswith(("/archive", "/some/prefix"))


def test_whoever_looks_while_a_file_is_written_sees_the_old_one(store: ArchiveStore) -> None:
    put(store, b"old")
    seen: list[tuple[bytes | None, dict[str, int]]] = []

    def write(stream: BinaryIO) -> None:
        stream.write(b"longer")
        stream.flush()
        seen.append((read(store), store.found("")))

    assert store.put(DEEP, write) == 6
    assert seen == [(b"old", {DEEP: 3})]
    assert read(store) == b"longer"


def test_a_file_of_a_folder_and_its_name_last_through_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "archive"
    fsync, done = os.fsync, list[str]()

    def flushed(descriptor: int) -> None:
        fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_dir():
            done.append(f"{path.relative_to(tmp_path)}: {', '.join(one.name for one in path.iterdir())}")
        else:
            done.append(f"{path.name[:12]}: {path.stat().st_size} bytes")

    monkeypatch.setattr(os, "fsync", flushed)
    store = FolderStore(root)
    # Each folder is in the one above it, the content is there before its name is, and that is there at the end.
    assert store.put("day/file", writing(b"four"), check=lambda _: done.append("checked")) == 4
    assert done == [
        ".: archive",
        "archive: day",
        ".unfinished-: 4 bytes",
        "checked",
        "archive/day: file",
    ]
    done.clear()
    store.remove("day/file")
    assert done == ["archive/day: "]


def test_a_new_file_that_somebody_took_for_an_abandoned_one_before_it_was_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    def too_late(stream: BinaryIO, how: int) -> None:
        assert how == fcntl.LOCK_EX
        if not taken:
            taken.append(stream.name)
            Path(stream.name).unlink()

    monkeypatch.setattr(fcntl, "flock", too_late)
    assert put(FolderStore(tmp_path), b"whole") == 5
    assert (len(taken), read(FolderStore(tmp_path))) == (1, b"whole")


def refuse(file: Any) -> None:
    assert file.read() == b"bad"
    raise RuntimeError("not what it should be")


def names(store: ArchiveStore, folder: str) -> list[str]:
    """Everything in a folder of a store, unfinished files too, by name."""
    if isinstance(store, FolderStore):
        return sorted(path.name for path in (store.root / folder).iterdir())
    assert isinstance(store, BucketStore)
    found = store.files.get_file_info(arrow().filesystems.FileSelector(f"{store.root}/{folder}"))
    return sorted(info.base_name for info in found)


def test_what_is_found_bad_never_takes_the_place_of_the_good_one(store: ArchiveStore) -> None:
    folder = DEEP.rpartition("/")[0]
    put(store, b"old")
    with pytest.raises(RuntimeError):
        store.put(DEEP, writing(b"bad"), check=refuse)
    assert read(store) == b"old"
    assert names(store, folder) == ["file"]
    seen: list[bytes] = []
    assert store.put(DEEP, writing(b"good"), check=lambda f: seen.append(f.read())) == 4
    assert (read(store), seen, names(store, folder)) == (b"good", [b"good"], ["file"])


def test_two_who_write_the_same_file_leave_each_other_s_unfinished_ones_alone(store: ArchiveStore) -> None:
    def write(stream: BinaryIO) -> None:
        stream.write(b"first")
        put(store, b"the second", DEEP)

    def check(file: Any) -> None:
        put(store, b"another one", DEEP)
        assert file.read() == b"first"

    store.put(DEEP, write, check=check)
    assert read(store) == b"first"
    assert names(store, DEEP.rpartition("/")[0]) == ["file"]


def test_an_empty_file_is_a_file(store: ArchiveStore) -> None:
    assert put(store, b"") == 0
    assert (read(store), store.found("")) == (b"", {DEEP: 0})


def test_a_file_that_is_removed_is_gone(store: ArchiveStore) -> None:
    put(store, b"x")
    store.remove(DEEP)
    assert read(store) is None


def test_an_unfinished_object_of_a_killed_process_is_not_seen_and_goes_a_day_later(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = store_at(f"s3://{s3.new_bucket()}/x", environment=s3.environment)
    left = f"{DEEP.rpartition('/')[0]}/.unfinished-0123"
    put(bucket, b"half", left)
    assert bucket.found("") == {}
    bucket.put(DEEP, writing(b"x"), check=lambda file: file.read())
    assert read(bucket, left) == b"half"
    monkeypatch.setattr("ironforge_cli.archive.store._ABANDONED", timedelta(days=-1))
    bucket.put(DEEP, writing(b"x"), check=lambda file: file.read())
    assert read(bucket, left) is None


def test_an_unfinished_object_is_abandoned_when_it_is_more_than_a_day_older_than_one_s_own() -> None:
    sent = datetime(2026, 1, 14, 12, tzinfo=UTC)
    day = timedelta(days=1)
    there = {"own": sent, "a": sent - day, "b": sent - day - timedelta(seconds=1), "c": sent + day, "d": sent - 9 * day}
    assert abandoned_beside("own", there) == ["b", "d"]
    assert abandoned_beside("another", there) == []
